"""The operators of sweeps, alone: what they ask of a door, and what they make of its answers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import Asset, AssetAlias

from airflow_provider_hpccompose.asset_events import aliases_of, tell_of_artifacts
from airflow_provider_hpccompose.doors import CallingDoor
from airflow_provider_hpccompose.exceptions import (
    HpcComposeCancelled,
    HpcComposeError,
    HpcComposeRunTimeout,
    HpcComposeSpecError,
    HpcComposeUnreachable,
)
from airflow_provider_hpccompose.hooks.hpccompose import HpcComposeHook
from airflow_provider_hpccompose.operators.hpccompose import HpcComposeArtifactsOperator, HpcComposeOperator
from airflow_provider_hpccompose.operators.sweep import (
    HpcComposeSweepStopOperator,
    HpcComposeSweepSubmitOperator,
    HpcComposeSweepWatchOperator,
)
from airflow_provider_hpccompose.operators.sweep_collect import (
    HpcComposeSweepCollectOperator,
    HpcComposeTrialsStopOperator,
)
from airflow_provider_hpccompose.sensors.hpccompose import HpcComposeSweepSensor
from airflow_provider_hpccompose.settings import ConnectionSettings
from airflow_provider_hpccompose.sweep_doors import SweepTable
from airflow_provider_hpccompose.sweep_results import ranking_lines, shortfall
from airflow_provider_hpccompose.task_groups import HpcComposeSweepTaskGroup, hpc_compose_job
from compose_core import SchedulerUnreachable, SpecError

pytestmark = pytest.mark.adapters

SWEEP = {
    "v": 1,
    "sweep_id": "s1",
    "key": "k",
    "project_dir": "/p",
    "trials": 4,
    "jobs": ["41"],
    "manifest": "/p/sweep.json",
}


class ScriptedDoor(CallingDoor):
    """Answers as a test says, and keeps the questions."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.asked: list[tuple[str, Mapping[str, Any]]] = []

    def call(self, verb: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        self.asked.append((verb, arguments))
        answer = self.answers[verb.replace("-", "_")]
        if isinstance(answer, Exception):
            raise answer
        return dict(answer)


class Events:
    """`outlet_events` of a context: what was told of each outlet, by its name as in Airflow, whose oldest outlets have no hash."""

    def __init__(self) -> None:
        self._told: dict[tuple[type, str], Any] = {}

    def __len__(self) -> int:
        return len(self._told)

    def __getitem__(self, outlet: Any) -> Any:
        key = (type(outlet), outlet.name)
        if key not in self._told:
            told = SimpleNamespace(extra={}, added=[])
            told.add = lambda asset, extra=None: told.added.append((asset.uri, extra))
            self._told[key] = told
        return self._told[key]


def context(*, try_number: int = 1, max_tries: int = 0, xcoms: Any = None) -> dict[str, Any]:
    """What Airflow gives to `execute`."""
    pushed: dict[str, Any] = {}

    def push(key: str, value: Any) -> None:
        pushed[key] = value

    task_instance = SimpleNamespace(
        dag_id="d",
        run_id="r",
        task_id="submit",
        map_index=-1,
        try_number=try_number,
        max_tries=max_tries,
        start_date=datetime.now(UTC),
        pushed=pushed,
        xcom_push=push,
        xcom_pull=lambda **_: xcoms,
    )
    return {"ti": task_instance, "outlet_events": Events()}


def at(door: ScriptedDoor, operator: Any) -> Any:
    """The operator, its connection replaced by this door."""
    operator.__dict__["hook"] = HpcComposeHook(door=door)
    return operator


def submit(**options: Any) -> HpcComposeSweepSubmitOperator:
    return HpcComposeSweepSubmitOperator(task_id="submit", compose_file="/p/compose.yaml", **options)


def answer(**fields: Any) -> dict[str, Any]:
    return {"sweep": {**SWEEP, **fields}, "superseded": []}


def test_a_first_try_supersedes_nothing_and_a_clear_supersedes_all_before_it() -> None:
    """A clear sets max_tries to try_number + retries, which is how its generation shows."""
    door = ScriptedDoor(submit_sweep=answer())
    at(door, submit(retries=2)).execute(context(try_number=1, max_tries=2))
    at(door, submit(retries=2)).execute(context(try_number=2, max_tries=2))
    at(door, submit(retries=2)).execute(context(try_number=3, max_tries=4))
    first, retry, cleared = (asked for _, asked in door.asked)
    assert first["key"] == retry["key"]
    assert first["key"].endswith("-g1")
    assert cleared["key"].endswith("-g3")
    assert (first["supersedes"], retry["supersedes"]) == ([], [])
    assert cleared["supersedes"] == [first["key"], first["key"].replace("-g1", "-g2")]
    assert first["labels"]["task_id"] == "submit"


def test_what_was_submitted_before_a_clear_goes_on_where_that_is_wished() -> None:
    """`on_clear="keep"`."""
    door = ScriptedDoor(submit_sweep=answer())
    at(door, submit(on_clear="keep")).execute(context(try_number=2, max_tries=1))
    assert door.asked[0][1]["supersedes"] == []


def test_trials_that_were_refused_fail_the_try_and_end_at_the_last_one() -> None:
    """The next try submits them; without one nobody would."""
    door = ScriptedDoor(
        submit_sweep=answer(refused=3, refusals=["QOSMaxSubmitJobPerUserLimit"]), stop_sweep={"stopped": ["s1"]}
    )
    with pytest.raises(HpcComposeError, match="3 of 4 trials were not submitted: QOSMaxSubmitJobPerUserLimit"):
        at(door, submit(retries=1)).execute(context(try_number=1, max_tries=1))
    assert [verb for verb, _ in door.asked] == ["submit-sweep"]
    with pytest.raises(HpcComposeError, match="3 of 4"):
        at(door, submit(retries=1)).execute(context(try_number=2, max_tries=1))
    assert [verb for verb, _ in door.asked] == ["submit-sweep", "submit-sweep", "stop-sweep"]


def test_a_kill_while_the_sweep_is_submitted_ends_it() -> None:
    """Airflow tells of the kill and lets the worker go on for some seconds."""
    door = ScriptedDoor(submit_sweep=answer(), stop_sweep={"stopped": True})
    operator = at(door, submit())
    operator.on_kill()
    with pytest.raises(HpcComposeCancelled):
        operator.execute(context())
    assert [verb for verb, _ in door.asked] == ["submit-sweep", "stop-sweep"]


def test_errors_of_the_door_are_told_by_their_cause() -> None:
    """A wrong file is not tried again, a silent scheduler is."""
    wrong = ScriptedDoor(submit_sweep=SpecError([]))
    with pytest.raises(HpcComposeSpecError):
        at(wrong, submit()).execute(context())
    silent = ScriptedDoor(submit_sweep=SchedulerUnreachable("no answer"))
    with pytest.raises(HpcComposeUnreachable):
        at(silent, submit(submit_patience=timedelta(0))).execute(context())
    with pytest.raises(HpcComposeSpecError, match="Give either"):
        at(wrong, HpcComposeSweepSubmitOperator(task_id="submit")).execute(context())
    with pytest.raises(HpcComposeSpecError, match="throttle is 'many'"):
        at(wrong, submit(throttle="many")).execute(context())


def state(*statuses: str, **fields: Any) -> dict[str, Any]:
    live = any(status in ("running", "pending", "unknown") for status in statuses)
    return {
        "sweep_id": "s1",
        "total": len(statuses),
        "is_over": not live,
        "statuses": list(statuses),
        "faults": [],
        **fields,
    }


def test_a_part_that_is_over_ends_its_watch_while_others_run() -> None:
    """Its counts are its own."""
    door = ScriptedDoor(sweep_state=state("completed", "failed", "running", "pending"))
    watch = HpcComposeSweepWatchOperator(task_id="watch", sweep=SWEEP, first=0, count=2)
    told = at(door, watch).execute(context())
    assert (told["completed"], told["failed"], told["total"], told["first"]) == (1, 1, 2, 0)


def test_a_watch_of_a_running_part_defers_with_what_the_trigger_needs() -> None:
    """Plain values only: it may run on another machine."""
    from airflow.providers.common.compat.sdk import TaskDeferred

    door = ScriptedDoor(sweep_state=state("completed", "running"))
    watch = HpcComposeSweepWatchOperator(task_id="watch", sweep=SWEEP, deferrable=True, poll_seconds=7, first=1)
    with pytest.raises(TaskDeferred) as caught:
        at(door, watch).execute(context())
    _, arguments = caught.value.trigger.serialize()
    assert (arguments["sweep_id"], arguments["project_dir"], arguments["first"]) == ("s1", "/p", 1)
    assert arguments["poll_seconds"] == 7
    assert caught.value.method_name == "execute_complete"


@pytest.mark.parametrize(("status", "error"), [("outage", HpcComposeUnreachable), ("timeout", HpcComposeRunTimeout)])
def test_a_wait_that_ends_early_is_an_error_of_its_kind(status: str, error: type[Exception]) -> None:
    """Only what the cluster said is an end."""
    watch = HpcComposeSweepWatchOperator(task_id="watch", sweep=SWEEP)
    with pytest.raises(error):
        watch.execute_complete(context(), {"v": 1, "status": status, "progress": None, "message": "x"})


def test_a_watch_without_a_sweep_says_what_to_pass() -> None:
    """A template that gave nothing."""
    with pytest.raises(HpcComposeSpecError, match=r"submit\.output\['sweep'\]"):
        at(ScriptedDoor(), HpcComposeSweepWatchOperator(task_id="watch", sweep="None")).execute(context())


def test_the_teardown_ends_the_sweep_or_what_may_have_been_submitted() -> None:
    """Without a handle by the keys of the task that submits."""
    door = ScriptedDoor(stop_sweep={"stopped": ["s1"]}, submit_sweep=answer())
    assert at(door, HpcComposeSweepStopOperator(task_id="stop", sweep=SWEEP)).execute(context()) == ["s1"]
    at(door, submit()).execute(context())
    stop = HpcComposeSweepStopOperator(task_id="stop", sweep=None, submit_task_id="submit")
    at(door, stop).execute(context())
    submitted = door.asked[1][1]["key"]
    assert submitted in door.asked[2][1]["keys"]
    at(door, stop).execute(context(xcoms=str(SWEEP)))
    assert door.asked[3][1]["sweep_id"] == "s1"
    assert at(door, HpcComposeSweepStopOperator(task_id="stop")).execute(context()) == []
    assert len(door.asked) == 4


def test_the_teardown_of_mapped_trials_ends_those_that_still_run() -> None:
    """One look at all, one request for each that needs it."""
    pushed = [{"job_id": str(number), "token": f"t{number}", "project_dir": "/p"} for number in (41, 42)]
    reports = [
        {"job_id": "41", "token": "t41", "state": "COMPLETED", "verdict": "ok", "is_active": False, "is_over": True},
        {"job_id": "42", "token": "t42", "state": "RUNNING", "verdict": "active", "is_active": True, "is_over": False},
    ]
    door = ScriptedDoor(observe={"reports": reports}, cancel={"report": reports[1]})
    stop = HpcComposeTrialsStopOperator(task_id="stop", trials_task_id="trial", count=3)
    assert at(door, stop).execute(context(xcoms=[*pushed, None])) == ["42"]
    assert [verb for verb, _ in door.asked] == ["observe", "cancel"]


def table(**fields: Any) -> dict[str, Any]:
    best = {"trial_id": "t001", "variables": {"lr": "1"}, "objective": 0.5, "job_id": "41_1"}
    rank = {"rank": 1, "variables": {"lr": "1"}, "mean": 0.5, "best_trial": "t001"}
    said: dict[str, Any] = {
        "sweep_id": "s1",
        "objective": {"direction": "minimize"},
        "summary": {"completed": 3, "failed": 1},
    }
    return {**said, "is_over": True, "best": best, "ranking": [rank], "configurations": 4, "files": [], **fields}


def test_too_few_completed_trials_fail_collect_which_has_pushed_its_ranking() -> None:
    """And tell of no asset."""
    door = ScriptedDoor(sweep_results=table())
    found = context()
    collect = HpcComposeSweepCollectOperator(task_id="collect", sweep=SWEEP, outlets=[AssetAlias("a")])
    with pytest.raises(HpcComposeError, match="3 of 4 trials completed, and 4 are wanted"):
        at(door, collect).execute(found)
    assert found["ti"].pushed["ranking"]["completed"] == 3
    assert not found["outlet_events"]


def test_enough_of_them_tell_every_outlet_of_the_best() -> None:
    """An alias gets the table's address, an asset that has one the facts."""
    file = {"path": "/p/out/ranking.json", "sha256": "ab", "bytes": 7}
    door = ScriptedDoor(sweep_results=table(files=[file]))
    alias, asset = AssetAlias("a"), Asset("hpccompose://c/x")
    found = context()
    collect = HpcComposeSweepCollectOperator(task_id="collect", sweep=SWEEP, min_completed=0.75, outlets=[alias, asset])
    at(door, collect).execute(found)
    ((address, extra),) = found["outlet_events"][alias].added
    assert address == "hpccompose://default/p/out/ranking.json"
    assert (extra["best_trial"], extra["best_params"], extra["sha256"]) == ("t001", {"lr": "1"}, "ab")
    assert found["outlet_events"][asset].extra == extra


@pytest.mark.parametrize(
    ("completed", "wanted", "is_short"),
    [(9, 0.9, False), (8, 0.9, True), (3, 3, False), (2, 3, True), (10, 1.0, False)],
)
def test_a_whole_number_is_a_count_and_a_fraction_one_of_all(completed: int, wanted: float, is_short: bool) -> None:
    """So that 1 is one trial and 1.0 all of them."""
    assert bool(shortfall(completed, 10, wanted)) is is_short


@pytest.mark.parametrize("wanted", [-1, 1.5, -0.1])
def test_a_wish_that_makes_no_sense_is_refused_when_the_dag_is_read(wanted: float) -> None:
    """Not after the sweep."""
    with pytest.raises(ValueError, match="min_completed"):
        HpcComposeSweepCollectOperator(task_id="collect", sweep=SWEEP, min_completed=wanted)


def test_nothing_ranked_is_said_in_words() -> None:
    """A sweep without an objective has no best."""
    assert ranking_lines(SweepTable(sweep_id="s")) == ["no trial completed with a figure, so nothing is ranked"]


def test_only_whole_bundles_are_told_of() -> None:
    """With the facts that a consumer checks."""
    bundles = {
        "model": {"uri": "/p/model", "manifest": "/p/m.json", "sha256": "ab", "bytes": 5, "files": 1, "complete": True},
        "logs": {"uri": "/p/logs", "manifest": "/p/l.json", "sha256": "cd", "bytes": 5, "files": 1, "complete": False},
    }
    wanted = {"model": "models", "logs": AssetAlias("logs"), "none": "none"}
    found: Any = context()
    told = tell_of_artifacts(found, wanted, bundles, cluster="C", extra={"job_id": "41", "trial": None})
    assert told == ["hpccompose://c/p/model"]
    ((_, extra),) = found["outlet_events"][AssetAlias("models")].added
    facts = {"sha256": "ab", "manifest": "/p/m.json", "bytes": 5, "files": 1, "bundle": "model", "job_id": "41"}
    assert extra == facts
    assert [alias.name for alias in aliases_of(wanted)] == ["models", "logs", "none"]


def test_bundles_with_assets_are_exported_and_their_aliases_are_outlets() -> None:
    """Besides those that the user gave."""
    own = AssetAlias("own")
    operator = HpcComposeOperator(task_id="t", spec={}, artifact_assets={"model": "models"}, outlets=[own])
    assert operator.artifacts == ["model"]
    assert [outlet.name for outlet in operator.outlets] == ["own", "models"]
    steps = HpcComposeArtifactsOperator(task_id="a", job={}, artifact_assets={"model": "models"})
    assert [outlet.name for outlet in steps.outlets] == ["models"]


def test_groups_refuse_what_they_cannot_mean() -> None:
    """When the DAG is read."""
    from airflow.sdk import DAG

    with DAG("d", schedule=None):
        with pytest.raises(ValueError, match="mode='many' is none of"):
            HpcComposeSweepTaskGroup("a", mode="many", spec={})  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="Give either"):
            HpcComposeSweepTaskGroup("b")


def test_the_steps_of_a_job_stand_in_their_order() -> None:
    """The teardown is one of submit, and no leaf of the DAG that counts."""
    from airflow.sdk import DAG

    with DAG("d", schedule=None) as dag:
        hpc_compose_job("j", spec={}, artifacts=["model"])
        hpc_compose_job("bare", spec={}, cancel_teardown=False)
    cancel = dag.get_task("j.cancel")
    assert (dag.get_task("j.submit").is_setup, cancel.is_teardown) == (True, True)
    assert dag.get_task("j.artifacts").upstream_task_ids >= {"j.watch"}
    assert cancel.upstream_task_ids == {"j.submit", "j.artifacts"}
    assert sorted(dag.task_group.children["bare"].children) == ["bare.submit", "bare.watch"]


def test_a_sweep_takes_the_arguments_of_a_job_and_the_connection_s_defaults() -> None:
    """Defaults under the file; the profile over it; the task's own over that; variables for every service."""
    door = ScriptedDoor(submit_sweep=answer())
    operator = at(
        door,
        submit(
            environment={"SEED": 7},
            service_overrides={"train": {"x-slurm": {"cpus_per_task": 2}}},
            hpc_resources={"time": "10"},
            job_name="sweep",
            profile="gpu",
            prepare=False,
            preflight="strict",
            on_kill_action="keep",
        ),
    )
    operator.hook._settings = ConnectionSettings(
        conn_id="c",
        defaults={"x-slurm": {"account": "lab"}},
        profiles={"gpu": {"x-slurm": {"partition": "gpu", "time": "60"}}},
    )
    operator.execute(context())
    ((_, asked),) = door.asked
    assert asked["environment"] == {"SEED": "7"}
    assert asked["defaults"] == {"name": "d.submit", "x-slurm": {"account": "lab"}}
    assert asked["overrides"] == {
        "name": "sweep",
        "x-slurm": {"partition": "gpu", "time": "10"},
        "services": {"train": {"x-slurm": {"cpus_per_task": 2}}},
    }
    assert (asked["prepare"], asked["preflight"]) == (False, "strict")
    assert (asked["labels"]["on_kill"], asked["labels"]["on_clear"]) == ("keep", "cancel")
    operator.profile = "cpu"
    with pytest.raises(HpcComposeSpecError, match="has no profile 'cpu'; its profiles: gpu"):
        operator.execute(context())


def test_every_mode_of_a_group_passes_them_on() -> None:
    """To what submits, and to what reads the file again for its objective."""
    from airflow.sdk import DAG

    spec = {
        "runtime": {"backend": "host"},
        "sweep": {"parameters": {"n": [1]}},
        "services": {"a": {"command": "echo $n"}},
    }
    given: dict[str, Any] = {"environment": {"A": "1"}, "hpc_resources": {"time": "5"}, "profile": "gpu"}
    with DAG("d", schedule=None) as dag:
        HpcComposeSweepTaskGroup("array", mode="array", spec=spec, preflight="off", **given)
        HpcComposeSweepTaskGroup("mapped", mode="mapped", spec=spec, preflight="off", tooltip="trials", **given)
    submitted, trial = dag.get_task("array.submit"), dag.get_task("mapped.trial")
    for name, value in {**given, "preflight": "off"}.items():
        assert getattr(submitted, name) == value
        assert trial.partial_kwargs[name] == value
    collect = dag.get_task("mapped.collect")
    assert {name: getattr(collect, name) for name in given} == given
    assert dag.task_group.children["mapped"].tooltip == "trials"


def test_all_waits_defer_unless_it_is_said_otherwise() -> None:
    """Airflow's own `[operators] default_deferrable` is false where nobody has set it, and a wait would hold a worker for days."""
    assert HpcComposeSweepWatchOperator(task_id="watch", sweep=SWEEP).deferrable
    assert HpcComposeSweepSensor(task_id="sensor", sweep=SWEEP).deferrable
    assert HpcComposeOperator(task_id="job", spec={}).deferrable


def test_what_preflight_found_is_told_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """A warning that nobody sees is none."""
    door = ScriptedDoor(submit_sweep={**answer(), "warnings": ["the cache lies in /tmp"]})
    at(door, submit()).execute(context())
    assert "the cache lies in /tmp" in caplog.messages
