"""Each distribution alone, and all together, in an environment that has nothing else, by every Python that they promise."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.distributions import interpreters
from tests.distributions.built import Built
from tests.distributions.environments import Environment, environment

pytestmark = pytest.mark.distributions

CORE, SNAKEMAKE, AIRFLOW = "compose-core", "snakemake-executor-hpccompose", "airflow-provider-hpccompose"
SETS = {
    "core": ((CORE,), ()),
    "snakemake": ((CORE, SNAKEMAKE), ("snakemake>=9,<10",)),
    "airflow": ((CORE, AIRFLOW), ()),
    "all": ((CORE, SNAKEMAKE, AIRFLOW), ("snakemake>=9,<10",)),
}
"""Each set by its name: our distributions, and what a user of them has beside them."""

every_python = pytest.mark.parametrize("python", interpreters.wanted())


@pytest.fixture
def made(request: pytest.FixtureRequest, built: dict[str, Built], tmp_path: Path, python: str) -> Environment:
    """A new environment with the set that the test names; skipped by name where there is no such Python."""
    interpreter = interpreters.found(python)
    if interpreter is None:
        pytest.skip(f"no Python {python} on this machine, and uv cannot bring one")
    folders, beside = SETS[request.param]
    return environment(tmp_path, interpreter, *(str(built[folder].wheel) for folder in folders), *beside)


def of(name: str) -> pytest.MarkDecorator:
    """The set that a test asks for."""
    return pytest.mark.parametrize("made", [name], indirect=True)


@every_python
@of("core")
def test_the_core_alone_runs_a_job_and_brings_nothing_of_the_adapters(
    made: Environment, python: str, repository: Path, built: dict[str, Built]
) -> None:
    check_command(made, built[CORE].metadata()["Version"])
    check_quickstart(made, repository)
    strange = [name for name in made.distributions() if re.search("snakemake|airflow|hpccompose|sqlalchemy", name)]
    assert strange == []
    assert set(made.distributions()) <= CORE_CLOSURE


CORE_CLOSURE = {
    "annotated-types", "click", "compose-core", "jinja2", "linkify-it-py", "markdown-it-py", "markupsafe", "mdit-py-plugins", "mdurl",
    "platformdirs", "pydantic", "pydantic-core", "pygments", "pyyaml", "rich", "textual", "typing-extensions", "typing-inspection",
    "uc-micro-py",
}  # fmt: skip
"""Everything that an installation of the core brings: who adds to it says why in docs/dependencies.md."""


@every_python
@of("snakemake")
def test_the_executor_is_found_by_snakemake(made: Environment, python: str) -> None:
    made.run("python", "-P", "-W", "error", "-c", "import snakemake_executor_plugin_hpccompose")
    check_snakemake(made)
    assert not any("airflow" in name for name in made.distributions())


@every_python
@of("airflow")
def test_the_provider_is_found_by_airflow(made: Environment, python: str, built: dict[str, Built]) -> None:
    check_airflow(made, built[AIRFLOW].metadata()["Version"])
    assert not any("snakemake" in name for name in made.distributions())


@every_python
@of("all")
def test_all_three_live_in_one_environment(
    made: Environment, python: str, repository: Path, built: dict[str, Built]
) -> None:
    version = built[CORE].metadata()["Version"]
    check_command(made, version)
    check_quickstart(made, repository)
    check_snakemake(made)
    check_airflow(made, version)


def check_command(made: Environment, version: str) -> None:
    """The command is there, and its manual where `man` looks for it."""
    made.run("python", "-P", "-W", "error", "-c", "import compose_core")
    assert made.run("hpcc", "--version") == f"hpcc {version}\n"
    assert (made.folder / "venv/share/man/man1/hpcc-sweep-submit.1").is_file()


def check_quickstart(made: Environment, repository: Path) -> None:
    """A file is checked, planned and run; the program's own templates and the supervisor's source are needed for that."""
    folder = made.home / "quickstart"
    made.run("hpcc", "init", "--template", "quickstart", "--output", f"{folder}/compose.yaml")
    for words in (["validate"], ["plan"], ["render", "--output", "job.sbatch"]):
        made.run("hpcc", *words, "--engine", "local", cwd=folder)
    job = json.loads(made.run("hpcc", "up", "--no-tui", "--engine", "local", "--format", "json", cwd=folder))
    assert job["state"] == "COMPLETED"
    assert "3 texts, 17 words" in made.run("hpcc", "logs", "--service", "report", cwd=folder)


def check_snakemake(made: Environment) -> None:
    """Among the executors, with its options."""
    text = made.run("snakemake", "--help")
    (executors,) = re.findall(r"--executor[ ,].*?\{([^}]*)\}", text, flags=re.DOTALL)[:1]
    assert "hpccompose" in executors
    assert "--hpccompose-engine" in text


def check_airflow(made: Environment, version: str) -> None:
    """Among the providers, in its version."""
    said = made.run("airflow", "providers", "get", "airflow-provider-hpccompose", "--output", "json")
    (row,) = json.loads(said[said.index("[") :])
    assert row["version" if "version" in row else "Version"] == version
