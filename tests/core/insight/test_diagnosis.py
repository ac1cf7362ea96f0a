"""One report on what became of a job."""

from __future__ import annotations

from typing import Any

from compose_core.insight.diagnosis import Diagnosis, diagnose, failing_service, most_telling
from compose_core.job_state import JobState
from compose_core.records.state import ServiceState
from compose_core.tracking.file_facts import FileFacts
from compose_core.tracking.log_tails import LogTail
from compose_core.tracking.snapshot import JobSnapshot, ServiceSnapshot
from tests.core.insight.runs import record


def service(name: str, status: str = "failed", **fields: Any) -> ServiceSnapshot:
    """One service as its supervisor left it."""
    state = ServiceState(service_name=name, status=status, **fields)  # type: ignore[arg-type]
    return ServiceSnapshot(name=name, status=status, state=state, log_path=f"/p/{name}.log")


def shot(state: JobState, **fields: Any) -> JobSnapshot:
    """A job that started at 110 and is looked at at 200."""
    job = fields.pop("record", None) or record()
    given: dict[str, Any] = {
        "source": "state",
        "observed_at": 200.0,
        "submitted_at": 100.0,
        "terminal": state.is_terminal,
    }
    if not state.is_waiting:
        given["started_at"] = 110.0
    return JobSnapshot(record=job, state=state, **{**given, **fields})


def tail(name: str, *lines: str) -> LogTail:
    """The end of a service's log."""
    return LogTail(name=name, kind="service", file=FileFacts(path=f"/p/{name}.log", present=True), lines=lines)


def commands(found: Diagnosis) -> list[str]:
    return [one.command for one in found.commands]


def test_a_failed_job_is_told_by_the_service_that_failed_first() -> None:
    """Not by those that failed because of it."""
    late = service("web", last_exit_code=1, first_failure_at=150.0)
    early = service("db", last_exit_code=127, first_failure_at=140.0, failure_reason="exited with 127")
    job = shot(JobState.FAILED, services=(late, early), exit_code=127, cause="service_failed", ended_at=160.0)
    assert failing_service(job) == early
    found = diagnose(job, [tail("db", "sh: trainn: command not found")])
    assert found.headline == "job 7 (hello) FAILED after 50s: service 'db' ended with exit code 127"
    assert found.facts[0] == "service 'db' ended with 127: the command was not found"
    assert [cause.name for cause in found.causes] == ["command_not_found"]
    assert "hpcc logs --job-id 7 --service db --all" in commands(found)


def test_a_service_that_was_never_ready_is_not_told_by_the_signal_that_ended_it() -> None:
    """Nor is the supervisor's own status called a word of the program."""
    why = "not ready in time: log line 'ready'"
    late = service("db", last_exit_code=143, last_signal=15, first_failure_at=140.0, failure_reason=why)
    job = shot(JobState.FAILED, services=(late,), exit_code=1, cause="readiness_failed", ended_at=160.0)
    found = diagnose(job, [])
    assert found.headline == f"job 7 (hello) FAILED after 50s: service 'db': {why}"
    assert "the job's exit status is 1: the supervisor's word for a failure" in found.facts


def test_a_job_that_was_killed_as_a_whole_has_a_likely_cause() -> None:
    """Its services had no time to tell of themselves."""
    found = diagnose(shot(JobState.FAILED, signal=9, exit_code=0, ended_at=160.0), [])
    assert [cause.name for cause in found.causes] == [cause.name for cause in diagnose_137().causes] != []


def diagnose_137() -> Diagnosis:
    return diagnose(shot(JobState.FAILED, exit_code=137, ended_at=160.0), [])


def test_only_slurm_has_reasons_of_slurm() -> None:
    """The local engine has words of its own."""
    gone = "the processes of the job are gone"
    found = diagnose(shot(JobState.NODE_FAIL, record=record(backend="local"), reason=gone, ended_at=160.0), [])
    assert f"the reason: {gone}" in found.facts


def test_a_sidecar_that_failed_speaks_after_the_main_services() -> None:
    """Its exit is no failure of the job."""
    sidecar = service("log", lifecycle="sidecar", first_failure_at=120.0)
    main = service("app", first_failure_at=150.0)
    assert failing_service(shot(JobState.FAILED, services=(sidecar, main))) == main


def test_a_waiting_job_is_told_by_slurms_reason() -> None:
    """In its word and in plain ones, with what to do."""
    job = shot(JobState.PENDING, reason="Resources", source="squeue", expected_start_at=260.0)
    found = diagnose(job, [], details={"Dependency": "(null)", "Partition": "gpu"})
    assert found.headline.endswith("PENDING: the resources that it asks for are not free at the moment")
    assert "Slurm expects it to start in 1m00s" in found.facts
    assert "it has waited for 1m40s" in found.facts
    assert "its partition: gpu" in found.facts
    assert found.causes == ()
    assert commands(found) == ["scontrol show job 7", "sinfo", "hpcc cancel --job-id 7"]


def test_a_held_job_is_said_to_wait_for_ever() -> None:
    """And how it is let go."""
    found = diagnose(shot(JobState.PENDING, reason="JobHeldUser", source="squeue"), [])
    assert "it will not start by itself" in found.facts
    assert commands(found)[0] == "scontrol release 7"


def test_a_running_job_has_no_likely_cause_of_failure() -> None:
    """Words in its log that look like one do not count while nothing has failed."""
    job = shot(JobState.RUNNING, services=(service("app", "running"),), time_limit_s=180)
    found = diagnose(job, [tail("app", "warning: Permission denied, trying another")])
    assert found.causes == ()
    assert "it used 1m30s of its 3m00s" in found.facts
    assert "hpcc logs --job-id 7 --follow" in commands(found)


def test_an_unreachable_scheduler_is_no_failure_of_the_job() -> None:
    """The last known state stands beside it."""
    job = shot(JobState.UNREACHABLE, last_known_state=JobState.RUNNING, terminal=False, detail="nobody answers")
    found = diagnose(job, [])
    assert "UNREACHABLE (last known: RUNNING)" in found.headline
    assert found.facts[0] == "nobody answers"
    assert commands(found)[0] == "scontrol ping"


def test_a_lost_job_is_told_with_what_that_means() -> None:
    """Its detail says where it was looked for."""
    found = diagnose(shot(JobState.LOST, source="record", detail="neither knows"), [])
    assert "neither knows" in found.headline


def test_of_an_array_the_first_task_that_failed_is_looked_at() -> None:
    """Else one that is not over."""
    good, bad = shot(JobState.COMPLETED, record=record("7_1")), shot(JobState.FAILED, record=record("7_2"))
    going = shot(JobState.RUNNING, record=record("7_3"))
    assert most_telling(shot(JobState.FAILED, tasks=(good, bad, going))) is bad
    assert most_telling(shot(JobState.RUNNING, tasks=(good, going))) is going
    assert most_telling(shot(JobState.COMPLETED, tasks=(good,))) is good
    assert most_telling(good) is good


def test_commands_name_the_compose_file_when_it_is_another_one() -> None:
    """Quoted for the shell."""
    found = diagnose(shot(JobState.FAILED), [], compose_file="my file.yaml")
    assert "hpcc status -f 'my file.yaml' --job-id 7" in commands(found)
