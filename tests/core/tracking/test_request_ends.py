"""The end of many jobs, asked for at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from compose_core import JobRecord, Site, build_plan, load_spec, plan_context, request_ends, submit
from compose_core.testing import FakeCluster

SPEC = "{runtime: {backend: host}, services: {main: {command: 'true'}}}"


@pytest.fixture
def cluster() -> FakeCluster:
    """A cluster on which nothing starts by itself."""
    return FakeCluster(auto_start=False)


def submitted(site: Site, folder: Path, count: int) -> list[JobRecord]:
    """So many jobs of one small compose file."""
    loaded = load_spec(folder / "compose.yaml", variables={}, text=SPEC)
    plan = build_plan(loaded, plan_context(site))
    return [submit(site, plan).record for _ in range(count)]


def test_many_jobs_take_few_calls(cluster: FakeCluster, tmp_path: Path) -> None:
    """A workflow that is interrupted must not flood the controller with a call for each job."""
    site = cluster.site(tmp_path)
    records = submitted(site, tmp_path, 205)
    cluster.programs_run.clear()
    assert request_ends(site, records) == ()
    assert cluster.programs_run == ["squeue", "scancel", "scancel"]
    assert all(cluster.job(record.job_id).is_over for record in records)


def test_an_id_that_is_another_jobs_now_is_left_alone(cluster: FakeCluster, tmp_path: Path) -> None:
    """Ids are reused: the token decides."""
    site = cluster.site(tmp_path)
    [mine, other] = submitted(site, tmp_path, 2)
    taken = mine.model_copy(update={"job_id": other.job_id})
    assert request_ends(site, [taken]) == ()
    assert not cluster.job(other.job_id).is_over


def test_a_silent_scheduler_is_told(cluster: FakeCluster, tmp_path: Path) -> None:
    """Whoever interrupts a workflow has to know that its jobs go on."""
    site = cluster.site(tmp_path)
    records = submitted(site, tmp_path, 2)
    cluster.stop_controller()
    troubles = request_ends(site, records)
    assert [trouble.split(":")[0] for trouble in troubles] == [f"job {one.job_id} was not cancelled" for one in records]
