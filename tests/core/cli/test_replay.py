"""What `hpcc replay` prints."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from compose_core.cli.main import run
from compose_core.clock import iso
from tests.core.tracking.world import OTHER_TOKEN, TOKEN, World
from tests.core.watch.test_replay import T, write_run
from tests.jobs.project import check_report

Hpcc = Callable[..., tuple[str, str]]


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    write_run(world)
    return world


@pytest.fixture
def hpcc(world: World, capsys: pytest.CaptureFixture[str]) -> Hpcc:
    """`hpcc replay …` for that job; gives standard output and error."""

    def call(*words: str, code: int = 0) -> tuple[str, str]:
        assert run(["replay", "-f", world.record.compose_file, *words]) == code
        out, err = capsys.readouterr()
        return out, err

    return call


def test_what_happened_is_told_line_by_line(hpcc: Hpcc) -> None:
    """With times since the beginning, and how it was at the end."""
    out, err = hpcc()
    lines = out.splitlines()
    assert lines[0] == f"job 7 (hello): {iso(T)}, 1m00s"
    assert lines[4].split() == ["+0:00:20.000", "web", "exited", "exit", "code", "3"]
    assert [line.split()[0] for line in lines[-3:]] == ["web", "db", "metrics:"]
    assert err == ""
    of_db = hpcc("--service", "db", "--no-tui")[0]
    assert " web " not in of_db
    assert "+0:01:00.000  job" in of_db


@pytest.mark.parametrize("at", ["21s", "21", iso(T + 21)])
def test_one_moment_can_be_asked_for(hpcc: Hpcc, at: str) -> None:
    """So long after the beginning, or by date; with a service, what it had written by then."""
    out, err = hpcc("--at", at, "--service", "web")
    assert err == ""
    assert "outside" in hpcc("--at", "99h")[1]
    assert "RUNNING" in out
    assert "backoff" in out
    assert "metrics: cpu 20 %" in out
    assert out.splitlines()[-1] == "web 19"
    (frame,) = json.loads(hpcc("--at", at, "--format", "json")[0])["frames"]
    assert (frame["cursor_unix"], frame["event_index"]) == (T + 21, 4)


def test_the_report_is_what_its_schema_promises(hpcc: Hpcc) -> None:
    """A frame for each event, or fewer."""
    report = json.loads(hpcc("--format", "json")[0])
    check_report("replay", report)
    assert (report["fidelity"], report["notes"]) == ("exact", [])
    assert (report["timeline_start_unix"], report["timeline_end_unix"]) == (T, T + 60)
    assert [frame["event_index"] for frame in report["frames"]] == list(range(8))
    assert [frame["event"]["kind"] for frame in report["frames"]] == [event["kind"] for event in report["events"]]
    assert [frame["metrics_line"] for frame in report["frames"]][3] == "cpu 20 % of 4 cores"
    assert set(report["artifacts"]) == {
        *("runtime_roots", "state_paths", "event_paths", "service_exit_dirs", "metrics_dirs", "log_dirs"),
    }
    fewer = json.loads(hpcc("--format", "json", "--frames", "3")[0])
    check_report("replay", fewer)
    assert [frame["event_index"] for frame in fewer["frames"]] == [0, 3, 7]
    assert fewer["notes"] == ["frames are 3 moments of 8, evenly chosen"]
    assert len(fewer["events"]) == 8


def test_attempts_follow_each_other(hpcc: Hpcc, world: World) -> None:
    """Or one of them is looked at alone."""
    folder = world.paths.folder.path
    for number in (0, 1):
        (folder / "attempts" / str(number)).mkdir(parents=True)
        rows = [
            {"at": T + 100 * number, "event": "job_started", "attempt": number},
            {"at": T + 100 * number + 5, "event": "started", "service": "web", "pid": 5},
        ]
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / "attempts" / str(number) / "events.jsonl").write_text(text)
    (folder / "state.json").unlink()
    (folder / "state.json").symlink_to("attempts/1/state.json")
    world.write(
        folder / "attempts/1/state.json",
        {"job_id": "7", "submission_token": TOKEN, "job_status": "RUNNING", "attempt": 1, "services": []},
    )
    report = json.loads(hpcc("--format", "json")[0])
    assert [(event["at_unix"] - T, event["attempt"]) for event in report["events"]] == [
        (0, 0),
        (5, 0),
        (100, 1),
        (105, 1),
    ]
    assert len(report["artifacts"]["runtime_roots"]) == 2
    first = json.loads(hpcc("--format", "json", "--attempt", "0")[0])
    assert [event["attempt"] for event in first["events"]] == [0, 0]
    hpcc("--attempt", "5", code=2)


def test_a_job_that_left_nothing_says_so(hpcc: Hpcc, world: World) -> None:
    """It may not have begun; what another job left behind in the folder is not its own."""
    world.write_state(submission_token=OTHER_TOKEN)
    _, err = hpcc(code=1)
    assert "has left nothing that could be replayed" in err
    assert "another job" in err
    hpcc("--service", "nobody", code=2)
    hpcc("--at", "soon", code=2)
    hpcc("--watch-mode", "tui", code=2)
    hpcc("--job-id", "99", code=1)


def test_an_array_is_replayed_task_by_task(hpcc: Hpcc, world: World) -> None:
    """The remedy names a task."""
    world.add("7", array={"spec": "0-3", "log_pattern": "slurm-7_%a.out"})
    _, err = hpcc(code=2)
    assert "--job-id 7_0" in err


def test_texts_of_the_job_do_nothing_to_the_terminal(hpcc: Hpcc, world: World) -> None:
    """Torn and hostile lines cost a note at most."""
    with (world.paths.folder.path / "events.jsonl").open("a") as stream:
        stream.write(
            json.dumps({"at": T + 61, "event": "\x1b[2Jboo", "service": "web", "message": "a\x1b]0;b\x07\nc"}) + "\n"
        )
        stream.write('{"at": 1e400, "event": "x"}\n{"at": true, "event": "y"}\n[' + "[" * 100_000 + '\n{"at": 18')
    world.paths.log("web").path.write_bytes(b"\x1b[2J\xff\n" * 100)
    out, _ = hpcc("--color", "always")
    assert "\x1b[2J" not in out
    assert "\x07" not in out
    out, _ = hpcc("--at", "1h", "--service", "web", "--color", "always")
    assert "\x1b[2J" not in out
    check_report("replay", json.loads(hpcc("--format", "json")[0]))
