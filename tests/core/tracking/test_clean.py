"""The files of finished jobs go, those of others stay."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from compose_core.errors import HpccError, SchedulerUnreachable, UsageError
from compose_core.records.intent import Intent
from compose_core.records.job_record import JobFacts, JobRecord
from compose_core.records.journal import JournalEntry, append_journal, read_journal
from compose_core.records.our_path import OurPath
from compose_core.records.outcome import Outcome
from compose_core.records.run_key import RunKey
from compose_core.records.token import new_token
from compose_core.tracking.clean import Cleaner, CleanReport, CleanRule
from compose_core.tracking.down import down_job
from compose_core.tracking.find_job import find_job
from compose_core.tracking.jobs import tracked_jobs
from compose_core.tracking.removal import removal_of, repair_latest
from tests.core.tracking.world import NOW, OTHER_TOKEN, TOKEN, World, row

ALL = CleanRule(keep=0)
DAY = 86400.0


def cleaner(world: World) -> Cleaner:
    return Cleaner(
        project=world.project,
        engines={"slurm": world.engine},
        clock=world.clock,
        journal=OurPath(world.root) / "journal.jsonl",
    )


def clean(world: World, rule: CleanRule = ALL, *, dry_run: bool = False) -> CleanReport:
    return cleaner(world).clean(rule, dry_run=dry_run)


def finished(world: World, job_id: str = "7", *, days_ago: float = 1.0, run_key: str | None = None) -> JobRecord:
    """A job as it lies on disk after its end: job 7 is there already."""
    at = NOW - days_ago * DAY
    token = TOKEN if job_id == "7" else new_token(at, job_id.encode().rjust(10))
    record = world.add(job_id, token, submitted_at=at - 600, run_key=run_key)
    world.write_state(
        "COMPLETED",
        paths=record.job_paths,
        job_id=job_id,
        submission_token=token,
        started_at=at - 500,
        heartbeat_at=at,
        finished_at=at,
    )
    (record.job_paths.logs.path).mkdir()
    record.job_paths.log("web").path.write_bytes(b"x" * 50_000)
    Path(record.batch_log).write_text("hello\n")
    submission = world.project.submission(token)
    intent(record).replace(submission.intent)
    Outcome(token=token, outcome="submitted", job_id=job_id, at=at - 600).replace(submission.outcome)
    submission.claim.path.write_text("{}")
    if run_key is not None:
        RunKey(run_key=run_key, token=token, created_at=at).replace(world.project.run_key(run_key))
    return record


def intent(record: JobRecord, **changes: Any) -> Intent:
    fields: dict[str, Any] = {
        "token": record.submission_token,
        "run_key": record.run_key,
        "engine": "slurm",
        "name": record.name,
        "compose_file": record.compose_file,
        "project_dir": record.submit_dir,
        "spec_sha256": "0",
        "script_sha256": "0",
        "created_at": record.submitted_at,
        "host": "login1",
        "boot_id": "b",
        "pid": 1,
        "user": "ada",
        "facts": JobFacts(**{name: getattr(record, name) for name in JobFacts.model_fields}),
        **changes,
    }
    return Intent(**fields)


def left(world: World) -> set[str]:
    """Every file of the project, apart from the lock's folder."""
    root = world.project.project_dir
    return {str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir() or path.is_symlink()}


def test_everything_of_a_finished_job_goes(world: World) -> None:
    """Record, latest, run key, job folder, submission, batch log; a person's files stay."""
    (world.project.project_dir / "compose.yaml").write_text("services: {}")
    finished(world, run_key="k")
    report = clean(world)
    assert left(world) == {"compose.yaml"}
    assert [one.job_id for one in report.removed] == ["7"]
    assert report.bytes_freed >= 50_000
    assert not list(world.project.metadata_root.path.glob(".*"))


def test_a_dry_run_says_the_same_and_removes_nothing(world: World) -> None:
    """To the byte."""
    finished(world, run_key="k")
    before = left(world)
    would = clean(world, dry_run=True)
    assert left(world) == before
    does = clean(world)
    assert [one.job_id for one in would.removed] == ["7"]
    assert would.bytes_freed == does.bytes_freed
    assert set(would.removed[0].paths) == set(does.removed[0].paths)


def test_by_age_the_young_ones_stay(world: World) -> None:
    """Counted from their end."""
    finished(world, days_ago=0.5)
    finished(world, "8", days_ago=8)
    finished(world, "9", days_ago=6.9)
    report = clean(world, CleanRule(older_than_s=7 * DAY))
    assert [one.job_id for one in report.removed] == ["8"]
    assert {(job.job_id, job.why) for job in report.kept} == {("7", "wanted"), ("9", "wanted")}


def test_by_count_the_newest_stay_and_latest_is_one_of_them(world: World) -> None:
    """The pointer is the newest job that is left."""
    finished(world, days_ago=3)
    finished(world, "8", days_ago=2)
    finished(world, "9", days_ago=1)
    assert [one.job_id for one in clean(world, CleanRule(keep=1)).removed] == ["8", "7"]
    assert find_job(world.project).job_id == "9"
    assert JobRecord.read(world.project.latest) == tracked_jobs(world.project).records[0]


def test_when_the_newest_job_goes_latest_is_the_newest_that_is_left(world: World) -> None:
    """The newest one is over for long, an older one still runs."""
    finished(world, "9", days_ago=2)
    world.add("8", new_token(NOW, b"8".rjust(10)), submitted_at=NOW - 5 * DAY)
    world.engine.rows = [row("RUNNING", "8", token=new_token(NOW, b"8".rjust(10)))]
    finished(world, days_ago=1)
    clean(world, CleanRule(older_than_s=0))
    latest = JobRecord.read(world.project.latest)
    assert latest is not None
    assert latest.job_id == "8"


def test_the_pointer_to_the_latest_canary_is_kept_right_too(world: World) -> None:
    """It goes with the last canary, and `latest.json` is left alone."""
    canary = world.add("8", OTHER_TOKEN, submitted_at=NOW, kind="canary")
    pointer = world.project.latest_of("canary")
    assert pointer is not None
    repair_latest(world.project, OTHER_TOKEN)
    assert JobRecord.read(pointer) == canary
    world.project.job_record("8").path.unlink()
    repair_latest(world.project, OTHER_TOKEN)
    assert JobRecord.read(pointer) is None
    assert JobRecord.read(world.project.latest) == world.record


@pytest.mark.parametrize("state", ["PENDING", "RUNNING", "COMPLETING", "SUSPENDED", "REQUEUE_HOLD", "NODE_FAIL"])
def test_a_job_that_may_still_run_keeps_its_files(world: World, state: str) -> None:
    """Also one that Slurm may put back into the queue."""
    finished(world)
    world.write_state("RUNNING")
    world.engine.rows = [row(state)]
    before = left(world)
    report = clean(world)
    assert [(job.job_id, job.why) for job in report.kept] == [("7", "not over")]
    assert left(world) - before <= {f".hpc-compose/submissions/{TOKEN}/vanished.json"}


def test_a_job_that_the_queue_still_holds_keeps_its_files(world: World) -> None:
    """Its last word is written, and its nodes are not free yet; or a twin with its token waits."""
    finished(world)
    for job_id in ("7", "8"):
        world.engine.rows = [row("COMPLETING" if job_id == "7" else "PENDING", job_id)]
        report = clean(world)
        assert [(job.job_id, job.why) for job in report.kept] == [("7", "in the queue")]
    world.engine.rows = []
    assert clean(world).removed


def test_without_an_answer_only_jobs_that_said_their_last_word_go(world: World) -> None:
    """The other one is not known, which is no end."""
    finished(world)
    finished(world, "8")
    tokens = {record.job_id: record.submission_token for record in tracked_jobs(world.project).records}
    world.write_state(
        "RUNNING",
        paths=tracked_jobs(world.project).records[0].job_paths,
        job_id="8",
        submission_token=tokens["8"],
        heartbeat_at=NOW - 3600,
    )
    world.engine.silent = True
    report = clean(world)
    kept = {job.job_id: job.why for job in report.kept}
    assert kept.get("8", kept.get("7")) == "not known"
    assert report.is_undecided
    assert len(report.removed) == 1


def test_a_job_of_which_all_trace_is_gone_can_be_cleaned(world: World) -> None:
    """LOST is an end."""
    world.clock.sleep(3600)
    cleaner(world).clean(ALL)
    world.clock.sleep(200)
    assert [one.job_id for one in clean(world).removed] == ["7"]


def test_links_and_foreign_things_are_not_followed(world: World, tmp_path: Path) -> None:
    """What they lead to stays."""
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "data").write_text("kept")
    record = finished(world)
    (world.paths.job_dir / "out").symlink_to(precious)
    (world.paths.job_dir / "logs" / "x.log").symlink_to(precious / "data")
    Path(record.batch_log).unlink()
    Path(record.batch_log).symlink_to(precious / "data")
    report = clean(world)
    assert (precious / "data").read_text() == "kept"
    assert left(world) == {"slurm-7.out"}
    assert len(report.removed[0].left) == 1


def test_a_job_folder_that_is_a_link_stays(world: World, tmp_path: Path) -> None:
    """Nobody of ours made it."""
    finished(world)
    elsewhere = tmp_path / "elsewhere"
    world.paths.job_dir.rename(elsewhere)
    world.paths.job_dir.symlink_to(elsewhere)
    world.engine.rows = [row("COMPLETED")]
    world.clock.sleep(400)
    report = clean(world)
    assert (elsewhere / "state.json").exists()
    assert report.removed[0].left


def test_a_record_that_names_a_folder_elsewhere_removes_it_only_if_it_is_the_jobs(world: World, tmp_path: Path) -> None:
    """A record may come with somebody's repository."""
    record = finished(world)
    for name in ("7", "8"):
        (tmp_path / "home" / name).mkdir(parents=True)
        (tmp_path / "home" / name / "thesis").write_text("kept")
    changed = record.model_copy(update={"job_dir": str(tmp_path / "home" / "7")})
    changed.replace(world.project.job_record("7"))
    world.engine.rows = [row("COMPLETED")]
    clean(world)
    assert len(list(tmp_path.glob("home/*/thesis"))) == 2


def test_a_job_folder_on_a_runtime_root_elsewhere_goes(world: World, tmp_path: Path) -> None:
    """It names the token."""
    record = finished(world)
    (tmp_path / "scratch").mkdir()
    world.paths.job_dir.rename(tmp_path / "scratch" / "7")
    changes = {"job_dir": str(tmp_path / "scratch" / "7"), "runtime_root": str(tmp_path / "scratch")}
    record.model_copy(update=changes).replace(world.project.job_record("7"))
    clean(world)
    assert list((tmp_path / "scratch").iterdir()) == []


def test_the_folders_of_an_arrays_tasks_go_with_its_record(world: World) -> None:
    """Each names the token of the array; another array's stay."""
    finished(world)
    for name, token in (("7_1", TOKEN), ("7_2", TOKEN), ("7_3", new_token(NOW, b"0" * 10)), ("70_1", TOKEN)):
        world.write(
            world.project.metadata_root.path / name / "state.json",
            {"schema_version": 1, "job_id": name, "submission_token": token, "job_status": "COMPLETED"},
        )
    clean(world)
    assert {path.name for path in world.project.metadata_root.path.glob("7*")} == {"7_3", "70_1"}


def test_the_files_of_one_task_do_not_go_alone(world: World) -> None:
    """Exit 2: script and record are the array's."""
    task = world.record.model_copy(update={"job_id": "7_1", "array_job_id": "7", "array_task_id": 1})
    with pytest.raises(UsageError, match="array 7"):
        down_job(cleaner(world), task, world.engine, wait_s=5, force=False)


def test_a_reused_id_loses_only_the_earlier_job(world: World) -> None:
    """The later one has record, folder and batch log under the plain id."""
    earlier = finished(world, days_ago=10)
    world.paths.job_dir.rename(world.paths.job_dir.parent / f"7~{TOKEN[:8]}")
    world.project.job_record("7").path.rename(world.project.earlier_job_record("7", TOKEN))
    token = new_token(NOW, b"later".rjust(10))
    later = world.add("7", token, submitted_at=NOW - 100)
    world.write_state("COMPLETED", paths=later.job_paths, submission_token=token, finished_at=NOW - 50)
    report = clean(world, CleanRule(older_than_s=DAY))
    assert [one.token for one in report.removed] == [earlier.submission_token]
    assert [record.submission_token for record in tracked_jobs(world.project).records] == [token]
    assert later.job_paths.state.path.exists()
    assert Path(later.batch_log).exists()
    assert not (world.paths.job_dir.parent / f"7~{TOKEN[:8]}").exists()


@pytest.mark.parametrize("name", ["all.log", "slurm-70.out", "../slurm-7.out"])
def test_a_batch_log_that_is_not_the_jobs_alone_stays(world: World, name: str) -> None:
    """Shared by all jobs, named after another one, or outside of the project."""
    record = finished(world)
    path = world.project.project_dir / name
    path.write_text("kept")
    record.model_copy(update={"batch_log": str(path)}).replace(world.project.job_record("7"))
    clean(world)
    assert path.read_text() == "kept"


def test_submissions_without_a_job_go_too_and_run_keys_stay_whole(world: World) -> None:
    """A later submission is found through the earlier one's pointer, so that one goes with it."""
    first = new_token(NOW - 9 * DAY, b"first".rjust(10))
    second = new_token(NOW - 8 * DAY, b"second".rjust(10))
    job = finished(world, days_ago=2)
    for token, after in ((first, None), (second, first)):
        record = job.model_copy(update={"submission_token": token, "run_key": "k", "submitted_at": NOW - 8 * DAY})
        intent(record).replace(world.project.submission(token).intent)
        outcome = Outcome(token=token, outcome="refused", at=NOW - 8 * DAY)
        outcome.replace(world.project.submission(token).outcome)
        RunKey(run_key="k", token=token, created_at=NOW).replace(world.project.run_key("k", after=after))
    RunKey(run_key="k", token=TOKEN, created_at=NOW).replace(world.project.run_key("k", after=second))
    job.model_copy(update={"run_key": "k"}).replace(world.project.job_record("7"))
    clean(world, CleanRule(older_than_s=5 * DAY))
    assert len(list(world.project.run_keys.path.iterdir())) == 3
    clean(world, CleanRule(older_than_s=DAY))
    assert left(world) == set()


def test_an_open_submission_stays(world: World) -> None:
    """Nobody knows yet what became of it."""
    token = new_token(NOW - 9 * DAY, b"open".rjust(10))
    world.project.unresolved.path.mkdir()
    world.project.unresolved_mark(token).path.write_text("")
    intent(world.record.model_copy(update={"submission_token": token})).replace(world.project.submission(token).intent)
    clean(world)
    assert world.project.submission(token).intent.path.exists()


def test_a_removal_that_died_is_finished_by_the_next(world: World) -> None:
    """Whatever the rule of the next one."""
    record = finished(world)
    removal = removal_of(world.project, record, at=NOW)
    removal.create(world.project.removal(TOKEN))
    world.project.job_record("7").path.unlink()
    report = clean(world, CleanRule(keep=100))
    assert [one.job_id for one in report.finished] == ["7"]
    assert left(world) == set()


def test_the_journal_no_longer_names_what_was_removed(world: World) -> None:
    """Its lines stay, one more says so."""
    record = finished(world)
    journal = OurPath(world.root) / "journal.jsonl"
    entry = JournalEntry(
        at=NOW, token=TOKEN, engine="slurm", project_dir=record.submit_dir, compose_file="c", name="hello"
    )
    append_journal(journal, entry)
    assert read_journal(journal) == (entry,)
    clean(world)
    assert read_journal(journal) == ()
    assert len(journal.path.read_text().splitlines()) == 2


def test_two_removals_do_not_work_side_by_side(world: World) -> None:
    """The second waits, and gives up."""
    finished(world)
    holder = {"pid": os.getpid(), "start_ticks": 1, "boot_id": "?", "host": "elsewhere"}
    world.project.removal_lock.path.write_text(json.dumps(holder))
    with pytest.raises(HpccError, match="removal of jobs"):
        clean(world)
    assert world.paths.state.path.exists()


def test_what_cannot_be_removed_is_told_and_does_not_stop_the_rest(world: World) -> None:
    """A damaged run key of one job."""
    finished(world, run_key="k")
    world.project.run_key("k").path.write_text("no JSON")
    finished(world, "8")
    report = clean(world)
    assert [one.job_id for one in report.removed] == ["8"]
    assert report.has_failed
    assert [job.why for job in report.kept] == ["failed"]


def test_down_ends_the_job_and_removes_its_files(world: World) -> None:
    """Once it is over, for the scheduler too."""
    finished(world)
    world.write_state("RUNNING")
    world.engine.rows = [row("RUNNING")]
    sleep = world.clock.sleep

    def end(seconds: float) -> None:
        sleep(seconds)
        world.write_state("CANCELLED", cause="completed")
        world.engine.rows = [row("COMPLETING")] if world.clock.now() < NOW + 10 else []

    world.clock.sleep = end  # type: ignore[method-assign]
    result = down_job(cleaner(world), world.record, world.engine, wait_s=60, force=False)
    assert world.engine.cancelled == [("7", TOKEN, False)]
    assert result.removed is not None
    assert left(world) == set()
    assert world.clock.now() >= NOW + 10


def test_down_leaves_the_files_of_a_job_that_does_not_end(world: World) -> None:
    """Not in time."""
    finished(world)
    world.write_state("RUNNING")
    world.engine.rows = [row("RUNNING")]
    before = left(world)
    result = down_job(cleaner(world), world.record, world.engine, wait_s=5, force=False)
    assert result.removed is None
    assert left(world) == before


def test_down_without_a_scheduler_removes_nothing(world: World) -> None:
    """Exit 4: nobody knows whether it runs."""
    finished(world)
    world.write_state("RUNNING", heartbeat_at=NOW - 3600)
    world.engine.silent = True
    world.engine.cancel_answer = world.engine.cancel_answer.__class__(requested=False, reachable=False, message="gone")
    before = left(world)
    with pytest.raises(SchedulerUnreachable):
        down_job(cleaner(world), world.record, world.engine, wait_s=5, force=False)
    assert left(world) == before


def test_down_cancels_a_twin_that_waits(world: World) -> None:
    """Before the folder goes in which it would find its token claimed."""
    finished(world)
    world.engine.rows = [row("PENDING", "8")]

    def gone(seconds: float) -> None:
        world.engine.rows = []

    world.clock.sleep = gone  # type: ignore[method-assign]
    assert down_job(cleaner(world), world.record, world.engine, wait_s=5, force=False).removed
    assert world.engine.cancelled == [("8", TOKEN, False)]
