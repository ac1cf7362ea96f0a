"""The engine `slurm` over the fake cluster."""

from __future__ import annotations

from pathlib import Path

import pytest

from compose_core.cluster.engine import (
    Accepted,
    Ambiguous,
    JobRow,
    Refused,
    Rows,
    SubmitAnswer,
    SubmitRequest,
    Unavailable,
)
from compose_core.cluster.sacct import CHUNK
from compose_core.cluster.slurm import Slurm
from compose_core.errors import UsageError
from compose_core.job_state import JobId, JobState
from compose_core.records.token import new_token
from compose_core.testing import (
    Ending,
    FakeCluster,
    accept_then_timeout,
    garbage,
    hang,
    partial_output,
    rc,
    stderr_notice,
    timeout_no_accept,
)
from compose_core.testing.faults import Fault

TOKEN = new_token(1_800_000_000, b"0123456789")
OTHER = new_token(1_800_000_000, b"9876543210")


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


@pytest.fixture
def engine(cluster: FakeCluster) -> Slurm:
    return cluster.slurm()


@pytest.fixture
def request_(tmp_path: Path) -> SubmitRequest:
    script = tmp_path / "job.sbatch"
    script.write_text("#!/bin/bash\n#SBATCH --job-name=train\ntrue\n", encoding="utf-8")
    return SubmitRequest(token=TOKEN, script=script, project_dir=tmp_path, job_name="other")


def _id(answer: SubmitAnswer) -> JobId:
    assert isinstance(answer, Accepted), answer
    return answer.job_id


def _rows(answer: Rows | Unavailable) -> dict[str, JobRow]:
    assert isinstance(answer, Rows), answer
    return {row.job_id: row for row in answer.rows}


def test_a_submitted_job_carries_its_token_and_starts_in_the_project_folder(
    cluster: FakeCluster, engine: Slurm, request_: SubmitRequest
) -> None:
    answer = engine.submit(request_)
    assert answer == Accepted(job_id=JobId("41"), batch_log=request_.project_dir / "slurm-41.out")
    job = cluster.job("41")
    assert (job.name, job.token, job.submit_dir) == ("train", TOKEN, request_.project_dir)
    assert _rows(engine.queue())["41"].token == TOKEN
    assert engine.counter.calls == {"sbatch": 1, "squeue": 1}


def test_the_job_inherits_a_cleaned_environment_and_the_queries_do_not(tmp_path: Path, request_: SubmitRequest) -> None:
    seen: list[dict[str, str]] = []

    class Recording(FakeCluster):
        def run(self, argv: object, *, env: object = None, **rest: object) -> object:  # type: ignore[override]
            assert isinstance(env, dict)
            seen.append(env)
            return super().run(argv, env=env, **rest)  # type: ignore[arg-type]

    environment = {
        "PATH": "/usr/bin",
        "SLURM_JOB_ID": "7",
        "HF_TOKEN": "hush",
        "LANG": "de_DE.UTF-8",
        "SBATCH_WAIT": "1",
    }
    engine = Recording().slurm(environment)
    engine.submit(request_)
    engine.queue()
    assert seen[0] == {"PATH": "/usr/bin", "LANG": "de_DE.UTF-8"}
    assert seen[1]["LC_ALL"] == "C"
    assert seen[1]["SLURM_TIME_FORMAT"] == "%s"


@pytest.mark.parametrize("fault", [accept_then_timeout(), timeout_no_accept(), hang(), hang(accepted=True), garbage()])
def test_a_lost_answer_is_ambiguous_and_the_token_tells(
    cluster: FakeCluster, engine: Slurm, request_: SubmitRequest, fault: Fault
) -> None:
    cluster.fail_next("sbatch", fault)
    assert isinstance(engine.submit(request_), Ambiguous)
    queued, _ = engine.find_token(TOKEN, since_epoch_s=cluster.now())
    assert len(_rows(queued)) == (1 if fault.does_the_work else 0)


def test_a_hanging_sbatch_is_given_up_after_a_minute(
    cluster: FakeCluster, engine: Slurm, request_: SubmitRequest
) -> None:
    cluster.fail_next("sbatch", hang())
    before = cluster.clock.monotonic()
    engine.submit(request_)
    assert cluster.clock.monotonic() - before == 60


def test_a_notice_does_not_spoil_a_success(cluster: FakeCluster, engine: Slurm, request_: SubmitRequest) -> None:
    cluster.fail_next("sbatch", stderr_notice())
    answer = engine.submit(request_)
    assert isinstance(answer, Accepted)
    assert "adding delay" in answer.notice


def test_a_refusal_is_refused(cluster: FakeCluster, engine: Slurm, request_: SubmitRequest) -> None:
    limited = FakeCluster(settings=type(cluster.settings)(max_submit_jobs=0)).slurm()
    answer = limited.submit(request_)
    assert isinstance(answer, Refused)
    assert answer.kind == "limit"
    cluster.fail_next("sbatch", rc(1, "sbatch: error: Batch job submission failed: Invalid qos specification"))
    answer = engine.submit(request_)
    assert isinstance(answer, Refused)
    assert answer.kind == "permanent"


def test_a_controller_that_is_down_is_unreachable(cluster: FakeCluster, engine: Slurm, request_: SubmitRequest) -> None:
    cluster.stop_controller()
    answer = engine.submit(request_)
    assert isinstance(answer, Refused)
    assert answer.kind == "unreachable"
    queued = engine.queue()
    assert isinstance(queued, Unavailable)
    assert (queued.kind, queued.source) == ("unreachable", "squeue")
    assert not engine.is_up()


def test_a_missing_sbatch_is_a_refusal(cluster: FakeCluster, engine: Slurm, request_: SubmitRequest) -> None:
    cluster.missing_programs.update({"sbatch", "squeue", "scancel"})
    assert isinstance(engine.submit(request_), Refused)
    answer = engine.queue()
    assert isinstance(answer, Unavailable)
    assert answer.kind == "missing"
    assert not engine.cancel(JobId("41")).requested


def test_an_option_that_would_wait_for_the_job_is_a_usage_error(engine: Slurm, request_: SubmitRequest) -> None:
    request = SubmitRequest(
        token=TOKEN, script=request_.script, project_dir=request_.project_dir, job_name="x", extra_args=("--wait",)
    )
    with pytest.raises(UsageError, match="--wait"):
        engine.submit(request)


def test_one_call_shows_all_jobs_of_this_user_and_of_nobody_else(cluster: FakeCluster, engine: Slurm) -> None:
    for _ in range(3):
        cluster.add_job()
    cluster.add_job(user="bob")
    cluster.finish("42", state="TIMEOUT")
    rows = _rows(engine.queue())
    assert sorted(rows) == ["41", "42", "43"]
    assert rows["42"].state is JobState.TIMEOUT
    assert cluster.programs_run == ["squeue"]


def test_a_job_gone_from_the_queue_is_looked_up_in_accounting(cluster: FakeCluster, engine: Slurm) -> None:
    """squeue forgets finished jobs after MinJobAge, so absence there is not an answer."""
    cluster.finish("41", state="TIMEOUT", forgotten_by_squeue=True)
    cluster.clock.advance(10)
    assert _rows(engine.queue()) == {}
    assert _rows(engine.accounting([JobId("41")], since_epoch_s=cluster.now() - 60))["41"].state is JobState.TIMEOUT
    assert cluster.programs_run == ["squeue", "sacct"]


def test_many_jobs_are_asked_for_in_a_few_calls(cluster: FakeCluster, engine: Slurm) -> None:
    ids = [JobId(cluster.add_job().shown_id) for _ in range(2 * CHUNK + 1)]
    cluster.clock.advance(10)
    assert len(_rows(engine.accounting(ids, since_epoch_s=cluster.now() - 60))) == len(ids)
    assert engine.counter.calls == {"sacct": 3}


def test_the_accounting_is_never_asked_for_everybody(engine: Slurm) -> None:
    with pytest.raises(ValueError, match="given jobs"):
        engine.accounting([], since_epoch_s=0)


def test_accounting_that_is_switched_off_is_disabled_and_that_is_down_unreachable(cluster: FakeCluster) -> None:
    off = FakeCluster(accounting="disabled").slurm().accounting([JobId("41")], since_epoch_s=0)
    assert isinstance(off, Unavailable)
    assert off.kind == "disabled"
    cluster.stop_accounting()
    down = cluster.slurm().accounting([JobId("41")], since_epoch_s=0)
    assert isinstance(down, Unavailable)
    assert down.kind == "unreachable"


def test_one_failed_piece_makes_the_whole_accounting_unavailable(cluster: FakeCluster, engine: Slurm) -> None:
    """Half an answer would read as jobs that are gone."""
    ids = [JobId(str(number)) for number in range(1, CHUNK + 2)]
    good = Fault()
    cluster.fail_next("sacct", good, rc(1, "sacct: error: Problem talking to the database: Connection refused"))
    assert isinstance(engine.accounting(ids, since_epoch_s=0), Unavailable)


def test_a_cut_answer_is_no_answer(cluster: FakeCluster, engine: Slurm) -> None:
    for _ in range(20):
        cluster.add_job()
    cluster.fail_next("squeue", partial_output(300))
    assert isinstance(engine.queue(), Unavailable)


def test_an_answer_without_a_single_row_that_can_be_read_is_an_error(cluster: FakeCluster, engine: Slurm) -> None:
    cluster.fail_next("squeue", garbage("the queue is closed today\n"))
    answer = engine.queue()
    assert isinstance(answer, Unavailable)
    assert answer.kind == "error"


def test_lines_beside_the_rows_are_counted(cluster: FakeCluster, engine: Slurm) -> None:
    cluster.add_job()
    good = cluster.slurm()
    good.queue()
    text = "CLUSTER: east\n" + "41\x1f41\x1fN/A\x1fRUNNING\x1fNone\x1f1\x1f1\x1f1:00\x1f1\x1fn\x1fada\x1fx\x1f(null)\n"
    cluster.fail_next("squeue", garbage(text))
    answer = engine.queue()
    assert isinstance(answer, Rows)
    assert (len(answer.rows), answer.malformed) == (1, 1)


def test_a_token_is_found_in_the_queue_and_later_in_the_accounting(
    cluster: FakeCluster, engine: Slurm, request_: SubmitRequest
) -> None:
    cluster.ending = Ending(after_s=5, exit_code=3)
    job_id = _id(engine.submit(request_))
    queued, accounted = engine.find_token(TOKEN, since_epoch_s=cluster.now())
    assert list(_rows(queued)) == [job_id]
    assert list(_rows(accounted)) == []
    cluster.clock.advance(600)
    queued, accounted = engine.find_token(TOKEN, since_epoch_s=cluster.now() - 600)
    assert list(_rows(queued)) == []
    assert _rows(accounted)[job_id].exit_code == 3
    assert list(_rows(engine.find_token(OTHER, since_epoch_s=0)[1])) == []


def test_both_sources_answer_for_themselves(cluster: FakeCluster, engine: Slurm) -> None:
    cluster.stop_accounting()
    queued, accounted = engine.find_token(TOKEN, since_epoch_s=0)
    assert isinstance(queued, Rows)
    assert isinstance(accounted, Unavailable)


def test_a_job_is_cancelled_after_one_look_at_its_token(
    cluster: FakeCluster, engine: Slurm, request_: SubmitRequest
) -> None:
    job_id = _id(engine.submit(request_))
    answer = engine.cancel(job_id, token=TOKEN)
    assert answer.requested
    assert cluster.programs_run == ["sbatch", "squeue", "scancel"]
    assert _rows(engine.queue())[job_id].state is JobState.CANCELLED


def test_a_forced_cancel_asks_for_the_steps_first(cluster: FakeCluster, engine: Slurm, request_: SubmitRequest) -> None:
    """The batch step and the like are left to the cancel."""
    job_id = _id(engine.submit(request_))
    assert engine.cancel(job_id, token=TOKEN, force=True).requested
    assert cluster.programs_run == ["sbatch", "squeue", "squeue", "scancel"]
    assert _rows(engine.queue())[job_id].state is JobState.CANCELLED


def test_a_reused_id_is_never_cancelled(cluster: FakeCluster, engine: Slurm, request_: SubmitRequest) -> None:
    """scancel knows only ids, and would hit another job of the same user."""
    job_id = _id(engine.submit(request_))
    cluster.crash_controller(lose_last=1)
    other = cluster.add_job(token=OTHER)
    assert other.shown_id == job_id
    answer = engine.cancel(job_id, token=TOKEN)
    assert not answer.requested
    assert "left alone" in answer.message
    assert "scancel" not in cluster.programs_run


def test_a_job_whose_comment_was_replaced_is_known_by_its_submit_line(
    cluster: FakeCluster, engine: Slurm, request_: SubmitRequest
) -> None:
    """Sites write comments of their own."""
    job_id = _id(engine.submit(request_))
    cluster.clock.advance(10)
    cluster.job(job_id).comment = "billed to physics"
    assert engine.cancel(job_id, token=TOKEN).requested
    cluster.job(job_id).submit_line = "sbatch other.sh"
    assert not engine.cancel(job_id, token=TOKEN).requested


def test_what_is_over_or_gone_is_not_cancelled(cluster: FakeCluster, engine: Slurm, request_: SubmitRequest) -> None:
    job_id = _id(engine.submit(request_))
    cluster.finish(job_id)
    assert "not in the queue" in engine.cancel(job_id, token=TOKEN).message
    cluster.forget(job_id)
    assert "not in the queue" in engine.cancel(job_id, token=TOKEN).message
    assert engine.cancel(job_id).requested  # without a token scancel is silent, as ever


def test_an_unreachable_scheduler_leaves_the_cancel_undone(
    cluster: FakeCluster, engine: Slurm, request_: SubmitRequest
) -> None:
    job_id = _id(engine.submit(request_))
    cluster.stop_controller()
    for token in (TOKEN, None):
        answer = engine.cancel(job_id, token=token)
        assert (answer.requested, answer.reachable) == (False, False)


def test_a_waiting_array_task_is_cancelled_by_the_shared_row(
    cluster: FakeCluster, engine: Slurm, request_: SubmitRequest
) -> None:
    request = SubmitRequest(
        token=TOKEN, script=request_.script, project_dir=request_.project_dir, job_name="x",
        extra_args=("--array=1-9%2", "--hold"),
    )  # fmt: skip
    job_id = _id(engine.submit(request))
    assert engine.cancel(JobId(f"{job_id}_5"), token=TOKEN).requested
    assert _rows(engine.queue())[job_id].array_task == "1-4,6-9%2"


def test_what_the_controller_knows_of_one_job(cluster: FakeCluster, engine: Slurm, request_: SubmitRequest) -> None:
    job_id = _id(engine.submit(request_))
    shown = engine.show_job(job_id)
    assert isinstance(shown, dict)
    assert (shown["JobId"], shown["JobName"], shown["WorkDir"]) == (job_id, "train", str(request_.project_dir))
    assert engine.show_job(JobId("999")) == {}
    assert engine.kill_wait_s() == 30
    assert engine.is_up()
    partitions = engine.partitions()
    assert not isinstance(partitions, Unavailable)
    assert [row.partition for row in partitions] == ["debug", "gpu"]
    cluster.stop_controller()
    assert isinstance(engine.show_job(job_id), Unavailable)
    assert engine.kill_wait_s() is None
    assert isinstance(engine.partitions(), Unavailable)
