"""What a monitor tells of jobs that come, run and end."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from compose_core.clock import SystemClock
from compose_core.cluster.runner import HostRunner
from compose_core.errors import RecordError
from compose_core.monitor.hook import Hook, hook_words
from compose_core.monitor.log_file import LogFile
from compose_core.tracking.snapshot import JobSnapshot
from tests.core.monitor.world import GPU, MonitorWorld, Script


def test_the_log_of_one_job_has_the_shape_of_the_manual(world: MonitorWorld) -> None:
    """Every line of a job that waits, runs and ends well."""
    records = world.add(1, name="r8/capitalization/epoch0")
    world.usage["100"] = GPU
    state = world.run(Script(records, [["PENDING"], ["RUNNING"], ["COMPLETED"]]))
    assert state.finished_at is not None
    assert world.log.read_text() == (
        "[2027-01-15 08:00:00] STATUS_CHECK: Polling SLURM\n"
        "Result: 1 job found - 1 PENDING, 0 RUNNING, 0 COMPLETED\n"
        "[2027-01-15 08:01:00] STATUS_CHECK: Polling SLURM\n"
        "Result: 1 job found - 0 PENDING, 1 RUNNING, 0 COMPLETED\n"
        "[2027-01-15 08:01:00] STATE_CHANGE: r8/capitalization/epoch0\n"
        "Previous: PENDING\n"
        "Current: RUNNING\n"
        "Job ID: 100\n"
        "Action: Updated run state\n"
        "[2027-01-15 08:02:00] STATUS_CHECK: Polling SLURM\n"
        "Result: 1 job found - 0 PENDING, 0 RUNNING, 1 COMPLETED\n"
        "[2027-01-15 08:02:00] STATE_CHANGE: r8/capitalization/epoch0\n"
        "Previous: RUNNING\n"
        "Current: COMPLETED\n"
        "Completed: 2027-01-15 08:04:52\n"
        "Elapsed: 4m 52s\n"
        "Action: Updated run state\n"
        "Result log: .hpc-compose/100/logs/\n"
        "[2027-01-15 08:02:00] COMPUTE_METRICS: r8/capitalization/epoch0\n"
        "Job ID: 100\n"
        "GPU Time: 00:04:52 / 00:30:00 (16%)\n"
        "Memory: 12.0 GB / 64.0 GB\n"
        "CPU Efficiency: 71.2%\n"
        "[2027-01-15 08:02:00] ALL_COMPLETE: Monitoring finished\n"
        "Summary: 1 job completed - 1 COMPLETED, 0 FAILED\n"
        "Total time: 2 minutes\n"
    )


def test_eight_jobs_are_counted_by_state(world: MonitorWorld) -> None:
    """Those of the manual always, others where there are any."""
    records = world.add(8)
    looks = [["PENDING"] * 4 + ["RUNNING"] * 4, ["TIMEOUT", "CANCELLED", *["COMPLETED"] * 6]]
    world.run(Script(records, looks))
    text = world.log.read_text()
    assert "Result: 8 jobs found - 4 PENDING, 4 RUNNING, 0 COMPLETED\n" in text
    assert "Result: 8 jobs found - 0 PENDING, 0 RUNNING, 6 COMPLETED, 1 CANCELLED, 1 TIMEOUT\n" in text
    assert "Summary: 8 jobs completed - 6 COMPLETED, 0 FAILED, 1 CANCELLED, 1 TIMEOUT\n" in text
    assert "TIMEOUT: hello/100 (Job ID: 100, exit code 1)\n" in text


def test_a_time_limit_that_was_exceeded_is_flagged_with_advice(world: MonitorWorld) -> None:
    """As the manual's second form."""
    world.usage["100"] = GPU
    world.run(Script(world.add(1), [["RUNNING"], ["TIMEOUT"]]))
    assert (
        "Job ID: 100\n"
        "GPU Time: 00:04:52 / 00:30:00 (**EXCEEDED**)\n"
        "⚠️ Time limit exceeded — consider increasing the time limit (x-slurm.time) before submitting it again\n"
        "[2027-01-15 08:01:00] ALL_COMPLETE"
    ) in world.log.read_text()
    assert world.rows("COMPUTE_METRICS")[0]["exceeded"] is True


def test_the_accounting_is_asked_once_more_after_30_s_and_no_look_waits_for_it(world: MonitorWorld) -> None:
    """Job 100 ends at once, job 101 goes on."""
    records = world.add(2)
    world.usage["100"], world.usage_lag_s = GPU, 29.0
    world.run(Script(records, [["COMPLETED", "RUNNING"], ["COMPLETED", "RUNNING"], ["COMPLETED", "FAILED"]]))
    begin = world.usage_asked[0][0]
    assert [(at - begin, ids) for at, ids in world.usage_asked] == [
        (0, ["100"]),
        (30, ["100"]),
        (120, ["101"]),
        (150, ["101"]),
    ]
    assert [row["measured"] for row in world.rows("COMPUTE_METRICS")] == [True, False]
    assert "Memory: not available / not available\nCPU Efficiency: not available\n" in world.log.read_text()
    times = [row["logged_at"][14:19] for row in world.rows("STATUS_CHECK")]
    assert times == ["00:00", "01:00", "02:00"]


def test_figures_that_still_grow_are_asked_for_once_more_and_then_told_as_they_are(world: MonitorWorld) -> None:
    """A step of the job has not been heard of yet."""
    world.usage["100"] = replace(GPU, is_final=False, cpu_percent=None, memory_used_bytes=90 * 1024**2)
    world.run(Script(world.add(1), [["FAILED"]]))
    assert len(world.usage_asked) == 2
    assert "Memory: 90.0 MB / 64.0 GB\nCPU Efficiency: not available\n" in world.log.read_text()


def test_a_silent_scheduler_changes_nothing_and_is_told_of_once(world: MonitorWorld) -> None:
    """Each failed question is a record, the third an alert, and the next answer the end of it."""
    records = world.add(1)
    unreachable = [["UNREACHABLE"]] * 5
    world.run(Script(records, [["RUNNING"], *unreachable, ["COMPLETED"]], silent=frozenset(range(1, 6))))
    events = [row["event"] for row in world.rows() if row["event"] != "STATUS_CHECK"]
    assert events == [
        *("STATE_CHANGE", "QUERY_ERROR", "QUERY_ERROR", "QUERY_ERROR", "ALERT", "QUERY_ERROR", "QUERY_ERROR"),
        *("RECOVERED", "STATE_CHANGE", "COMPUTE_METRICS", "ALL_COMPLETE"),
    ]
    assert [row["previous"] for row in world.rows("STATE_CHANGE")] == ["PENDING", "RUNNING"]
    assert world.rows("STATUS_CHECK")[2]["counts"]["UNREACHABLE"] == 1
    assert "ALERT: 3 failed polls in a row; last good answer 2027-01-15 08:00:00\n" in world.log.read_text()
    assert "RECOVERED: The scheduler answers again after 5 failed polls in a row\n" in world.log.read_text()


def test_gpus_are_told_at_every_fifth_look_and_only_where_there_are_samples(world: MonitorWorld) -> None:
    """Job 100 has one GPU, 101 has two, 102 none."""
    records = world.add(3)
    for number, gpus in ((0, 1), (1, 2)):
        path = Path(records[number].job_dir) / "metrics" / "gpu.jsonl"
        path.parent.mkdir(parents=True)
        rows = [
            {"sampled_at": world.clock.now() + at, "node": "n1", "index": gpu, "utilization_gpu": 90 + gpu + at}
            | {"memory_used_mib": 72704, "memory_total_mib": 81920}
            for at in (0, 3)
            for gpu in range(gpus)
        ]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows) + '{"sampled_at": 99')
    world.run(Script(records, [["RUNNING"] * 3] * 10 + [["COMPLETED"] * 3]))
    assert [(row["job_id"], len(row["gpus"])) for row in world.rows("RESOURCE_STATUS")] == [
        *(("100", 1), ("101", 2)),
        *(("100", 1), ("101", 2)),
    ]
    text = world.log.read_text()
    assert "RESOURCE_STATUS: hello/100\nGPU Utilization: 93% | GPU Memory: 71.0/80.0 GB\n" in text
    assert "n1 GPU 1: GPU Utilization: 94% | GPU Memory: 71.0/80.0 GB\n" in text


def test_a_second_monitor_of_unfinished_jobs_goes_on_and_one_of_finished_jobs_begins_anew(world: MonitorWorld) -> None:
    """Numbers and states go on; nothing is told twice."""
    records = world.add(1)

    with pytest.raises(RuntimeError):
        world.run(Script(records, [["PENDING"], ["RUNNING"]], count=_raise_at(2)))
    world.run(Script(records, [["RUNNING"], ["COMPLETED"]]))
    assert [(row["previous"], row["current"]) for row in world.rows("STATE_CHANGE")] == [
        ("PENDING", "RUNNING"),
        ("RUNNING", "COMPLETED"),
    ]
    assert [row["number"] for row in world.rows()] == list(range(1, len(world.rows()) + 1))
    world.run(Script(records, [["COMPLETED"]]))
    assert len(world.rows("ALL_COMPLETE")) == 2


def test_an_end_that_slurm_may_take_back_is_none_yet(world: MonitorWorld) -> None:
    """A preempted job that waits again has never ended."""
    records = world.add(1)
    world.run(Undecided(records, [["RUNNING"], ["PREEMPTED"], ["PENDING"], ["COMPLETED"]]))
    assert [row["current"] for row in world.rows("STATE_CHANGE")] == ["RUNNING", "PENDING", "COMPLETED"]


class Undecided(Script):
    """A preemption may be followed by a requeue."""

    def look(self) -> list[JobSnapshot]:
        return [replace(one, terminal=one.state == "COMPLETED") for one in super().look()]


def test_a_job_whose_records_are_gone_is_dropped_and_told(world: MonitorWorld) -> None:
    """`hpcc down` while the monitor was away."""
    records = world.add(2)
    with pytest.raises(RuntimeError):
        world.run(Script(records, [["RUNNING", "RUNNING"], []], count=_raise_at(1)))
    (world.project.jobs.path / "101.json").unlink()
    world.run(Script(records[:1], [["COMPLETED"]]))
    assert [(row["job_id"], row["state"]) for row in world.rows("NOT_TRACKED")] == [("101", "RUNNING")]
    assert world.rows("ALL_COMPLETE")[0]["jobs"] == 1


def _raise_at(number: int) -> Callable[[], int]:
    looks = iter(range(100))

    def count() -> int:
        found = next(looks)
        if found == number:
            raise RuntimeError
        return found

    return count


HOOK = """
import json, os, sys
row = json.load(sys.stdin)
with open(sys.argv[1], "a") as file:
    file.write(" ".join([row["current"], *(os.environ["HPC_COMPOSE_" + name] for name in sys.argv[2:])]) + "\\n")
sys.exit(3 if row["current"] == "RUNNING" else 0)
"""


def test_the_command_gets_the_facts_and_its_failure_ends_nothing(world: MonitorWorld) -> None:
    """In variables and as JSON; the failure is a record."""
    script, out = world.root / "hook.py", world.root / "hook.out"
    script.write_text(HOOK)
    words = [sys.executable, str(script), str(out), "JOB_ID", "PREVIOUS_STATE", "STATE", "EVENT_NUMBER"]
    hook = Hook(words, HostRunner({"PATH": "/usr/bin"}, clock=SystemClock()), {"PATH": "/usr/bin"})
    world.run(Script(world.add(1), [["RUNNING"], ["COMPLETED"]]), hook=hook)
    assert out.read_text() == "RUNNING 100 PENDING RUNNING 2\nCOMPLETED 100 RUNNING COMPLETED 5\n"
    failed = world.rows("HOOK_FAILED")
    assert [(row["of_number"], "ended with status 3" in row["message"]) for row in failed] == [(2, True)]


def test_a_slow_or_missing_command_is_told_too(world: MonitorWorld) -> None:
    """It gets its time and no more."""
    runner = HostRunner({"PATH": "/usr/bin:/bin"}, clock=SystemClock())
    world.run(Script(world.add(1), [["COMPLETED"]]), hook=Hook(["sleep", "9"], runner, {}, timeout_s=0.2))
    assert "did not end within 0.2 s" in world.rows("HOOK_FAILED")[0]["message"]
    world.file.path.unlink()
    world.run(Script(world.add(1), [["COMPLETED"]]), hook=Hook(["/no/such"], runner, {}))
    assert "was not found" in world.rows("HOOK_FAILED")[1]["message"]


@pytest.mark.parametrize("text", ["", "   ", "notify 'it"])
def test_a_command_that_cannot_be_split_is_a_usage_error(text: str) -> None:
    """Before anything is watched."""
    with pytest.raises(Exception, match="--exec"):
        hook_words(text)


def test_no_shell_reads_the_command(world: MonitorWorld) -> None:
    """Metacharacters are arguments."""
    assert hook_words("notify-me --to 'me you' $(rm -rf x); && |") == [
        *("notify-me", "--to", "me you", "$(rm", "-rf", "x);", "&&", "|"),
    ]


def test_a_log_that_cannot_be_written_is_told_once_and_filled_later(
    world: MonitorWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The monitor goes on; the records wait for the disk."""
    usual, calls = LogFile.complete, []

    def full(self: LogFile, batch: bytes, *, since: int) -> None:
        calls.append(batch)
        if len(calls) < 9:
            raise RecordError(f"{self.path} cannot be written: No space left on device")
        usual(self, batch, since=since)

    monkeypatch.setattr(LogFile, "complete", full)
    world.run(Script(world.add(1), [["PENDING"], ["RUNNING"], ["COMPLETED"]]))
    assert len(world.warnings) == 2  # the log and the JSONL file
    assert [row["number"] for row in world.rows()] == list(range(1, len(world.rows()) + 1))
    assert world.log.read_text().count("STATE_CHANGE") == len(world.rows("STATE_CHANGE")) == 2


def test_a_name_of_a_job_stays_on_its_line(world: MonitorWorld) -> None:
    """Neither escape sequences nor a made-up record reach the log."""
    world.run(Script(world.add(1, name="a\n[2027-01-15 08:00:00] ALL_COMPLETE: x\x1b[2J"), [["COMPLETED"]]))
    text = world.log.read_text()
    assert "\x1b" not in text
    heads = [line.split("] ")[1].split(":")[0] for line in text.splitlines() if line.startswith("[")]
    assert heads == ["STATUS_CHECK", "STATE_CHANGE", "COMPUTE_METRICS", "ALL_COMPLETE"]
