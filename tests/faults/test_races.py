"""Several clients at the same moment."""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.faults.clients import LONG, QUICK, Bed
from tests.faults.profile import sized
from tests.faults.table import Tell, measured


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Bed]:
    """A project on the local engine."""
    bed = Bed(tmp_path)
    yield bed
    bed.end_jobs()


def race(bed: Bed, *commands: Sequence[str], seed: int) -> list[int]:
    """Exit statuses of commands that start together, a few milliseconds apart."""
    chance = random.Random(seed)
    children = []
    for number, words in enumerate(commands):
        said = bed.folder / f"racer-{number}"
        said.mkdir(exist_ok=True)
        delay_s = chance.random() * 0.06
        child = os.fork()
        if child == 0:
            bed.said = said
            time.sleep(delay_s)
            bed.be_hpcc([*words, "--engine", "local"], None)
        children.append(child)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    for number in range(len(commands)):
        text = (bed.folder / f"racer-{number}" / "stderr").read_text()
        assert "Traceback" not in text, text[-3000:]
    return codes


def test_clients_that_submit_side_by_side(bed: Bed, tell: Tell) -> None:
    """With one run key there is one job, without a key there are as many as clients; each runs once."""
    bed.write(QUICK)
    bed.keep()
    with measured(tell, "clients racing: up with up: lost + run twice") as figure:
        for seed in range(sized(short=2, full=20)):
            bed.put_back()
            key = ("--run-key", "k") if seed % 2 else ()
            with figure.trial(f"seed {seed}"):
                assert race(bed, *[("submit", *key)] * 3, seed=seed) == [0, 0, 0]
                states = bed.wait_until_over()
                assert sorted(bed.ran()) == sorted(states)
                assert len(states) == (1 if key else 3)
                bed.check_whole()


def test_a_cancel_beside_an_up(bed: Bed, tell: Tell) -> None:
    """The job ran once or never; what is there is known, and another cancel ends it."""
    bed.write(LONG)
    bed.keep()
    with measured(tell, "clients racing: cancel with up: lost + run twice") as figure:
        for seed in range(sized(short=2, full=20)):
            bed.put_back()
            with figure.trial(f"seed {seed}"):
                race(bed, ("submit", "--run-key", "k"), ("cancel",), ("cancel",), seed=seed)
                bed.hpcc("cancel", code=0)
                states = bed.wait_until_over()
                assert list(states.values()) == ["CANCELLED"], states
                assert bed.ran() in ([], list(states))
                bed.check_whole()


def test_a_clean_beside_an_export(bed: Bed, tell: Tell) -> None:
    """The export is the whole job's, or the earlier one as it was; never a part."""
    first, second = bed.with_jobs(2)
    bed.hpcc("artifacts", "--job-id", first, code=0)
    for name in ("one", "two"):
        (bed.project / "out" / "made" / name).write_text("earlier\n")
    bed.keep()
    with measured(tell, "clients racing: clean with artifacts: parts exported") as figure:
        for seed in range(sized(short=3, full=30)):
            bed.put_back()
            with figure.trial(f"seed {seed}"):
                race(bed, ("artifacts", "--job-id", first), ("clean", "--keep", "1"), seed=seed)
                found = {path.name: path.read_text() for path in bed.project.glob("out/made/*")}
                earlier = {"one": "earlier\n", "two": "earlier\n"}
                assert found in (earlier, {"one": "one\n", "two": "two\n"}), found
                bed.hpcc("clean", "--keep", "1", code=0)
                assert bed.jobs() == {second: "COMPLETED"}
                bed.check_whole()


def test_removals_beside_each_other_and_beside_an_up(bed: Bed, tell: Tell) -> None:
    """What was to go is gone, nothing else; the key that was freed submits once."""
    first, second = bed.with_jobs(2)
    bed.keep()
    with measured(tell, "clients racing: clean with clean, down, up: lost + run twice") as figure:
        for seed in range(sized(short=2, full=20)):
            bed.put_back()
            again = ("submit", "--run-key", "k", "--format", "json")
            with figure.trial(f"seed {seed}"):
                race(bed, ("clean", "--keep", "0"), ("down", first), ("clean", "--all"), again, again, seed=seed)
                bed.hpcc(*again, code=0)
                states = bed.wait_until_over()
                runs = [job for job in bed.ran() if job not in (first, second)]
                new = [job for job in states if job not in (first, second)]
                assert sorted(new) == sorted(set(runs)), (states, runs)
                assert len(runs) == len(set(runs)) <= 2
                bed.hpcc("clean", "--keep", "0", code=0)
                assert bed.jobs() == {}
                assert not bed.removals()
                bed.check_whole()


def test_looking_while_files_go(bed: Bed, tell: Tell) -> None:
    """Every command beside a clean has an answer of its own."""
    bed.with_jobs(3)
    bed.keep()
    with measured(tell, "clients racing: status, jobs, logs with clean: tracebacks") as figure:
        for seed in range(sized(short=2, full=15)):
            bed.put_back()
            with figure.trial(f"seed {seed}"):
                looks = [("status", "--format", "json"), ("jobs", "--format", "json"), ("logs",)]
                codes = race(bed, ("clean", "--keep", "0"), *looks, seed=seed)
                assert codes[0] == 0
                assert codes[2] == 0
                assert set(codes) <= {0, 1}
                json.loads((bed.folder / "racer-2" / "stdout").read_text())
