"""Answers of the scheduler that processes of one user share: how old they may be, and what becomes of bad files."""

from __future__ import annotations

import fcntl
import json
import os
import threading
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest

from compose_core.cluster import shared_answers
from compose_core.cluster.engine import JobRow, Rows, Unavailable
from compose_core.cluster.shared_answers import PATIENCE_S, SharedAnswers
from compose_core.cluster.slurm import Slurm
from compose_core.job_state import JobId
from compose_core.records.our_path import OurPath
from compose_core.testing import FakeClock, FakeCluster, rc
from compose_core.testing.fake_cluster import Settings

INSTANT = Settings(call_s=0.0, accounting_lag_s=0.0, allocation_lag_s=0.0)


class Users:
    """Processes of one user at a fake Slurm, each with an engine of its own and the same folder."""

    def __init__(self, folder: Path, **settings: object) -> None:
        self.cluster = FakeCluster(settings=INSTANT, **settings)  # type: ignore[arg-type]
        self.clock = self.cluster.clock
        self.folder = folder

    def process(self, boot: str = "this boot", clock: FakeClock | None = None) -> SharedAnswers:
        """One more process."""
        return SharedAnswers(
            engine=self.cluster.slurm(), folder=OurPath(self.folder) / "answers", clock=clock or self.clock, boot=boot
        )

    def squeues(self) -> int:
        return self.cluster.programs_run.count("squeue")

    def sacct_ids(self) -> list[list[str]]:
        """The ids of each sacct call."""
        words = [word for call in self.cluster.calls if call[0] == "sacct" for word in call]
        return [word.removeprefix("--jobs=").split(",") for word in words if word.startswith("--jobs=")]

    @property
    def file(self) -> Path:
        return self.folder / "answers" / "queue.json"


@pytest.fixture
def users(tmp_path: Path) -> Users:
    """A cluster with a waiting job."""
    users = Users(tmp_path)
    users.cluster.add_job(name="one")
    return users


def ids_of(answer: object) -> list[str]:
    assert isinstance(answer, Rows), answer
    return [row.job_id for row in answer.rows]


def test_ten_processes_cost_one_query(users: Users) -> None:
    """As long as the answer is young enough for them."""
    asked_at = users.clock.now()
    for _ in range(10):
        process = users.process()
        answer = process.queue(not_before=users.clock.now() - 30)
        assert ids_of(answer) == ["41"]
        assert answer.asked_at == pytest.approx(asked_at)
        users.clock.sleep(2)
    assert users.squeues() == 1
    assert process.counter.shared == {"squeue": 1}
    assert process.counter.calls == {}
    users.clock.sleep(11)
    users.process().queue(not_before=users.clock.now() - 30)
    assert users.squeues() == 2


def test_who_does_not_say_how_old_an_answer_may_be_gets_a_new_one(users: Users) -> None:
    """And the others profit from it."""
    one, other = users.process(), users.process()
    one.queue(not_before=users.clock.now() - 30)
    users.clock.sleep(1)
    other.queue()
    assert users.squeues() == 2
    one.queue(not_before=users.clock.now() - 0.5)
    assert users.squeues() == 2


def test_the_rows_are_those_of_the_scheduler(users: Users) -> None:
    """Field by field, array tasks and times included."""
    users.cluster.add_job(name="a | b\x1b[2J", waiting_tasks=[0, 1, 2], array_number=42, throttle=2)
    users.cluster.start("41")
    asked = users.process().queue()
    shared = users.process().queue(not_before=users.clock.now() - 1)
    assert isinstance(asked, Rows)
    assert isinstance(shared, Rows)
    assert shared.rows == asked.rows
    assert len(shared.rows) == 2
    assert users.squeues() == 1


def test_every_field_of_a_row_can_be_stored() -> None:
    """One that is added to rows has to be added to the table of what a cell may be."""
    assert [one.name for one in fields(JobRow)] == list(shared_answers._KINDS)


def test_that_nobody_answers_is_shared_too(users: Users) -> None:
    """A dead controller costs each call many seconds: processes that start meanwhile do not all wait for it."""
    users.cluster.stop_controller()
    first = users.process().queue()
    users.clock.sleep(4)
    second = users.process().queue(not_before=users.clock.now())
    assert isinstance(first, Unavailable)
    assert isinstance(second, Unavailable)
    assert (second.kind, second.message) == ("unreachable", first.message)
    assert users.squeues() == 1
    users.clock.sleep(2)
    users.cluster.start_controller()
    assert ids_of(users.process().queue(not_before=users.clock.now())) == ["41"]


def test_who_waits_for_long_takes_an_older_failure(users: Users) -> None:
    """As it would have taken an older answer."""
    users.cluster.stop_controller()
    users.process().queue()
    users.clock.sleep(50)
    assert isinstance(users.process().queue(not_before=users.clock.now() - 60), Unavailable)
    assert users.squeues() == 1


def test_a_second_process_waits_for_the_first_ones_answer(users: Users) -> None:
    """Also when both start at the same moment."""
    began, finish = threading.Event(), threading.Event()
    slow = users.process()
    engine = slow.engine
    assert isinstance(engine, Slurm)
    original = engine.queue

    def slowly(*, not_before: float | None = None) -> object:
        began.set()
        assert finish.wait(10)
        return original(not_before=not_before)

    engine.queue = slowly  # type: ignore[method-assign, assignment]
    answers: list[object] = []
    threads = [threading.Thread(target=lambda: answers.append(slow.queue(not_before=users.clock.now() - 5)))]
    threads[0].start()
    assert began.wait(10)
    other = users.process(clock=_Impatient(users.clock, finish))
    answers.append(other.queue(not_before=users.clock.now() - 5))
    threads[0].join(10)
    assert [ids_of(answer) for answer in answers] == [["41"], ["41"]]
    assert users.squeues() == 1


class _Impatient(FakeClock):
    """The users' clock; who sleeps on it lets the slow process go on, and gives it real time to do so."""

    def __init__(self, clock: FakeClock, finish: threading.Event) -> None:
        super().__init__()
        self._clock, self._finish = clock, finish

    def now(self) -> float:
        return self._clock.now()

    def monotonic(self) -> float:
        return self._clock.monotonic()

    def sleep(self, seconds: float) -> None:
        self._finish.set()
        threading.Event().wait(0.02)


def test_a_process_that_stopped_while_it_asked_holds_nobody_up_for_ever(users: Users) -> None:
    """It still has the lock; the others ask without it, and the second time at once."""
    process = users.process()
    process.queue()
    with (users.folder / "answers" / "queue.lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        users.clock.sleep(100)
        before = users.clock.now()
        assert ids_of(process.queue(not_before=users.clock.now() - 1)) == ["41"]
        assert PATIENCE_S <= users.clock.now() - before < PATIENCE_S + 2
        users.clock.sleep(100)
        before = users.clock.now()
        assert ids_of(process.queue(not_before=users.clock.now() - 1)) == ["41"]
        assert users.clock.now() - before < 3
    assert users.squeues() == 3


def _empty(file: Path) -> None:
    file.write_bytes(b"")


def _torn(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-10])


def _no_text(file: Path) -> None:
    file.write_bytes(b"\xff\x00" * 5000)


def _deep(file: Path) -> None:
    file.write_bytes(b"[" * 100000)


def _a_link(file: Path) -> None:
    file.rename(file.with_name("elsewhere"))
    file.symlink_to("elsewhere")


def _a_pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def _a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def _of_the_future(file: Path) -> None:
    _with_head(file, asked_at=1e9, ended_at=1e9)


def _without_numbers(file: Path) -> None:
    _with_head(file, asked_at="soon")


def _with_a_giant(file: Path) -> None:
    _with_head(file, ended_at=10**400)


def _of_a_later_release(file: Path) -> None:
    _with_head(file, schema_version=2)


def _with_head(file: Path, **changes: object) -> None:
    head, body = file.read_bytes().split(b"\n", 1)
    file.write_bytes(json.dumps({**json.loads(head), **changes}).encode() + b"\n" + body)


BAD_FILES = [
    _empty,
    _torn,
    _no_text,
    _deep,
    _a_link,
    _a_pipe,
    _a_folder,
    _of_the_future,
    _without_numbers,
    _with_a_giant,
    _of_a_later_release,
]


@pytest.mark.parametrize("spoil", BAD_FILES, ids=lambda spoil: spoil.__name__.strip("_"))
def test_a_file_that_is_no_answer_is_asked_anew(users: Users, spoil: Callable[[Path], None]) -> None:
    """And never followed, waited for or believed."""
    users.process().queue()
    spoil(users.file)
    for calls in (2, 3):
        users.clock.sleep(0.5)
        assert ids_of(users.process().queue(not_before=users.clock.now() - (30 if calls == 2 else 0))) == ["41"]
        assert users.squeues() == calls


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"unavailable": {"kind": "asleep", "message": "", "source": "squeue"}},
        {"unavailable": {"kind": "error", "message": 7, "source": "squeue"}},
        {"unavailable": []},
        {"rows": {}, "fields": [], "malformed": 0, "source": "squeue"},
        {"rows": 7},
    ],
)
def test_a_body_of_another_shape_is_asked_anew(users: Users, body: object) -> None:
    """Although its checksum is right."""
    _replace_body(users, body)
    assert ids_of(users.process().queue(not_before=users.clock.now() - 30)) == ["41"]
    assert users.squeues() == 2


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("job_id", "x"),
        ("state", "ASLEEP"),
        ("source", "rumour"),
        ("submitted_at", 10**400),
        ("submitted_at", "now"),
        ("exit_code", True),
        ("token", 7),
        ("name", None),
    ],
)
def test_a_row_of_another_shape_is_asked_anew(users: Users, field: str, value: object) -> None:
    """One such row makes the whole answer doubtful."""
    users.process().queue()
    body = json.loads(users.file.read_bytes().split(b"\n", 1)[1])
    body["rows"][0][body["fields"].index(field)] = value
    users.cluster.programs_run.clear()
    _replace_body(users, body)
    assert ids_of(users.process().queue(not_before=users.clock.now() - 30)) == ["41"]
    assert users.squeues() == 2


def _replace_body(users: Users, body: object) -> None:
    """The newest answer with another text, and the checksum of that."""
    import hashlib

    users.process().queue()
    head, _ = users.file.read_bytes().split(b"\n", 1)
    text = json.dumps(body).encode() + b"\n"
    digest = hashlib.sha256(text).hexdigest()
    users.file.write_bytes(json.dumps({**json.loads(head), "sha256": digest}).encode() + b"\n" + text)


def test_an_answer_of_before_the_last_boot_is_not_used(users: Users) -> None:
    """The clock that ages are measured with began anew."""
    users.process("one boot").queue()
    users.process("another boot").queue(not_before=users.clock.now() - 30)
    assert users.squeues() == 2


def test_an_answer_is_not_used_when_the_clocks_disagree_on_its_age(users: Users) -> None:
    """The machine slept, or its clock was set."""
    users.process().queue()
    users.clock.jump(600)
    users.process().queue(not_before=users.clock.now() - 900)
    assert users.squeues() == 2


def test_the_files_are_nobody_elses_to_read(users: Users) -> None:
    """They name jobs, and what they were called."""
    users.process().queue()
    assert users.file.stat().st_mode & 0o777 == 0o600
    assert users.file.parent.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_cannot_be_made_shares_nothing_and_hinders_nobody(tmp_path: Path) -> None:
    """As on a full or read-only home."""
    users = Users(tmp_path)
    users.cluster.add_job()
    (tmp_path / "answers").write_text("in the way")
    for calls in (1, 2):
        assert ids_of(users.process().queue(not_before=users.clock.now() - 30)) == ["41"]
        assert users.squeues() == calls


# -- the accounting


def ended(users: Users, count: int) -> list[JobId]:
    """So many jobs that have ended."""
    jobs = [users.cluster.add_job(name=f"job{number}") for number in range(count)]
    for job in jobs:
        users.cluster.finish(job.shown_id)
    users.clock.sleep(10)
    users.cluster.advance()
    return [JobId(job.shown_id) for job in jobs]


def test_only_jobs_that_nobody_asked_after_are_asked_after(users: Users) -> None:
    """In one call for all of them."""
    ids = ended(users, 4)
    since = users.clock.now() - 60
    assert ids_of(users.process().accounting(ids[:2], since_epoch_s=since)) == ids[:2]
    users.clock.sleep(1)
    answer = users.process().accounting(ids, since_epoch_s=since, not_before=users.clock.now() - 30)
    assert sorted(ids_of(answer)) == ids
    assert answer.asked_at == pytest.approx(users.clock.now() - 1)
    assert users.sacct_ids() == [ids[:2], ids[2:]]
    again = users.process().accounting(ids[1:3], since_epoch_s=since, not_before=users.clock.now() - 30)
    assert sorted(ids_of(again)) == ids[1:3]
    assert len(users.sacct_ids()) == 2


def test_an_old_answer_of_the_accounting_is_asked_for_again(users: Users) -> None:
    """For those jobs alone."""
    ids = ended(users, 2)
    since = users.clock.now() - 60
    users.process().accounting(ids[:1], since_epoch_s=since)
    users.clock.sleep(20)
    users.process().accounting(ids[1:], since_epoch_s=since)
    users.process().accounting(ids, since_epoch_s=since, not_before=users.clock.now() - 10)
    assert users.sacct_ids() == [ids[:1], ids[1:], ids[:1]]


def test_an_answer_of_the_accounting_that_looked_less_far_back_does_not_count(users: Users) -> None:
    """An earlier job may be missing from it."""
    ids = ended(users, 1)
    users.process().accounting(ids, since_epoch_s=users.clock.now())
    users.process().accounting(ids, since_epoch_s=users.clock.now() - 86400, not_before=users.clock.now() - 30)
    users.process().accounting(ids, since_epoch_s=users.clock.now() - 80000, not_before=users.clock.now() - 30)
    assert len(users.sacct_ids()) == 2


def test_that_a_site_keeps_no_accounting_is_remembered_for_some_minutes(tmp_path: Path) -> None:
    """It would be told at every look of every process."""
    users = Users(tmp_path, accounting="disabled")
    ids = [JobId("41")]
    for _ in range(20):
        answer = users.process().accounting(ids, since_epoch_s=0.0, not_before=users.clock.now())
        assert isinstance(answer, Unavailable)
        assert answer.kind == "disabled"
        users.clock.sleep(10)
    assert users.cluster.programs_run == ["sacct"]


def test_an_accounting_that_is_silent_for_a_moment_keeps_what_it_said(users: Users) -> None:
    """The jobs that it told of need not be asked after again."""
    ids = ended(users, 2)
    since = users.clock.now() - 60
    users.process().accounting(ids[:1], since_epoch_s=since)
    users.cluster.fail_next("sacct", rc(1, "sacct: error: Problem talking to the database: Connection refused"))
    assert isinstance(users.process().accounting(ids[1:], since_epoch_s=since), Unavailable)
    users.clock.sleep(6)
    not_before = users.clock.now() - 30
    assert ids_of(users.process().accounting(ids[:1], since_epoch_s=since, not_before=users.clock.now() - 4)) == ids[:1]
    assert sorted(ids_of(users.process().accounting(ids, since_epoch_s=since, not_before=not_before))) == ids


def test_no_id_is_an_error(users: Users) -> None:
    """It would mean everybody's jobs."""
    with pytest.raises(ValueError, match="given jobs"):
        users.process().accounting([], since_epoch_s=0.0)


def test_the_counter_says_what_it_counted_in_words(users: Users) -> None:
    """For `--verbose`."""
    counter = users.process().counter
    assert str(counter) == "not asked"
    counter.count("squeue", 0.25)
    counter.count_shared("squeue")
    assert str(counter) == "squeue 1 time in 0.25 s; 1 answer of other processes used"
    counter.count("squeue", 0.25)
    counter.count("sacct", 1.0)
    counter.count_shared("sacct")
    assert str(counter) == "sacct 1 time in 1.00 s, squeue 2 times in 0.50 s; 2 answers of other processes used"
    assert str(counter.sum_of([counter, users.process().counter])) == str(counter)
