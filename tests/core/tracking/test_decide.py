"""What is known of a job, decided from all evidence at once."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compose_core.cluster.engine import Rows, Unavailable
from compose_core.job_state import JobState
from compose_core.records.end_marker import EndMarker
from compose_core.records.job_record import JobRecord, RequestedWalltime
from compose_core.records.paths import JobPaths
from compose_core.records.state import ServiceState, StateFile
from compose_core.tracking.decide import decide
from compose_core.tracking.evidence import Evidence, Memory, Word, word_of
from compose_core.tracking.job_files import JobFiles
from compose_core.tracking.snapshot import JobSnapshot
from compose_core.tracking.verdict import needs_scheduler
from tests.core.tracking.world import NOW, OTHER_TOKEN, TOKEN, row, sacct

RECORD = JobRecord(
    backend="slurm",
    submission_token=TOKEN,
    name="hello",
    compose_file="/p/compose.yaml",
    submit_dir="/p",
    script_path="/s",
    script_sha256="0",
    spec_sha256="0",
    cache_dir="/c",
    runtime_root="/p/.hpc-compose",
    batch_log="/p/slurm-7.out",
    services=("web", "db"),
    job_id="7",
    submitted_at=NOW - 600,
    job_dir="/p/.hpc-compose/7",
)
ABSENT = Word(answered=True)
SILENT = Word(answered=False, message="connection refused")
DISABLED = Word(answered=False, disabled=True, message="disabled")


def state_file(status: str = "RUNNING", *, age_s: float = 5, **fields: Any) -> StateFile:
    """state.json of the job, written `age_s` ago."""
    causes = {"COMPLETED": "completed", "FAILED": "service_failed", "CANCELLED": "cancelled", "TIMEOUT": "time_limit"}
    return StateFile.model_validate(
        {
            "job_id": "7",
            "submission_token": TOKEN,
            "job_status": status,
            "cause": causes.get(status),
            "job_exit_code": {"RUNNING": None, "COMPLETED": 0}.get(status, 17),
            "started_at": NOW - 500,
            "heartbeat_at": NOW - age_s,
            "finished_at": None if status == "RUNNING" else NOW - age_s,
            **fields,
        }
    )


def end_marker(cause: str = "completed", *, age_s: float = 60) -> EndMarker:
    code = 0 if cause == "completed" else 17
    return EndMarker.model_validate(
        {"job_id": "7", "submission_token": TOKEN, "cause": cause, "exit_code": code, "at": NOW - age_s}
    )


def seen(
    *,
    state: StateFile | None = None,
    end: EndMarker | None = None,
    queue: Word | None = ABSENT,
    accounting: Word | None = None,
    memory: Memory | None = None,
    record: JobRecord = RECORD,
    now: float = NOW,
) -> JobSnapshot:
    files = JobFiles(paths=JobPaths(record.job_paths.job_dir), state=state, end=end)
    return decide(
        Evidence(record=record, files=files, now=now, queue=queue, accounting=accounting, memory=memory or Memory())
    )


def queued(state: str, **fields: Any) -> Word:
    return Word(answered=True, row=row(state, **fields))


def accounted(state: str, **fields: Any) -> Word:
    return Word(answered=True, row=sacct(state, **fields))


@pytest.mark.parametrize(
    ("status", "failed", "code"), [("COMPLETED", False, 0), ("FAILED", True, 17), ("TIMEOUT", True, 17)]
)
def test_the_jobs_own_last_word_is_final(status: str, failed: bool, code: int) -> None:
    """Whatever the scheduler says or does not say."""
    for queue in (None, ABSENT, SILENT, queued("RUNNING"), queued("COMPLETING")):
        snapshot = seen(state=state_file(status), queue=queue)
        assert (snapshot.state, snapshot.source, snapshot.terminal) == (status, "state", True)
        assert (snapshot.failed, snapshot.exit_code, snapshot.ended_at) == (failed, code, NOW - 5)


@pytest.mark.parametrize("word", ["PENDING", "REQUEUED", "CONFIGURING"])
def test_a_job_told_to_stop_may_be_back_in_the_queue(word: str) -> None:
    """Slurm preempted it: the supervisor saw only a signal."""
    snapshot = seen(state=state_file("CANCELLED"), queue=queued(word))
    assert (snapshot.state, snapshot.terminal) == (word, False)
    assert "back into the queue" in snapshot.detail


def test_a_job_that_slurm_started_again_runs() -> None:
    """Its start is later than the end that its files tell of."""
    snapshot = seen(state=state_file("CANCELLED", age_s=100), queue=queued("RUNNING", started_at=NOW - 10))
    assert (snapshot.state, snapshot.terminal) == (JobState.RUNNING, False)


@pytest.mark.parametrize("queue", [ABSENT, queued("CANCELLED"), queued("TIMEOUT")])
def test_a_cancelled_job_that_does_not_come_back_is_final(queue: Word) -> None:
    """The queue answered without it, or with its end, and the accounting knows of no later attempt."""
    snapshot = seen(state=state_file("CANCELLED"), queue=queue, accounting=DISABLED)
    assert (snapshot.state, snapshot.terminal) == (JobState.CANCELLED, True)


@pytest.mark.parametrize("cause", ["cancelled", "preempted", "requeued"])
def test_an_attempt_that_ended_without_a_word_is_not_what_the_earlier_one_said(cause: str) -> None:
    """The queue or the accounting tells how it ended: it started later than the end that the files tell of."""
    state = state_file("CANCELLED", cause=cause, age_s=100)
    later = {"started_at": NOW - 10, "exit_code": 3}
    for snapshot in (
        seen(state=state, queue=queued("FAILED", **later)),
        seen(state=state, queue=ABSENT, accounting=accounted("FAILED", **later)),
        seen(end=end_marker(cause, age_s=100), queue=ABSENT, accounting=accounted("FAILED", **later)),
    ):
        assert (snapshot.state, snapshot.terminal, snapshot.exit_code) == ("FAILED", True, 3)
        assert snapshot.cause is None
    assert not seen(state=state, queue=queued("NODE_FAIL", **later)).terminal
    assert not seen(state=state, queue=ABSENT, accounting=SILENT).terminal
    earlier = accounted("CANCELLED", started_at=NOW - 500)
    assert seen(state=state, queue=ABSENT, accounting=earlier).source == "state"


def test_a_row_that_ended_well_is_of_a_later_attempt_than_one_that_was_told_to_stop() -> None:
    """Also where the controller's clock is behind the node's, so that the times say the opposite."""
    state = state_file("CANCELLED", age_s=5)
    row: dict[str, Any] = {"started_at": NOW - 60, "exit_code": 0}
    for snapshot in (
        seen(state=state, queue=queued("COMPLETED", **row)),
        seen(state=state, queue=ABSENT, accounting=accounted("COMPLETED", **row)),
    ):
        assert (snapshot.state, snapshot.terminal, snapshot.exit_code) == (JobState.COMPLETED, True, 0)


def test_a_cancelled_job_is_not_final_while_nobody_knows_whether_it_comes_back() -> None:
    """However long it takes; on the local engine it is final at once."""
    assert not seen(state=state_file("CANCELLED"), queue=None).terminal
    assert not seen(state=state_file("CANCELLED"), queue=SILENT).terminal
    assert not seen(state=state_file("CANCELLED"), queue=queued("COMPLETING")).terminal
    assert not seen(state=state_file("CANCELLED"), queue=queued("PREEMPTED")).terminal
    assert not seen(state=state_file("CANCELLED", age_s=3000), queue=SILENT).terminal
    local = RECORD.model_copy(update={"backend": "local"})
    assert seen(state=state_file("CANCELLED"), queue=SILENT, record=local).terminal


def test_the_scheduler_is_asked_only_when_the_files_do_not_settle_it() -> None:
    """Calls cost."""
    files = JobFiles(paths=JobPaths(RECORD.job_paths.job_dir))
    assert needs_scheduler(files, RECORD)
    assert needs_scheduler(replace(files, state=state_file()), RECORD)
    assert not needs_scheduler(replace(files, state=state_file("FAILED")), RECORD)
    assert needs_scheduler(replace(files, state=state_file("CANCELLED")), RECORD)
    assert needs_scheduler(replace(files, state=state_file("CANCELLED", age_s=30000)), RECORD)


@pytest.mark.parametrize(
    ("cause", "state"),
    [
        ("completed", "COMPLETED"),
        ("service_failed", "FAILED"),
        ("readiness_failed", "FAILED"),
        ("supervisor_error", "FAILED"),
        ("time_limit", "TIMEOUT"),
        ("cancelled", "CANCELLED"),
    ],
)
def test_the_end_marker_decides_when_teardown_was_cut_short(cause: str, state: str) -> None:
    """It is the first thing that teardown writes."""
    snapshot = seen(state=state_file(age_s=70), end=end_marker(cause), queue=ABSENT, accounting=DISABLED)
    assert (snapshot.state, snapshot.terminal, snapshot.cause) == (state, True, cause)
    assert snapshot.exit_code == (0 if cause == "completed" else 17)


def test_teardown_is_not_the_end_while_the_supervisor_lives() -> None:
    """Artifacts are being collected."""
    snapshot = seen(state=state_file(), end=end_marker(), queue=SILENT)
    assert (snapshot.state, snapshot.terminal, snapshot.cause) == (JobState.COMPLETING, False, "completed")
    assert not seen(state=state_file(age_s=90), end=end_marker(), queue=queued("RUNNING")).terminal


def test_whoever_is_asked_a_job_in_teardown_is_completing() -> None:
    """Its own files and the scheduler in turn: a person who follows it is not told that it runs again."""
    for queue in (None, SILENT, queued("RUNNING"), queued("COMPLETING")):
        assert seen(state=state_file(), end=end_marker(), queue=queue).state is JobState.COMPLETING


def test_an_end_marker_does_not_outlive_a_requeue() -> None:
    """The job waits again."""
    snapshot = seen(state=state_file(age_s=90), end=end_marker("signal"), queue=queued("PENDING"))
    assert (snapshot.state, snapshot.terminal, snapshot.cause) == (JobState.PENDING, False, None)


@pytest.mark.parametrize("state", [state for state in JobState if state.is_active or state.is_waiting])
def test_a_live_row_of_the_queue_is_the_state(state: JobState) -> None:
    """Never final, COMPLETING least of all."""
    snapshot = seen(queue=queued(state, reason="Resources"))
    assert (snapshot.state, snapshot.source, snapshot.terminal, snapshot.reason) == (
        state,
        "squeue",
        False,
        "Resources",
    )


@pytest.mark.parametrize(
    "state",
    [state for state in JobState if state.is_terminal and not state.may_be_requeued and state is not JobState.LOST],
)
def test_an_ended_row_of_the_queue_is_final(state: JobState) -> None:
    """With the exit code that the scheduler saw."""
    snapshot = seen(queue=queued(state, exit_code=3, ended_at=NOW - 1))
    assert (snapshot.state, snapshot.terminal, snapshot.exit_code, snapshot.ended_at) == (state, True, 3, NOW - 1)
    assert snapshot.failed is (state is not JobState.COMPLETED)


def test_a_job_that_a_sibling_cluster_runs_has_not_ended() -> None:
    """The cluster that it was submitted to says REVOKED; the job's own files tell the rest."""
    snapshot = seen(queue=queued("REVOKED"))
    assert (snapshot.state, snapshot.terminal, snapshot.failed) == (JobState.REVOKED, False, False)
    assert "another cluster" in snapshot.detail
    snapshot = seen(state=state_file(), queue=queued("REVOKED"))
    assert (snapshot.state, snapshot.source, snapshot.terminal) == (JobState.RUNNING, "state", False)
    assert seen(state=state_file("COMPLETED"), queue=queued("REVOKED")).succeeded


def test_a_word_in_no_manual_is_unknown_and_never_final() -> None:
    """What was known before is kept beside it."""
    snapshot = seen(queue=queued("UNKNOWN"), memory=Memory(last_state=JobState.RUNNING))
    assert (snapshot.state, snapshot.last_known_state, snapshot.terminal) == (
        JobState.UNKNOWN,
        JobState.RUNNING,
        False,
    )


@pytest.mark.parametrize("state", ["NODE_FAIL", "PREEMPTED", "BOOT_FAIL"])
def test_what_slurm_may_requeue_is_final_only_after_long_absence(state: str) -> None:
    """300 s of good queue answers without the job."""
    assert not seen(queue=queued(state, ended_at=NOW - 9999)).terminal
    assert not seen(queue=ABSENT, accounting=accounted(state, ended_at=NOW - 299)).terminal
    assert seen(queue=ABSENT, accounting=accounted(state, ended_at=NOW - 300)).terminal
    gone = Memory(last_state=JobState(state), absent_since=NOW - 300)
    snapshot = seen(queue=ABSENT, accounting=accounted(state), memory=gone)
    assert (snapshot.state, snapshot.terminal, snapshot.failed) == (state, True, True)
    assert seen(queue=ABSENT, accounting=DISABLED, memory=gone).state == state
    assert not seen(queue=SILENT, accounting=accounted(state, ended_at=NOW - 9999)).terminal


def test_the_local_engine_never_requeues() -> None:
    """Its word is final at once."""
    assert seen(queue=Word(answered=True, row=row("NODE_FAIL", source="local"))).terminal


@pytest.mark.parametrize("state", ["COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "OUT_OF_MEMORY", "DEADLINE"])
def test_a_job_that_left_the_queue_is_looked_up_in_the_accounting(state: str) -> None:
    """Its row is final, whether the queue answers or not."""
    for queue in (ABSENT, SILENT):
        snapshot = seen(queue=queue, accounting=accounted(state, exit_code=9))
        assert (snapshot.state, snapshot.source, snapshot.terminal, snapshot.exit_code) == (state, "sacct", True, 9)


def test_absence_is_never_success() -> None:
    """However long, and whoever is asked."""
    for accounting in (None, ABSENT, DISABLED, SILENT):
        for absent_s in (0, 59, 61, 10_000):
            snapshot = seen(queue=ABSENT, accounting=accounting, memory=Memory(absent_since=NOW - absent_s))
            assert snapshot.state in {JobState.UNKNOWN, JobState.LOST}
            assert not snapshot.succeeded


@pytest.mark.parametrize("accounting", [ABSENT, DISABLED])
def test_a_job_without_any_trace_is_lost(accounting: Word) -> None:
    """After two good queue answers a minute apart."""
    lost = Memory(absent_since=NOW - 60, unlisted_since=NOW - 30, last_state=JobState.PENDING)
    snapshot = seen(queue=ABSENT, accounting=accounting, memory=lost)
    assert (snapshot.state, snapshot.terminal, snapshot.last_known_state) == (JobState.LOST, True, JobState.PENDING)


@pytest.mark.parametrize(
    ("why", "fields"),
    [
        ("one answer", {"memory": Memory()}),
        ("too early", {"memory": Memory(absent_since=NOW - 59)}),
        ("accounting silent", {"accounting": SILENT}),
        ("accounting not asked", {"accounting": None}),
        ("queue silent", {"queue": SILENT}),
        (
            "accounting just back",
            {"accounting": ABSENT, "memory": Memory(absent_since=NOW - 600, unlisted_since=NOW - 29)},
        ),
        ("supervisor lives", {"state": state_file()}),
        ("just submitted", {"record": RECORD.model_copy(update={"submitted_at": NOW - 119})}),
        (
            "accounting lags",
            {"accounting": accounted("RUNNING"), "memory": Memory(absent_since=NOW - 149, unlisted_since=NOW - 149)},
        ),
    ],
)
def test_a_job_is_not_lost_while_anything_may_still_tell(why: str, fields: dict[str, Any]) -> None:
    """Silence is no evidence."""
    given: dict[str, Any] = {
        "queue": ABSENT,
        "accounting": DISABLED,
        "memory": Memory(absent_since=NOW - 60),
        **fields,
    }
    snapshot = seen(**given)
    assert snapshot.state is not JobState.LOST, why
    assert not snapshot.terminal, why


def test_a_row_that_the_accounting_never_closes_does_not_hide_a_lost_job() -> None:
    """The controller forgot the job in a crash; its row stays PENDING for ever."""
    snapshot = seen(
        queue=ABSENT, accounting=accounted("PENDING"), memory=Memory(absent_since=NOW - 150, unlisted_since=NOW - 30)
    )
    assert snapshot.state is JobState.LOST


def test_a_silent_scheduler_is_unreachable_and_the_last_state_is_kept() -> None:
    """Not lost, not ended."""
    snapshot = seen(queue=SILENT, memory=Memory(last_state=JobState.PENDING))
    assert (snapshot.state, snapshot.last_known_state, snapshot.terminal, snapshot.stale) == (
        JobState.UNREACHABLE,
        JobState.PENDING,
        False,
        True,
    )
    assert "connection refused" in snapshot.detail


def test_a_heartbeat_tells_that_the_job_runs_when_the_scheduler_is_silent() -> None:
    """Also when the queue lacks it, or its answer is an old one."""
    for queue in (SILENT, ABSENT, None):
        snapshot = seen(state=state_file(), queue=queue)
        assert (snapshot.state, snapshot.source) == (JobState.RUNNING, "state")


def test_a_heartbeat_seen_to_move_counts_whatever_the_clocks_say() -> None:
    """The node's clock is an hour behind."""
    late = state_file(age_s=3600)
    assert seen(state=late, queue=SILENT).state is JobState.UNREACHABLE
    assert seen(state=late, queue=SILENT, memory=Memory(beat_seen_at=NOW - 10)).state is JobState.RUNNING


def test_a_running_row_with_a_silent_supervisor_says_so() -> None:
    """Slurm shows RUNNING for a while after a node died."""
    snapshot = seen(state=state_file(age_s=45), queue=queued("RUNNING"))
    assert (snapshot.state, snapshot.stale) == (JobState.RUNNING, True)
    assert "45 s" in snapshot.detail


def test_a_service_lives_only_with_a_fresh_heartbeat() -> None:
    """A process id in an old file is no process."""
    services = (
        ServiceState(service_name="web", status="ready", launcher_pid=40),
        ServiceState(service_name="db", status="failed", launcher_pid=0, last_exit_code=3),
    )
    fresh = seen(state=state_file().model_copy(update={"services": services}), queue=queued("RUNNING"))
    assert [(service.name, service.status, service.alive) for service in fresh.services] == [
        ("web", "ready", True),
        ("db", "failed", False),
    ]
    stale = seen(state=state_file(age_s=60).model_copy(update={"services": services}), queue=queued("RUNNING"))
    assert [(service.status, service.alive) for service in stale.services] == [("unknown", False), ("failed", False)]


def test_services_of_a_waiting_job_wait() -> None:
    """There is no state file yet."""
    snapshot = seen(queue=queued("PENDING"))
    assert [(service.name, service.status) for service in snapshot.services] == [("web", "waiting"), ("db", "waiting")]


def test_the_time_limit_is_what_the_scheduler_grants() -> None:
    """Else what was asked for."""
    asked = RECORD.model_copy(update={"requested_walltime": RequestedWalltime(original="00:10:00", seconds=600)})
    assert seen(queue=queued("RUNNING", time_limit_s=900), record=asked).time_limit_s == 900
    assert seen(queue=ABSENT, record=asked).time_limit_s == 600


@pytest.mark.parametrize(
    ("fields", "ours"),
    [
        ({"token": TOKEN}, True),
        ({"token": TOKEN, "submitted_at": NOW}, True),  # a requeue sets a new time
        ({"token": OTHER_TOKEN, "submitted_at": NOW - 600, "name": "hello"}, False),
        ({"token": None}, False),
        ({"token": None, "submitted_at": NOW - 600, "name": "hello"}, True),
        ({"token": None, "submitted_at": NOW - 600, "name": "allocation"}, True),
        ({"token": None, "submitted_at": NOW - 600, "name": "theirs"}, False),
        ({"token": None, "submitted_at": NOW - 200, "name": "hello"}, False),
    ],
)
def test_a_row_is_ours_by_its_token(fields: dict[str, Any], ours: bool) -> None:
    """Ids are reused; without a token only name and time are left."""
    word = word_of(Rows(rows=(row("RUNNING", **fields),), source="squeue"), RECORD)
    assert word.answered
    assert (word.row is not None, word.other_job) == (ours, not ours)


def test_an_answer_with_unreadable_lines_proves_no_absence() -> None:
    """The job may hide behind one."""
    assert not word_of(Rows(rows=(), source="squeue", malformed=1), RECORD).answered
    assert word_of(Rows(rows=(row("RUNNING"),), source="squeue", malformed=1), RECORD).row is not None


def test_no_answer_is_no_answer() -> None:
    """A site without accounting is told from one whose accounting is down."""
    for kind, disabled in (("unreachable", False), ("error", False), ("disabled", True), ("missing", True)):
        word = word_of(Unavailable(kind=kind, message="m", source="sacct"), RECORD)  # type: ignore[arg-type]
        assert (word.answered, word.disabled) == (False, disabled)


def test_the_report_can_be_written() -> None:
    """With a schema version and every word as text."""
    report = json.loads(json.dumps(seen(state=state_file(), queue=queued("RUNNING")).as_json()))
    assert (report["schema_version"], report["state"], report["terminal"]) == (1, "RUNNING", False)


words = st.one_of(
    st.just(ABSENT),
    st.just(SILENT),
    st.just(DISABLED),
    st.sampled_from([state for state in JobState if state not in {JobState.SUBMITTING, JobState.LOST}]).map(
        lambda state: queued(state, ended_at=NOW - 100, exit_code=1)
    ),
)


@given(
    queue=st.one_of(st.none(), words),
    accounting=st.one_of(st.none(), words),
    status=st.sampled_from([None, "RUNNING", "COMPLETED", "FAILED", "CANCELLED", "TIMEOUT"]),
    age_s=st.sampled_from([0.0, 20.0, 40.0, 400.0]),
    cause=st.sampled_from([None, "completed", "cancelled", "service_failed"]),
    absent_s=st.one_of(st.none(), st.floats(0, 1000)),
)
def test_success_needs_a_witness(
    queue: Word | None,
    accounting: Word | None,
    status: str | None,
    age_s: float,
    cause: str | None,
    absent_s: float | None,
) -> None:
    """Whatever comes together: success only when a file or the scheduler says so, and final states never of silence."""
    snapshot = seen(
        queue=queue,
        accounting=accounting,
        state=state_file(status, age_s=age_s) if status else None,
        end=end_marker(cause) if cause else None,
        memory=Memory(absent_since=None if absent_s is None else NOW - absent_s),
    )
    said = {word.row.state for word in (queue, accounting) if word and word.row}
    if snapshot.succeeded:
        assert status == "COMPLETED" or cause == "completed" or JobState.COMPLETED in said
    if snapshot.terminal:
        assert snapshot.state.is_terminal
        assert status not in {None, "RUNNING"} or cause or said or snapshot.state is JobState.LOST
    if snapshot.state in {JobState.UNKNOWN, JobState.UNREACHABLE}:
        assert not snapshot.terminal
    json.dumps(snapshot.as_json())
