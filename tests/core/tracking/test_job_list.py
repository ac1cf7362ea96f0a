"""A list of many jobs costs what is new in it."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from compose_core.errors import UsageError
from compose_core.records.job_record import JobRecord
from compose_core.records.journal import JournalEntry, append_journal
from compose_core.records.paths import ProjectPaths, StatePaths
from compose_core.tracking.job_filter import JobFilter, state_words
from compose_core.tracking.job_list import LOOKED_AT_FOR_S
from compose_core.tracking.job_listing import JobListing, Wanted, known_projects, list_jobs
from compose_core.tracking.observe import observe
from compose_core.tracking.snapshot import JobSnapshot
from tests.core.tracking.world import NOW, OTHER_TOKEN, World, row

EVERYTHING = Wanted(all=True)


class Lister:
    """Lists the world's jobs, and tells which were looked at."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.looked_at: list[str] = []

    def look(self, records: Sequence[JobRecord]) -> list[JobSnapshot]:
        self.looked_at += [record.job_id for record in records]
        return observe(records, self.world.engine, self.world.clock)

    def list(self, wanted: Wanted = EVERYTHING) -> JobListing:
        self.looked_at.clear()
        return list_jobs([self.world.project], self.look, wanted=wanted, now=self.world.clock.now())


@pytest.fixture
def lister(world: World) -> Lister:
    """Over a world in which job 7 has completed."""
    world.write_state("COMPLETED")
    return Lister(world)


def token(number: int) -> str:
    return f"01ARYZ6S41TSV4RRFFQ69G{number:04d}"


def test_a_job_that_ended_is_looked_at_once(lister: Lister) -> None:
    """The second list knows it, and says the same of it."""
    first = lister.list()
    assert lister.looked_at == ["7"]
    second = lister.list()
    assert lister.looked_at == []
    assert second == first
    assert [(job.job_id, job.state, job.exit_code) for job in second.jobs] == [("7", "COMPLETED", 0)]
    assert [tuple(service) for service in second.jobs[0].services] == [("web", "stopped", None), ("db", "exited", 0)]


def test_a_job_that_goes_on_is_looked_at_every_time(world: World) -> None:
    """And found to be over when it is."""
    world.write_state()
    world.engine.rows = [row("RUNNING")]
    lister = Lister(world)
    assert [lister.list().jobs[0].state, lister.list().jobs[0].state] == ["RUNNING", "RUNNING"]
    world.write_state("FAILED")
    assert lister.list().jobs[0].state == "FAILED"
    assert (lister.list().jobs[0].state, lister.looked_at) == ("FAILED", [])


def test_a_job_that_ran_again_after_its_end_is_looked_at_again(lister: Lister, world: World) -> None:
    """Somebody put it back into the queue: its own state is another file now."""
    lister.list()
    world.write_state(started_at=NOW + 5)
    world.engine.rows = [row("RUNNING")]
    assert (lister.list().jobs[0].state, lister.looked_at) == ("RUNNING", ["7"])


def test_long_after_its_end_not_even_the_state_is_compared(lister: Lister, world: World) -> None:
    """No scheduler remembers it then."""
    lister.list()
    world.clock.time += LOOKED_AT_FOR_S + 60
    world.paths.state.path.unlink()
    assert (lister.list().jobs[0].state, lister.looked_at) == ("COMPLETED", [])


def test_a_record_that_was_written_anew_is_read_anew(lister: Lister, world: World) -> None:
    """The index is a memory of the records, never believed against them."""
    lister.list()
    world.add(name="renamed")
    assert (lister.list().jobs[0].name, lister.looked_at) == ("renamed", ["7"])


def test_a_job_whose_record_was_removed_is_gone(lister: Lister, world: World) -> None:
    """Also from the index, once it is written again."""
    lister.list()
    world.project.job_record("7").path.unlink()
    assert lister.list().jobs == ()
    assert '"7.json"' not in world.project.job_index.path.read_text()


def test_the_index_of_a_moved_project_counts_for_nothing(lister: Lister, world: World) -> None:
    """Its paths are those of the old place."""
    lister.list()
    moved = world.root / "moved"
    world.project.project_dir.rename(moved)
    world.project = ProjectPaths(moved)
    assert lister.list().jobs[0].job_dir == str(moved / ".hpc-compose/7")


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", '{"schema_version":1,"columns":["file"],"jobs":[[1]]}', "\x00"]
)
def test_an_index_that_is_torn_or_foreign_is_made_anew(lister: Lister, world: World, content: str) -> None:
    """Nothing is lost with it."""
    expected = lister.list()
    index = world.project.job_index.path
    good = index.read_text()
    index.write_text(content)
    assert lister.list() == expected
    assert index.read_text() == good


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("state", "DONE"),
        ("job_id", 7),
        ("services", [["a"]]),
        ("warnings", [1]),
        ("array", {"spec": 1}),
        ("terminal", 1),
    ],
)
def test_an_index_with_a_wrong_value_is_made_anew(lister: Lister, world: World, column: str, value: object) -> None:
    """It is text that anybody with the user's rights can edit."""
    expected = lister.list()
    index = world.project.job_index.path
    content = json.loads(index.read_text())
    content["jobs"][0][content["columns"].index(column)] = value
    index.write_text(json.dumps(content))
    assert lister.list() == expected
    assert lister.looked_at == ["7"]


def test_an_index_that_cannot_be_written_costs_only_time(lister: Lister, world: World) -> None:
    """As in a folder that somebody made read-only."""
    world.project.job_index.path.symlink_to("/dev/null")
    assert lister.list().jobs[0].state == "COMPLETED"
    world.project.job_index.path.unlink()
    os.mkfifo(world.project.job_index.path)
    assert lister.list().jobs[0].state == "COMPLETED"


def test_a_lost_job_is_looked_for_every_time(world: World) -> None:
    """It may be found again."""
    world.write_state()
    world.clock.time += 4000
    lister = Lister(world)
    lister.list()
    world.clock.time += 400
    assert lister.list().jobs[0].state == "LOST"
    assert (lister.list().jobs[0].state, lister.looked_at) == ("LOST", ["7"])


def test_a_job_stays_lost_in_the_next_command(world: World) -> None:
    """What one command found out about its absence is not begun anew by the next."""
    world.write_state()
    world.clock.time += 4000
    states = []
    for _ in range(4):
        states.append(str(observe([world.record], world.engine, world.clock)[0].state))
        world.clock.time += 100
    assert states == ["UNKNOWN", "LOST", "LOST", "LOST"]


def test_a_record_that_cannot_be_read_is_named_and_the_others_are_listed(lister: Lister, world: World) -> None:
    """Every time: it is in no index."""
    (world.project.jobs / "8.json").path.write_text("{")
    for _ in range(2):
        listing = lister.list()
        assert [job.job_id for job in listing.jobs] == ["7"]
        assert "8.json" in listing.warnings[0]


def test_without_wishes_the_unfinished_and_the_one_that_ended_last_are_shown(lister: Lister, world: World) -> None:
    """The rest is counted."""
    for number in (8, 9):
        record = world.add(str(number), token(number), submitted_at=NOW - 100 - number)
        world.write_state(
            "FAILED",
            paths=record.job_paths,
            submission_token=token(number),
            job_id=str(number),
            finished_at=NOW - number,
        )
    world.add("10", token(10), submitted_at=NOW - 1000)
    world.engine.rows = [row("PENDING", "10", token=token(10), started_at=NOW + 50)]
    listing = lister.list(Wanted())
    assert [(job.job_id, job.state) for job in listing.jobs] == [("7", "COMPLETED"), ("10", "PENDING")]
    assert (listing.tracked, listing.hidden) == (4, 2)
    assert listing.jobs[1].expected_start_at == NOW + 50
    assert [job.job_id for job in lister.list(Wanted(limit=2)).jobs] == ["8", "9"]


def test_a_filter_by_name_spares_the_looks_at_other_jobs(lister: Lister, world: World) -> None:
    """A part of the name, or a pattern."""
    world.add("8", OTHER_TOKEN, name="train-8")
    listing = lister.list(Wanted(filter=JobFilter(name="train")))
    assert ([job.job_id for job in listing.jobs], lister.looked_at) == (["8"], ["8"])
    assert [job.job_id for job in lister.list(Wanted(filter=JobFilter(name="h*o"))).jobs] == ["7"]
    assert lister.list(Wanted(filter=JobFilter(name="ell?"))).jobs == ()


def test_a_filter_by_time_is_one_of_submission(lister: Lister) -> None:
    """The job was submitted 600 s ago."""
    assert lister.list(Wanted(filter=JobFilter(since=NOW - 601))).matching == 1
    assert lister.list(Wanted(filter=JobFilter(since=NOW - 599))).matching == 0


@pytest.mark.parametrize(
    ("word", "shown"),
    [
        ("completed", True),
        ("CD", True),
        ("finished", True),
        ("failed", False),
        ("active", False),
        ("running", False),
        ("PENDING", False),
        ("lost", False),
    ],
)
def test_a_filter_by_state_takes_words_of_slurm_and_groups(lister: Lister, word: str, shown: bool) -> None:
    """However they are written."""
    assert bool(lister.list(Wanted(filter=JobFilter(states=state_words([word])))).jobs) is shown


def test_failed_means_every_bad_end_and_in_capitals_the_state_alone(lister: Lister, world: World) -> None:
    """A job that ran into its limit has failed, but is not FAILED."""
    world.write_state("TIMEOUT")
    assert lister.list(Wanted(filter=JobFilter(states=state_words(["failed"])))).matching == 1
    assert lister.list(Wanted(filter=JobFilter(states=state_words(["FAILED"])))).matching == 0
    assert lister.list(Wanted(filter=JobFilter(states=state_words(["FAILED", "timeout"])))).matching == 1


def test_a_word_that_is_no_state_is_refused_with_the_nearest_one() -> None:
    """Instead of showing nothing."""
    with pytest.raises(UsageError) as refusal:
        state_words(["PENDIGN"])
    assert "PENDING" in str(refusal.value.remedy)


def test_the_folders_of_the_journal_are_the_user_s_projects(tmp_path: Path) -> None:
    """Each once; those that are gone are counted."""
    state = StatePaths(tmp_path / "state")
    for number, name in enumerate(("a", "b", "a", "gone")):
        (tmp_path / name).mkdir(exist_ok=True)
        entry = JournalEntry(
            at=NOW, token=token(number), engine="local", project_dir=str(tmp_path / name), compose_file="c", name="n"
        )
        append_journal(state.journal, entry)
    (tmp_path / "gone").rmdir()
    projects, gone = known_projects(state)
    assert [project.project_dir.name for project in projects] == ["a", "b"]
    assert gone == 1


def test_an_array_is_over_when_all_its_tasks_are(world: World) -> None:
    """And one that ran again is looked at again."""
    record = world.add("30", OTHER_TOKEN, array={"spec": "0-1", "log_pattern": "slurm-30_%a.out"})
    for task in (0, 1):
        folder = world.project.metadata_root.path / f"30_{task}" / "state.json"
        fields = {
            "submission_token": OTHER_TOKEN,
            "job_id": f"30_{task}",
            "job_status": "COMPLETED",
            "cause": "completed",
        }
        world.write(folder, {"schema_version": 1, "started_at": NOW, "finished_at": NOW, "services": [], **fields})
    world.write_state("COMPLETED")
    lister = Lister(world)
    assert lister.list().jobs[0].array == {
        "spec": "0-1",
        "task_count": 2,
        "counts": {"COMPLETED": 2},
        "failed_tasks": [],
    }
    lister.list()
    assert lister.looked_at == []
    (world.project.metadata_root.path / "30_1" / "state.json").unlink()
    lister.list()
    assert lister.looked_at == [record.job_id]
