"""What the supervisor does with a sampler, whatever that does."""

from __future__ import annotations

import hashlib
import json
import os
import select
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from compose_core.supervisor import sampling as module
from compose_core.supervisor.files import JobFolder, open_folder
from compose_core.supervisor.record import Record
from compose_core.supervisor.sampling import CollectorSamples, Sampling
from compose_core.supervisor.steps import Tools

PATIENCE_S = 20.0
SOURCE = "run_sampler = print\n"
STATE = {"collector": "gpu", "node": "n1", "at": 1.5, "state": "ok", "note": "nvidia-smi", "every_s": 1.0}


@dataclass
class Bench:
    """A job folder, and a script whose sampler is a piece of bash."""

    folder: Path
    tools: Tools
    record: Record

    def sampling(self, body: str, *, digest: str = "", collectors: tuple[str, ...] = ("gpu",)) -> Sampling:
        """What runs that sampler."""
        script = self.folder / "job.sbatch"
        sha = digest or hashlib.sha256(SOURCE.encode()).hexdigest()
        block = f"# ---- sampler; SHA-256 {sha}\n: <<'HPC_COMPOSE_SAMPLER'\n{SOURCE}HPC_COMPOSE_SAMPLER\n"
        script.write_text(f'#!/bin/bash\nif [ "$1" = sampler ]; then\n{body}\nexit\nfi\n{block}')
        rules = {"interval_s": 1, "collectors": list(collectors)}
        return Sampling(str(script), {"metrics": rules}, "41", self.tools, self.record)

    def turn(self, sampling: Sampling, until: Callable[[], object]) -> None:
        """The loop of the supervisor, as far as it concerns the sampler."""
        give_up_at = time.monotonic() + PATIENCE_S
        while not until():
            now = time.monotonic()
            assert now < give_up_at, self.events()
            sampling.advance(now, must_end=False)
            self.tools.kill(before=now)
            pipes = self.tools.pipes
            for pipe in select.select(list(pipes), [], [], 0.02)[0]:
                pipes[pipe].read()
            for pid in self.tools.pids:
                if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
                    status = os.waitpid(pid, 0)[1]
                    self.tools.ended(pid, os.waitstatus_to_exitcode(status))

    def rows(self, name: str) -> list[dict[str, Any]]:
        """A JSON Lines file below metrics/."""
        path = self.folder / "metrics" / name
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def meta(self, collector: str = "gpu") -> dict[str, Any]:
        """A collector of meta.json."""
        found = json.loads((self.folder / "metrics/meta.json").read_text())["collectors"]
        return dict(next(item for item in found if item["name"] == collector))

    def events(self) -> list[dict[str, Any]]:
        """The events."""
        path = self.folder / "events.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """An empty one; its sampler is ended with the test."""
    folder = JobFolder(str(tmp_path), open_folder(str(tmp_path)))
    tools = Tools()
    yield Bench(tmp_path, tools, Record(folder, "41", None, 0))
    tools.kill()
    for pid in tools.pids:
        tools.ended(pid, os.waitpid(pid, 0)[1])


def told(*messages: Any) -> str:
    """Bash that tells these lines."""
    lines = [message if isinstance(message, str) else json.dumps(message) for message in messages]
    return "\n".join(f"echo '{line}'" for line in lines)


def started(bench: Bench, body: str, **options: Any) -> Sampling:
    """A sampler that runs."""
    sampling = bench.sampling(body, **options)
    sampling.start(dict(os.environ), 1, is_slurm=False)
    return sampling


WAIT = "\ncat > program"


def test_rows_are_written_whole_and_the_state_is_told(bench: Bench) -> None:
    """To the file that they are for."""
    row = {"sampled_at": 1.5, "node": "n1", "index": 0}
    sampling = started(bench, told({"to": "gpu.jsonl", "row": row}, STATE) + WAIT.replace("program", "/dev/null"))
    bench.turn(sampling, lambda: bench.rows("gpu.jsonl") and bench.meta()["available"])
    assert bench.rows("gpu.jsonl") == [row]
    assert bench.meta()["coverage"] == {
        "scope": "allocation",
        "expected_nodes": 1,
        "observed_nodes": 1,
        "degraded": False,
        "reason": None,
    }
    assert bench.events() == []


@pytest.mark.parametrize(
    "line",
    [
        "srun: job step created",
        "{",
        "[1]",
        "3",
        '{"to": "../../state.json", "row": {}}',
        '{"to": "gpu.jsonl", "row": 3}',
        '{"to": "gpu.jsonl"}',
        '{"collector": "gpu"}',
        '{"collector": ["gpu"]}',
        '{"collector": "gpu", "node": "n1", "state": "ok", "note": "", "at": "x", "every_s": "y"}',
        '{"to": "gpu.jsonl", "row": {"x": NaN}}',
        "x" * 200000,
    ],
)
def test_a_line_that_is_no_message_means_nothing(bench: Bench, line: str) -> None:
    """What comes after it does."""
    text = bench.folder / "text"
    text.write_text(line + "\n" + json.dumps({"to": "gpu.jsonl", "row": {"n": 1}}) + "\n")
    sampling = started(bench, f"cat {text}; cat > /dev/null")
    bench.turn(sampling, lambda: bench.rows("gpu.jsonl"))
    assert bench.rows("gpu.jsonl") == [{"n": 1}]
    assert bench.events() == []
    assert sorted(path.name for path in (bench.folder / "metrics").iterdir()) == [
        "gpu.jsonl",
        "meta.json",
        "sampler.log",
    ]


def test_the_program_is_fed_although_the_sampler_reads_late(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be longer than a pipe holds; nothing waits for it."""
    long = SOURCE + "# " + "x" * 300000 + "\n"
    monkeypatch.setattr(f"{__name__}.SOURCE", long)
    got = bench.folder / "got"
    sampling = started(bench, f'sleep 0.3; read -r n; head -c "$n" > {got}.part; mv {got}.part {got}; cat > /dev/null')
    bench.turn(sampling, got.exists)
    assert got.read_text().startswith(long)
    assert got.read_text().endswith("'))\n") or got.read_text().endswith('"))\n')


def test_it_is_told_to_take_its_last_sample_by_the_end_of_its_input(bench: Bench) -> None:
    """What it tells then is written."""
    row = json.dumps({"to": "cpu.jsonl", "row": {"last": True}})
    sampling = started(bench, f"cat > /dev/null; echo '{row}'")
    bench.turn(sampling, lambda: not sampling._unsent)
    sampling.end(time.monotonic())
    bench.turn(sampling, lambda: not sampling.is_running)
    sampling.write_last()
    assert bench.rows("cpu.jsonl") == [{"last": True}]
    assert bench.events() == []


def test_one_that_does_not_end_is_killed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the time for a last sample."""
    monkeypatch.setattr(module, "LAST_SAMPLE_S", 0.3)
    sampling = started(bench, "trap '' TERM; while :; do sleep 0.1; done")
    sampling.end(time.monotonic())
    bench.turn(sampling, lambda: not sampling.is_running)


def test_when_slurm_leaves_little_time_it_is_ended_at_once(bench: Bench) -> None:
    """TERM, and KILL a second later; its end is no failure."""
    sampling = started(bench, "trap '' TERM; while :; do sleep 0.1; done")
    begin = time.monotonic()
    sampling.advance(begin, must_end=True)
    bench.turn(sampling, lambda: not sampling.is_running)
    assert time.monotonic() - begin < 5
    assert bench.events() == []


def test_one_that_dies_is_told_once_for_each_collector(bench: Bench) -> None:
    """With where to look."""
    sampling = started(bench, "echo no GPU library here >&2; exit 3", collectors=("gpu", "cpu"))
    bench.turn(sampling, lambda: len(bench.events()) == 2)
    sampling.write_last()
    assert {(event["event"], event["collector"]) for event in bench.events()} == {
        ("metrics_degraded", "gpu"),
        ("metrics_degraded", "cpu"),
    }
    assert bench.meta()["coverage"]["reason"] == "the sampler ended with 3, see metrics/sampler.log"
    assert (bench.folder / "metrics/sampler.log").read_text() == "no GPU library here\n"


def test_a_damaged_sampler_is_never_run(bench: Bench) -> None:
    """Its digest tells."""
    sampling = started(bench, f"touch {bench.folder}/ran", digest="0" * 64)
    sampling.write_last()
    assert not sampling.is_running
    assert not (bench.folder / "ran").exists()
    assert "no sampler that matches" in bench.events()[0]["message"]
    assert bench.meta()["coverage"]["degraded"] is True


def test_rows_that_cannot_be_written_cost_samples_only(bench: Bench, capfd: pytest.CaptureFixture[str]) -> None:
    """Told once, not for every sample."""
    (bench.folder / "metrics").mkdir(mode=0o700)
    (bench.folder / "metrics/gpu.jsonl").symlink_to("/etc/passwd")
    message = json.dumps({"to": "gpu.jsonl", "row": {"n": 1}})
    sampling = started(
        bench, f"for i in 1 2 3; do echo '{message}'; sleep 0.7; done; echo '{json.dumps(STATE)}'; cat > /dev/null"
    )
    bench.turn(sampling, lambda: bench.meta()["available"])
    assert capfd.readouterr().err.count("gpu.jsonl") == 2  # the name of the record and that of the file, on one line


class TestCoverage:
    def collector(self, expected: int = 2) -> CollectorSamples:
        """One that n1 and n2 told of at 100."""
        collector = CollectorSamples("gpu", expected, "")
        for node in ("n1", "n2"):
            collector.take({**STATE, "node": node}, 100.0)
        return collector

    def test_all_nodes_deliver(self) -> None:
        collector = self.collector()
        assert collector.reason(101.0, False, "") == ""
        assert collector.as_json(101.0, "allocation", "")["coverage"]["observed_nodes"] == 2

    def test_a_node_that_falls_silent_is_named(self) -> None:
        """After half a minute, or three intervals of a slow tool."""
        collector = self.collector()
        collector.take(STATE, 140.0)
        assert collector.reason(141.0, False, "") == "n2 is silent"
        collector.take({**STATE, "node": "n2", "every_s": 60}, 100.0)
        assert collector.reason(141.0, False, "") == ""

    def test_a_node_that_never_told_anything_is_missed_after_a_while(self) -> None:
        collector = self.collector(3)
        assert collector.reason(101.0, True, "") == ""
        assert collector.reason(101.0, False, "") == "nothing came from 1 of 3 nodes"

    def test_a_node_that_lost_a_gpu_is_observed_and_degraded(self) -> None:
        collector = self.collector()
        assert collector.take({**STATE, "state": "degraded", "note": "no answer about GPU 1"}, 101.0)
        assert collector.reason(102.0, False, "") == "n1: no answer about GPU 1"
        assert collector.observed(102.0) == ["n1", "n2"]

    def test_a_node_whose_tool_fails_is_not_observed(self) -> None:
        collector = self.collector()
        collector.take({**STATE, "state": "failed", "note": "did not answer"}, 101.0)
        assert collector.observed(102.0) == ["n2"]
        assert collector.as_json(102.0, "allocation", "x")["available"] is True

    def test_the_same_state_again_is_no_news(self) -> None:
        assert not self.collector().take(STATE, 101.0)
