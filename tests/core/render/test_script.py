"""The rendered script: as expected, valid, readable, the same every time."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compose_core.plan import PlanContext, build_plan
from compose_core.render import readable_part, render_script
from compose_core.spec import load_spec
from tests.core.render.golden_scripts import CASES, GOLDEN, golden_plan, without_supervisor


@pytest.mark.parametrize("case", CASES)
def test_the_script_is_the_golden_one(case: str) -> None:
    """A difference that is meant is written with tests/core/render/golden_scripts.py."""
    assert without_supervisor(render_script(golden_plan(case))) == (GOLDEN / f"{case}.sbatch").read_text()


@pytest.mark.parametrize("case", CASES)
def test_bash_and_shellcheck_accept_the_script(case: str, tmp_path: Path) -> None:
    """The whole of it, supervisor included."""
    path = tmp_path / "job.sbatch"
    path.write_text(render_script(golden_plan(case)))
    subprocess.run(["bash", "-n", path], check=True)
    checked = subprocess.run([SHELLCHECK, path], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


def test_the_same_spec_renders_the_same_bytes() -> None:
    """So that a digest says whether two jobs are the same."""
    assert render_script(golden_plan("containers")) == render_script(golden_plan("containers"))


def test_the_readable_part_of_a_minimal_job_fits_a_screen_or_two() -> None:
    """At most 80 lines."""
    script = render_script(golden_plan("minimal"))
    assert len(readable_part(script).splitlines()) <= 80


def test_text_of_the_user_that_looks_like_a_directive_stands_after_the_first_command() -> None:
    """sbatch stops reading directives there, so it cannot add one."""
    lines = render_script(golden_plan("containers")).splitlines()
    first_command = next(number for number, line in enumerate(lines) if line and not line.startswith("#"))
    late = [line for line in lines[first_command:] if line.startswith("#SBATCH")]
    assert late == ["#SBATCH --account=not-a-directive"]
    assert "#SBATCH --account=lab" in lines[:first_command]


HOSTILE = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("\n\t"), min_size=1, max_size=30)


@settings(max_examples=25)
@given(arguments=st.lists(HOSTILE, min_size=1, max_size=4), value=HOSTILE, text=HOSTILE)
def test_srun_gets_exactly_what_the_plan_says(
    tmp_path_factory: pytest.TempPathFactory, arguments: list[str], value: str, text: str
) -> None:
    """The script is executed with an `srun` that records its arguments: byte for byte, whatever they hold."""
    folder = tmp_path_factory.mktemp("job")
    spec = {
        "runtime": {"backend": "host"},
        "services": {
            "list": {"command": ["prog", *map(_escaped, arguments)], "environment": {"VALUE": _escaped(value)}},
            "shell": {"command": "true " + text},
        },
    }
    (folder / "compose.yaml").write_text(json.dumps(spec, ensure_ascii=False), encoding="utf-8")
    plan = build_plan(load_spec(folder / "compose.yaml", variables={}), PlanContext(engine="slurm", home="/home/me"))
    (folder / "job.sbatch").write_text(render_script(plan))
    _recording_srun(folder)
    assert _recorded(folder, "list")[-1 - len(arguments) :] == ["prog", *arguments]
    assert (folder / "value").read_text() == value
    assert _recorded(folder, "shell")[-3:] == ["/bin/sh", "-c", "true " + text]


@pytest.mark.parametrize("engine", ["slurm", "local"])
def test_a_path_of_the_service_does_not_hide_srun(tmp_path: Path, engine: str) -> None:
    """It decides where the service's programs are found, and nothing before them."""
    (tmp_path / "compose.yaml").write_text(
        "runtime: {backend: host}\nservices: {app: {command: [/usr/bin/printenv, PATH], environment: {PATH: /nowhere}}}\n"
    )
    plan = build_plan(load_spec(tmp_path / "compose.yaml", variables={}), PlanContext(engine="slurm", home="/home/me"))
    (tmp_path / "job.sbatch").write_text(render_script(plan))
    (tmp_path / "srun").write_text('#!/bin/sh\nwhile [ "$1" != -- ]; do shift; done\nshift\nexec "$@"\n')
    (tmp_path / "srun").chmod(0o755)
    done = subprocess.run(
        [shutil.which("bash") or "bash", tmp_path / "job.sbatch", "step:app"],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}", "HPC_COMPOSE_ENGINE": engine},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("/nowhere\n", "")


def _escaped(text: str) -> str:
    """So that the spec's own placeholders do not apply."""
    return text.replace("$", "$$").replace("@{", "@ {")


def _recording_srun(folder: Path) -> None:
    srun = folder / "srun"
    srun.write_text(
        f"#!{sys.executable} -IS\nimport os, sys\n"
        "os.write(1, '\\0'.join(sys.argv[1:]).encode('utf-8', 'surrogateescape'))\n"
        f"open({str(folder / 'value')!r}, 'w', newline='').write(os.environ.get('VALUE', ''))\n"
    )
    srun.chmod(srun.stat().st_mode | stat.S_IXUSR)


def _recorded(folder: Path, service: str) -> list[str]:
    done = subprocess.run(
        ["bash", folder / "job.sbatch", f"step:{service}"],
        env={"PATH": f"{folder}:{os.environ['PATH']}", "LANG": "C.UTF-8"},
        cwd=folder,
        capture_output=True,
        check=True,
    )
    return done.stdout.decode().split("\0")


_BESIDE_PYTHON = Path(sys.executable).with_name("shellcheck")
SHELLCHECK = str(_BESIDE_PYTHON) if _BESIDE_PYTHON.exists() else shutil.which("shellcheck") or "shellcheck"
