"""What is uploaded for a release: sdists, and wheels that are made from them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.distributions.built import FOLDERS, Built, build, files_of

pytestmark = pytest.mark.distributions
each = pytest.mark.parametrize("folder", FOLDERS)


def test_an_index_accepts_them_and_can_show_their_readmes(built: dict[str, Built]) -> None:
    files = [str(path) for one in built.values() for path in (one.sdist, one.wheel)]
    done = subprocess.run(
        [sys.executable, "-m", "twine", "check", "--strict", *files], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("PASSED") == len(files)


@each
def test_a_wheel_from_the_sdist_is_the_wheel_from_the_repository(
    built: dict[str, Built], folder: str, repository: Path, tmp_path: Path
) -> None:
    """Whoever builds from the sdist gets what everybody has, byte by byte."""
    build(repository / "packages" / folder, tmp_path, "--wheel")
    (wheel,) = tmp_path.glob("*.whl")
    assert files_of(wheel) == built[folder].wheel_files()
    assert wheel.name == built[folder].wheel.name


@each
def test_every_file_that_the_repository_knows_is_in_the_wheel(
    built: dict[str, Built], folder: str, repository: Path
) -> None:
    """And nothing else: no cache, no file of an editor."""
    one = built[folder]
    inside = {path for path in one.wheel_files() if path.startswith(f"{one.module}/")}
    assert inside == tracked(repository, folder)


def test_what_a_run_left_beside_an_example_is_in_no_wheel(
    built: dict[str, Built], repository: Path, tmp_path: Path
) -> None:
    """Whoever tries the README's example and installs again does not install results, models and logs."""
    for path in [*listed(repository, "packages/compose-core/"), *listed(repository, "examples/")]:
        copy = tmp_path / "clone" / path
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.symlink_to("../../../../examples") if path.endswith("/templates") else shutil.copy(repository / path, copy)
    shutil.copy(repository / ".gitignore", tmp_path / "clone" / ".gitignore")
    (tmp_path / "clone" / ".git").mkdir()
    example = tmp_path / "clone" / "examples" / "quickstart"
    for left in ("results/1/report.md", ".hpc-compose/1/state.json", "models/a.gguf", "slurm-1.out"):
        (example / left).parent.mkdir(parents=True, exist_ok=True)
        (example / left).write_text("private")
    build(tmp_path / "clone" / "packages" / "compose-core", tmp_path / "dist", "--wheel")
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    assert files_of(wheel).keys() == built["compose-core"].wheel_files().keys()


@each
def test_type_checkers_and_redistributors_find_what_they_look_for(built: dict[str, Built], folder: str) -> None:
    one, metadata = built[folder], built[folder].metadata()
    files = one.wheel_files()
    assert f"{one.module}/py.typed" in files
    (licence,) = (data for path, data in files.items() if path.endswith(".dist-info/licenses/LICENSE"))
    assert licence == one.sdist_files()["LICENSE"]
    assert licence.startswith(b"\n                                 Apache License")
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["License-File"] == "LICENSE"


@each
def test_the_metadata_says_what_it_is_and_where_it_runs(built: dict[str, Built], folder: str) -> None:
    metadata = built[folder].metadata()
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["Summary"]
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert "slurm" in metadata["Keywords"].split(",")
    classifiers = metadata.get_all("Classifier", [])
    pythons = {f"Programming Language :: Python :: {version}" for version in ("3.11", "3.12", "3.13")}
    assert pythons | {"Typing :: Typed", "Operating System :: POSIX :: Linux"} <= set(classifiers)
    assert "Development Status :: 3 - Alpha" in classifiers


def test_all_have_the_one_version_and_the_adapters_ask_for_a_core_that_fits(built: dict[str, Built]) -> None:
    """0.1.x works with 0.1.y; the next minor release may break what it likes."""
    (version,) = {one.metadata()["Version"] for one in built.values()}
    major, minor, *_ = map(int, version.split("."))
    for folder in ("snakemake-executor-hpccompose", "airflow-provider-hpccompose"):
        asked = built[folder].metadata().get_all("Requires-Dist", [])
        assert [one for one in asked if one.startswith("compose-core")] == [
            f"compose-core<{major}.{minor + 1},>={major}.{minor}"
        ]


def tracked(repository: Path, folder: str) -> set[str]:
    """The files of its module that git knows; the templates are the examples that `hpcc init` offers."""
    module, source = FOLDERS[folder], f"packages/{folder}/src/"
    files = {path.removeprefix(source) for path in listed(repository, source)}
    if folder != "compose-core":
        return files
    examples = {path.removeprefix("examples/") for path in listed(repository, "examples/")}
    templates = {path for path in examples if path.partition("/")[0] not in {"airflow", "snakemake"}}
    return (files - {f"{module}/templates"}) | {f"{module}/templates/{path}" for path in templates}


def listed(repository: Path, below: str) -> list[str]:
    """The files that git tracks there, and those that are new."""
    done = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", below],
        cwd=repository,
        check=True,
        capture_output=True,
        text=True,
    )
    return [path for path in done.stdout.split("\0") if path and (repository / path).exists()]
