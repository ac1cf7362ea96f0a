"""The sampler as one text: made of modules, runs under the oldest Python there is."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from importlib import import_module
from pathlib import Path

import pytest

from compose_core import sampler

FOLDER = Path(sampler.__file__).parent


def test_every_module_of_the_folder_is_a_part() -> None:
    """None is forgotten."""
    assert {f"{name}.py" for name in sampler.PARTS} | {"__init__.py"} == {path.name for path in FOLDER.glob("*.py")}


def test_no_two_parts_use_one_name_for_two_things() -> None:
    """In the script they are one module, the parts that it shares with the supervisor included."""
    modules = [*sampler.SHARED, *(f"compose_core.sampler.{part}" for part in sampler.PARTS)]
    names = [name for module in modules for name in _defined(Path(str(import_module(module).__file__)).read_text())]
    assert [name for name, count in Counter(names).items() if count > 1] == []
    assert set(_defined(sampler.source())) == set(names)


def test_the_source_runs_as_one_module_and_cannot_end_a_here_document() -> None:
    """It is ASCII and ends with one newline."""
    source = sampler.source()
    names: dict[str, object] = {"__name__": "sampler"}
    exec(compile(source, "<sampler>", "exec"), names)
    assert callable(names["run_sampler"])
    assert source.isascii()
    assert source.endswith("\n")
    assert not source.endswith("\n\n")
    assert not {"HPC_COMPOSE_SAMPLER", "HPC_COMPOSE_SUPERVISOR", "HPC_COMPOSE_JOB"} & set(source.split("\n"))


def test_it_needs_no_newer_python_than_3_6(tmp_path: Path) -> None:
    """As the supervisor."""
    vermin = Path(sys.executable).with_name("vermin")
    if not vermin.exists():
        pytest.skip("vermin is not installed")
    (tmp_path / "sampler.py").write_text(sampler.source())
    argv = [str(vermin), "-t=3.6-", "--no-tips", str(tmp_path / "sampler.py")]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def _defined(source: str) -> list[str]:
    """The names that a module defines on its top level."""
    found = []
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.append(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found += [name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)]
    return found
