from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from compose_core.cluster.local import LocalEngine
from compose_core.cluster.runner import RunOutcome
from compose_core.cluster.shared_answers import SharedAnswers
from compose_core.cluster.site import Site
from compose_core.cluster.slurm import Slurm
from compose_core.cluster.slurm_tools import SlurmTools
from compose_core.errors import EnvironmentProblem, UsageError
from compose_core.job_state import JobId
from compose_core.testing import FakeCluster


def _program(folder: Path, name: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text("#!/bin/sh\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def _environment(tmp_path: Path, **variables: str) -> dict[str, str]:
    return {"PATH": str(tmp_path / "bin"), "HOME": str(tmp_path), **variables}


def test_auto_is_this_machine_where_there_is_no_sbatch(tmp_path: Path) -> None:
    site = Site.detect(environment=_environment(tmp_path))
    assert site.engine_name == "local"
    assert isinstance(site.engine, LocalEngine)
    assert site.engine is site.engine


def test_auto_is_slurm_where_sbatch_is_on_the_path(tmp_path: Path) -> None:
    _program(tmp_path / "bin", "sbatch")
    site = Site.detect(environment=_environment(tmp_path))
    assert site.engine_name == "slurm"
    assert isinstance(site.engine, Slurm)


def test_the_choice_of_the_user_wins(tmp_path: Path) -> None:
    _program(tmp_path / "bin", "sbatch")
    assert isinstance(Site.detect("local", environment=_environment(tmp_path)).engine, LocalEngine)


def test_slurm_without_sbatch_is_an_error_of_the_environment(tmp_path: Path) -> None:
    site = Site.detect("slurm", environment=_environment(tmp_path))
    with pytest.raises(EnvironmentProblem, match="sbatch was not found") as caught:
        site.engine  # noqa: B018 - asking for it is the test
    assert "--engine local" in caught.value.remedy


def test_a_wrapper_may_stand_for_sbatch(tmp_path: Path) -> None:
    wrapper = _program(tmp_path / "site", "my-sbatch")
    site = Site.detect(environment=_environment(tmp_path), tools=SlurmTools(sbatch=str(wrapper)))
    assert site.engine_name == "slurm"


def test_an_unknown_engine_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'pbs' is no engine"):
        Site.detect("pbs", environment=_environment(tmp_path))


@pytest.mark.parametrize(
    ("variables", "expected"),
    [({}, ".local/state/hpc-compose"), ({"XDG_STATE_HOME": "relative"}, ".local/state/hpc-compose")],
)
def test_the_state_folder_lies_in_the_home(tmp_path: Path, variables: dict[str, str], expected: str) -> None:
    assert Site.detect(environment=_environment(tmp_path, **variables)).state_dir == tmp_path / expected


def test_the_state_folder_follows_xdg(tmp_path: Path) -> None:
    environment = _environment(tmp_path, XDG_STATE_HOME=str(tmp_path / "s"))
    assert Site.detect(environment=environment).state_dir == tmp_path / "s" / "hpc-compose"


@pytest.mark.parametrize("installed", [(), ("apptainer",), ("enroot", "apptainer")])
def test_container_programs_are_found_on_the_path(tmp_path: Path, installed: tuple[str, ...]) -> None:
    for name in installed:
        _program(tmp_path / "bin", name)
    assert Site.detect(environment=_environment(tmp_path)).available_backends == installed


def test_the_environment_is_not_shown(tmp_path: Path) -> None:
    """Secrets live in it, and a Site may land in a traceback."""
    assert "hush" not in repr(Site.detect(environment=_environment(tmp_path, HF_TOKEN="hush")))


def test_the_process_environment_is_the_default() -> None:
    assert Site.detect().environment == dict(os.environ)


def test_jobs_of_another_cluster_are_asked_after_by_its_name(tmp_path: Path) -> None:
    """By the variable that Slurm's programs read, and by an option to sacct, which reads none."""
    cluster = FakeCluster()
    asked: list[tuple[str, str | None]] = []
    run = cluster.run

    def noting(argv: Sequence[str], **options: Any) -> RunOutcome:
        asked.append((" ".join(argv), options["env"].get("SLURM_CLUSTERS")))
        return run(argv, **options)

    cluster.run = noting  # type: ignore[method-assign]
    here = cluster.site(tmp_path)
    there = here.of_jobs("slurm", "east")
    there.engine.queue()
    there.engine.accounting([JobId("1")], since_epoch_s=0.0)
    here.engine.queue()
    here.engine.accounting([JobId("1")], since_epoch_s=0.0)
    assert [cluster_name for _, cluster_name in asked] == ["east", "east", None, None]
    assert ["--clusters=east" in argv for argv, _ in asked] == [False, True, False, False]
    assert here.of_jobs("slurm") is here
    assert here.calls.calls == {"squeue": 2, "sacct": 2}


def test_each_cluster_host_and_user_has_answers_of_its_own(tmp_path: Path) -> None:
    """Homes are shared by the login nodes of several clusters."""
    site = FakeCluster().site(tmp_path)
    others = [
        site.of_jobs("slurm", "east"),
        replace(site, host="login2"),
        replace(site, user="bob"),
        replace(site, environment={**site.environment, "SLURM_CONF": "/etc/other.conf"}),
    ]
    folders = [str(engine.folder) for one in [site, *others] if isinstance(engine := one.watched_engine, SharedAnswers)]
    assert len(set(folders)) == 5
    assert all(folder.startswith(f"{site.state_dir}/scheduler/") for folder in folders)
    assert site.with_engine("local").watched_engine.name == "local"
