"""What every distribution of the workspace has in common."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

DISTRIBUTIONS = {
    "compose-core": ("compose-core", "compose_core"),
    "snakemake-executor-hpccompose": ("snakemake-executor-plugin-hpccompose", "snakemake_executor_plugin_hpccompose"),
    "airflow-provider-hpccompose": ("airflow-provider-hpccompose", "airflow_provider_hpccompose"),
}
"""Folder below packages/ to distribution and import name."""


def project_table(repository: Path, folder: str) -> dict[str, Any]:
    """`pyproject.toml` of one distribution."""
    return tomllib.loads((repository / "packages" / folder / "pyproject.toml").read_text(encoding="utf-8"))


def version_file(repository: Path, folder: str) -> Path:
    """The file that the build reads the version from."""
    home = repository / "packages" / folder
    return (home / str(project_table(repository, folder)["tool"]["hatch"]["version"]["path"])).resolve()


def declared_version(path: Path) -> str:
    """The literal `__version__` in it."""
    for statement in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "__version__":
            return str(ast.literal_eval(statement.value))
    raise AssertionError(f"{path} assigns no __version__")


def test_the_workspace_has_these_distributions_and_no_other(repository: Path) -> None:
    """A package that nobody listed would be neither built nor checked."""
    assert {path.parent.name for path in repository.glob("packages/*/pyproject.toml")} == set(DISTRIBUTIONS)


@pytest.mark.parametrize("folder", DISTRIBUTIONS)
def test_a_distribution_is_typed_licensed_and_named_as_its_users_type_it(repository: Path, folder: str) -> None:
    """Type checkers need py.typed, redistributors the licence text, hosts the exact names."""
    name, module = DISTRIBUTIONS[folder]
    home = repository / "packages" / folder
    project = project_table(repository, folder)["project"]
    assert project["name"] == name
    assert (home / "src" / module / "py.typed").is_file()
    assert (home / "README.md").is_file()
    assert project["license"] == "Apache-2.0"
    assert (home / "LICENSE").read_bytes() == (repository / "LICENSE").read_bytes()


def test_all_distributions_are_released_together_under_the_version_of_the_changelog(repository: Path) -> None:
    """One version names one state of the whole workspace."""
    (path,) = {version_file(repository, folder) for folder in DISTRIBUTIONS}
    version = declared_version(path)
    assert f"## [{version}]" in (repository / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"Version {version}" in (repository / "README.md").read_text(encoding="utf-8")


def test_the_version_is_written_in_no_second_place(repository: Path) -> None:
    """Or a release would forget one."""
    sources = sorted(repository.glob("packages/*/src/**/*.py"))
    holders = [path.name for path in sources if re.search(r'^__version__ = "', path.read_text("utf-8"), re.MULTILINE)]
    assert holders == ["version.py"]


@pytest.mark.parametrize("folder", DISTRIBUTIONS)
def test_every_dependency_is_accounted_for_in_the_docs(repository: Path, folder: str) -> None:
    """A dependency without a stated reason is one that nobody dares to remove."""
    page = (repository / "docs/dependencies.md").read_text(encoding="utf-8")
    names = [dependency.split(">")[0] for dependency in project_table(repository, folder)["project"]["dependencies"]]
    assert names
    assert [name for name in names if f"`{name}`" not in page] == []
