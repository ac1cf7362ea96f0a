"""File systems that fail: every step of a command, every write of the supervisor, every byte of a line."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from compose_core.records.atomic import append_line
from compose_core.records.json_text import json_bytes, read_json_lines
from compose_core.records.our_path import OurPath
from tests.core.supervisor.world import World, opened_world, service
from tests.faults.clients import FAULTS, LONG, QUICK, Bed, at_step, failing
from tests.faults.profile import chosen
from tests.faults.table import Tell, measured

_CODES = {0, 1, 3, 4}


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Bed]:
    """A project on the local engine."""
    bed = Bed(tmp_path)
    yield bed
    bed.end_jobs()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A job without a client."""
    with opened_world(tmp_path / "project") as world:
        yield world


def each_fault(bed: Bed, words: tuple[str, ...], number: int, *, short: int, reads: bool = False) -> Iterator[str]:
    """Each step of the command that failed; it ended by itself, with an exit status of ours and no traceback."""
    points = range(1, bed.steps_of(*words, reads=reads) + 1)
    mine = points[FAULTS.index(number) % 2 :: 2]  # each step fails in two of the four ways
    for point in chosen(mine, short=short):
        bed.put_back()
        before = lambda point=point: at_step(point, failing(number), reads=reads)  # noqa: E731
        yield f"{errno.errorcode[number]} at step {point} of {len(points)}: {bed.hpcc(*words, before=before).code}"


def code_of(step: str) -> int:
    """The exit status that the step's command ended with."""
    return int(step.rpartition(" ")[2])


@pytest.mark.parametrize("number", FAULTS, ids=errno.errorcode.get)
def test_a_file_that_cannot_be_written_loses_no_job(bed: Bed, tell: Tell, number: int) -> None:
    """`submit` again with the key comes to one job that ran once."""
    bed.write(QUICK)
    bed.keep()
    with measured(tell, "a step of up fails: lost + run twice + torn") as figure:
        for step in each_fault(bed, ("submit", "--run-key", "k"), number, short=3):
            with figure.trial(step):
                assert code_of(step) in _CODES
                bed.hpcc("submit", "--run-key", "k", code=0)
                states = bed.wait_until_over()
                assert list(states.values()) == ["COMPLETED"], states
                assert bed.ran() == list(states)
                bed.check_whole()


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE], ids=errno.errorcode.get)
def test_a_file_that_cannot_be_read_costs_nothing(bed: Bed, tell: Tell, number: int) -> None:
    """The command says so or does without; what it cannot read it does not remove."""
    ids = bed.with_jobs(2)
    bed.keep()
    commands = (("status",), ("jobs",), ("logs",), ("submit", "--run-key", "k"), ("clean", "--keep", "0"))
    with measured(tell, "a read of status, jobs, logs, up, clean fails: lost + run twice") as figure:
        for words in commands:
            for step in each_fault(bed, words, number, short=1, reads=True):
                with figure.trial(f"{words[0]}: {step}"):
                    assert code_of(step) in _CODES
                    if words[0] == "clean":
                        bed.hpcc("clean", "--keep", "0", code=0)
                        assert bed.jobs() == {}
                    else:
                        bed.hpcc("submit", "--run-key", "k", code=0)
                        assert bed.jobs() == dict.fromkeys(reversed(ids), "COMPLETED")
                        assert bed.ran() == ids
                    assert not bed.removals()


@pytest.mark.parametrize("number", FAULTS, ids=errno.errorcode.get)
def test_a_removal_that_fails_is_finished_by_the_next(bed: Bed, tell: Tell, number: int) -> None:
    """What was there before is whole, what goes is gone."""
    ids = bed.with_jobs(2)
    bed.keep()
    with measured(tell, "a step of clean, down, artifacts fails: lost + torn") as figure:
        for words in (("clean", "--all"), ("down", ids[0])):
            for step in each_fault(bed, words, number, short=2):
                with figure.trial(f"{words[0]}: {step}"):
                    assert code_of(step) in _CODES
                    bed.check_whole()
                    if ids[0] in bed.jobs() or bed.removals():
                        bed.hpcc(*words, code=0)
                    assert bed.jobs() == {ids[1]: "COMPLETED"}
                    assert not bed.removals()
                    assert not (bed.project / ".hpc-compose" / ids[0]).exists()
        for step in each_fault(bed, ("artifacts", "--tarball"), number, short=2):
            with figure.trial(f"artifacts: {step}"):
                assert code_of(step) in _CODES
                bed.hpcc("artifacts", "--tarball", code=0)
                assert sorted(path.name for path in bed.project.glob("out/made/*")) == ["one", "two"]


@pytest.mark.parametrize("number", chosen(FAULTS, short=1), ids=errno.errorcode.get)
def test_a_cancel_that_fails_can_be_repeated(bed: Bed, tell: Tell, number: int) -> None:
    """The job ends."""
    bed.write(LONG)
    bed.keep()
    bed.hpcc("submit", code=0)
    bed.wait_until_running()
    points = range(1, bed.steps_of("cancel") + 1)
    with measured(tell, "a step of cancel fails: lost") as figure:
        for point in chosen(points, short=2):
            bed.put_back()
            bed.hpcc("submit", code=0)
            job = bed.wait_until_running()
            before = lambda point=point: at_step(point, failing(number))  # noqa: E731
            code = bed.hpcc("cancel", before=before).code
            with figure.trial(f"step {point}: {code}"):
                assert code in _CODES
                bed.hpcc("cancel", code=0)
                assert bed.wait_until_over() == {job: "CANCELLED"}


SUPERVISOR_CALLS = ("fsync", "rename,renameat,renameat2", "mkdirat", "write", "openat", "linkat", "unlinkat")
_STRACE = shutil.which("strace")


def interpreter_that_fails(folder: Path, call: str, error: str, when: str) -> Path:
    """A `python3` whose supervisor meets the error; what it starts does not."""
    path = folder / "failing-python"
    inject = f"inject={call}:error={error}:when={when}"
    path.write_text(f'#!/bin/sh\nexec {_STRACE} -o /dev/null -e trace={call} -e {inject} {sys.executable} "$@"\n')
    path.chmod(0o755)
    return path


def supervisor_faults() -> list[tuple[str, str, str]]:
    """Call, error, and which of the calls fail: one, or all from one on."""
    errors = ("ENOSPC", "EIO", "EDQUOT", "ESTALE")
    points = (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 30)
    begins = {"write": 6, "openat": 130}  # before that, the interpreter itself starts
    found = []
    for call in SUPERVISOR_CALLS:
        for place, point in enumerate(points):
            at = point + begins.get(call, 0)
            found.append((call, errors[place % 4], str(at)))
            if place % 4 == 0:
                found.append((call, errors[(place + 1) % 4], f"{at}+"))
    return found


@pytest.mark.skipif(_STRACE is None, reason="there is no strace")
def test_a_supervisor_whose_writes_fail_ends_the_job_properly(world: World, tell: Tell) -> None:
    """It comes to an end in time, leaves no process behind, and never says that a job went well that did not run."""
    assert _STRACE is not None
    can_trace = subprocess.run([_STRACE, "-o", "/dev/null", "true"], check=False, capture_output=True).returncode == 0
    if not can_trace:
        pytest.skip("this machine does not let a process be traced")
    with measured(tell, "a write of the supervisor fails: hung + left running + wrong end") as figure:
        for place, (call, error, when) in enumerate(chosen(supervisor_faults(), short=6)):
            python = interpreter_that_fails(world.folder, call, error, when)
            proof = world.folder / f"proof-{place}"
            job = world.start(
                service("one", f"echo alive > {proof}"),
                job_id=str(1000 + place),
                arguments=(),
                environment={"HPC_COMPOSE_PYTHON": str(python)},
                heartbeat_s=0.1,
            )
            with figure.trial(f"{error} at {call} number {when}"):
                check_end(world, job.wait(30), proof, job.folder)
                assert world.left_running() == []


def check_end(world: World, code: int, proof: Path, folder: Path) -> None:
    """A good end only of a job that ran; what is on disk is whole."""
    assert code in {0, 1, 3, 120}, code  # 120: Python itself, whose last words could not be written either
    assert proof.exists() or code != 0
    for path in folder.glob("*.json"):
        if not path.name.startswith("."):
            text = path.read_text()
            assert text.endswith("}\n"), path
    lines = read_json_lines(OurPath(folder) / "events.jsonl", max_bytes=1 << 20) if folder.exists() else None
    assert lines is None or lines.bad_lines <= 1


def test_a_line_torn_at_any_byte_spoils_no_other(tmp_path: Path, tell: Tell) -> None:
    """Readers give all whole lines; the next writer closes the torn one."""
    rows = [{"at": number, "event": "started", "service": "wéb", "text": "x" * 20} for number in range(3)]
    whole = b"".join(json_bytes(row) for row in rows)
    path = OurPath(tmp_path) / "events.jsonl"
    with measured(tell, "a JSON Lines file torn at every byte: lines lost") as figure:
        for cut in range(len(whole)):
            with figure.trial(f"byte {cut}"):
                path.path.write_bytes(whole[:cut])
                ends = [position for position in range(len(whole)) if whole[position] == 10]
                complete = sum(end < cut for end in ends)
                assert list(read_json_lines(path, max_bytes=1 << 20).rows)[:complete] == rows[:complete]
                append_line(path, json_bytes({"event": "after"}))
                found = read_json_lines(path, max_bytes=1 << 20)
                assert list(found.rows)[:complete] == rows[:complete]
                assert found.rows[-1] == {"event": "after"}
                assert found.bad_lines <= 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small file system")
def test_a_full_file_system_is_told_and_loses_nothing(tmp_path: Path, tell: Tell) -> None:
    """A real one of 1 MiB, filled up to the last block: exit 1 with the path and what to do; then there is room again."""
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", str(small)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("this machine does not let a file system be mounted")
    try:
        with measured(tell, "a file system that is full: lost + run twice") as figure:
            for left_kib in chosen(range(0, 80, 8), short=2):
                bed = Bed(small / str(left_kib), said=tmp_path)
                bed.write(QUICK)
                filler = small / "filler"
                _fill(filler, left_kib)
                ended = bed.hpcc("submit", "--run-key", "k")
                filler.unlink()
                with figure.trial(f"{left_kib} KiB left: {ended}"):
                    assert ended.code == 0 or "error: " in ended.stderr
                    bed.hpcc("submit", "--run-key", "k", code=0)
                    states = bed.wait_until_over()
                    assert bed.ran() == [job for job in states if states[job] == "COMPLETED"]
                    assert len(states) == 1
                bed.end_jobs()
                shutil.rmtree(bed.folder)
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)


def _fill(path: Path, leave_kib: int) -> None:
    """Take all space but so much."""
    found = os.statvfs(path.parent)
    free = found.f_bavail * found.f_frsize - leave_kib * 1024
    path.write_bytes(b"\0" * max(0, free))
