"""Jobs that run by themselves: order, readiness, failure policies, what is written down."""

from __future__ import annotations

import json
import os
import signal
import stat
from pathlib import Path

import pytest

from tests.core.supervisor.world import World, is_running, service

READY = {"type": "log", "pattern": "^ready$", "timeout_s": 20}
SERVER = "exec python3 -m http.server --bind 127.0.0.1 $HPC_COMPOSE_WEB_PORT_HTTP"


def test_a_job_of_one_service_ends_well_and_says_so(world: World) -> None:
    code, job = world.run(service("hello", "echo hello"))
    assert code == 0
    assert job.log("hello") == "hello\n"
    assert (job.state["job_status"], job.state["job_exit_code"], job.state["cause"]) == ("COMPLETED", 0, "completed")
    assert job.end["cause"] == "completed"
    assert [row["event"] for row in job.events()] == ["claimed", "job_started", "started", "exited", "finished"]
    assert job.service("hello")["completed_successfully"] is True
    assert job.lines("service-exits/hello.jsonl")[0]["exit_code"] == 0


def test_everything_written_is_for_its_owner_alone(world: World) -> None:
    _, job = world.run(service("hello", "echo hello; touch $HPC_COMPOSE_JOB_DIR/made-by-service"))
    wrong = [
        path
        for path in [world.metadata, *world.metadata.rglob("*")]
        if stat.S_IMODE(path.lstat().st_mode) != (0o700 if path.is_dir() else 0o600)
    ]
    assert wrong == []
    assert job.folder.is_dir()


def test_independent_services_run_at_the_same_time(world: World) -> None:
    """Each waits for the other's file, so one after the other would never end."""
    meet = 'touch "$HPC_COMPOSE_JOB_DIR/{0}"; until [[ -e "$HPC_COMPOSE_JOB_DIR/{1}" ]]; do sleep 0.01; done'
    code, _ = world.run(service("left", meet.format("a", "b")), service("right", meet.format("b", "a")))
    assert code == 0


def test_a_chain_of_completed_services_runs_in_order(world: World) -> None:
    note = 'echo {} >> "$HPC_COMPOSE_JOB_DIR/order"; sleep 0.05'
    code, job = world.run(
        service("third", note.format(3), after={"second": "completed_successfully"}),
        service("second", note.format(2), after={"first": "completed_successfully"}),
        service("first", note.format(1)),
    )
    assert code == 0
    assert (job.folder / "order").read_text() == "1\n2\n3\n"


def test_started_is_also_met_by_a_service_that_already_ended_well(world: World) -> None:
    code, job = world.run(
        service("once", "true"),
        service("slow", "sleep 0.1", after={"once": "completed_successfully"}),
        service("last", "true", after={"once": "started", "slow": "completed_successfully"}),
    )
    assert code == 0
    assert job.order("started")[-1] == "last:started"


def test_a_dependent_waits_until_the_log_says_ready(world: World) -> None:
    code, job = world.run(
        service("db", "sleep 0.2; echo ready; exec sleep 60", lifecycle="sidecar", readiness=READY),
        service("app", "true", after={"db": "healthy"}),
    )
    assert code == 0
    assert job.order("started", "ready") == ["db:started", "db:ready", "app:started"]


@pytest.mark.parametrize("kind", ["tcp", "http"])
def test_a_dependent_waits_until_the_network_answers(world: World, kind: str) -> None:
    """The free port was chosen by the supervisor, and `@{web.…}` in the readiness was filled in."""
    readiness = {
        "tcp": {"type": "tcp", "host": "@{web.host}", "port": "@{web.port.http}", "timeout_s": 20},
        "http": {"type": "http", "url": "http://@{web.host}:@{web.port.http}/", "status_code": 200, "timeout_s": 20},
    }[kind]
    fetch = (
        "exec python3 -c 'import sys, urllib.request; urllib.request.urlopen(sys.argv[1])' $HPC_COMPOSE_WEB_URL_HTTP"
    )
    code, job = world.run(
        service("web", SERVER, lifecycle="sidecar", ports=["http"], readiness=readiness),
        service("client", fetch, after={"web": "healthy"}),
    )
    assert code == 0, job.log("client") + job.batch_log
    assert job.order("ready") == ["web:ready"]
    assert job.service("web")["ports"]["http"] > 0


def test_a_leaf_is_probed_too(world: World) -> None:
    _, job = world.run(service("leaf", "echo ready; sleep 0.5", readiness=READY))
    assert job.order("ready") == ["leaf:ready"]


def test_a_service_that_said_ready_right_before_it_ended_was_ready(world: World) -> None:
    code, job = world.run(service("quick", "echo ready", readiness=READY), service("app", after={"quick": "healthy"}))
    assert code == 0
    assert job.order("ready") == ["quick:ready"]


def test_a_sleep_readiness_is_a_timer(world: World) -> None:
    _, job = world.run(
        service("slow", "exec sleep 60", lifecycle="sidecar", readiness={"type": "sleep", "seconds": 0.3}),
        service("app", after={"slow": "healthy"}),
    )
    started, ready = (row["at"] for row in job.events("started", "ready")[:2])
    assert 0.25 < ready - started < 5


def test_readiness_that_never_comes_fails_the_job(world: World) -> None:
    readiness = {**READY, "timeout_s": 0.3}
    code, job = world.run(
        service("mute", "exec sleep 60", readiness=readiness), service("app", after={"mute": "healthy"})
    )
    assert code == 1
    assert (job.end["cause"], job.end["service"]) == ("readiness_failed", "mute")
    assert "not ready in time" in job.service("mute")["failure_reason"]
    assert job.service("app")["status"] == "skipped"
    assert world.left_running() == []


def test_readiness_that_never_comes_is_recorded_and_ignored_when_failures_are(world: World) -> None:
    code, job = world.run(service("mute", "sleep 0.6", readiness={**READY, "timeout_s": 0.2}, policy="ignore"))
    assert code == 0
    assert job.order("readiness_failed") == ["mute:readiness_failed"]


def test_readiness_that_never_comes_is_a_failure_that_restarts(world: World) -> None:
    """The first run says nothing and is stopped; the second is ready at once."""
    body = 'if [[ -e $HPC_COMPOSE_JOB_DIR/again ]]; then echo ready; exit 0; fi; touch "$HPC_COMPOSE_JOB_DIR/again"; exec sleep 60'
    code, job = world.run(
        service("flaky", body, readiness={**READY, "timeout_s": 0.3}, policy="restart_on_failure"),
    )
    assert code == 0
    assert job.order("readiness_failed", "restarted", "ready") == [
        "flaky:readiness_failed",
        "flaky:restarted",
        "flaky:ready",
    ]


def test_a_pattern_that_takes_for_ever_fails_its_service_and_nothing_else(world: World) -> None:
    """While a search runs nothing else can: it is broken off, or the job could not even be cancelled."""
    readiness = {"type": "log", "pattern": "(a+)+$", "timeout_s": 600}
    code, job = world.run(
        service("mad", f"echo {'a' * 60}!; exec sleep 600", readiness=readiness),
        service("app", "exec sleep 600", after={"mad": "healthy"}),
    )
    assert code == 1
    assert job.end["cause"] == "readiness_failed"
    assert "takes too long" in job.service("mad")["failure_reason"]
    assert world.left_running() == []


def test_after_a_restart_only_new_log_lines_count(world: World) -> None:
    """The first run was ready and failed; the second never says so."""
    body = "[[ ! -e again ]] || exec sleep 60; touch again; echo ready; sleep 0.5; exit 3"
    code, job = world.run(
        service("db", body, readiness={**READY, "timeout_s": 1}, policy="restart_on_failure", max_restarts=1),
    )
    assert code != 0
    assert job.order("ready", "restarted", "readiness_failed") == ["db:ready", "db:restarted", "db:readiness_failed"]


def test_a_log_of_other_bytes_than_utf8_is_read_on(world: World) -> None:
    code, job = world.run(service("odd", r"printf '\xff\xfe\x00\n\xc3ready\nready\n'; sleep 0.5", readiness=READY))
    assert code == 0
    assert job.order("ready") == ["odd:ready"]


def test_a_service_waits_while_another_probe_hangs(world: World) -> None:
    """10.255.255.1 does not answer at all; the chain beside it goes on."""
    hanging = {"type": "tcp", "host": "10.255.255.1", "port": 9, "timeout_s": 3}
    code, job = world.run(
        service("hung", "exec sleep 60", readiness=hanging, lifecycle="sidecar"),
        service("one", "true"),
        service("two", "true", after={"one": "completed_successfully"}),
    )
    assert code == 0
    assert job.events("finished")[0]["at"] - job.events("job_started")[0]["at"] < 2.5


def test_a_failing_service_ends_the_job_with_its_own_code(world: World) -> None:
    code, job = world.run(service("bad", "exit 17"), service("server", "exec sleep 60"))
    assert code == 17
    assert (job.end["cause"], job.end["service"], job.end["exit_code"]) == ("service_failed", "bad", 17)
    assert job.state["job_status"] == "FAILED"
    assert job.service("server")["status"] == "stopped"
    assert job.service("bad")["first_failure_exit_code"] == 17
    assert world.left_running() == []


def test_an_ignored_failure_leaves_the_job_well(world: World) -> None:
    code, job = world.run(service("odd", "exit 3", policy="ignore"), service("main", "sleep 0.2"))
    assert code == 0
    odd = job.service("odd")
    assert (odd["status"], odd["completed_successfully"], odd["last_exit_code"]) == ("exited", False, 3)


def test_a_service_that_fails_twice_and_then_works_is_restarted_twice(world: World) -> None:
    body = 'echo run >> "$HPC_COMPOSE_JOB_DIR/runs"; (( $(wc -l < "$HPC_COMPOSE_JOB_DIR/runs") > 2 ))'
    code, job = world.run(service("flaky", body, policy="restart_on_failure"))
    assert code == 0
    flaky = job.service("flaky")
    assert (flaky["restart_count"], flaky["restart_failures_in_window"], flaky["failure_reason"]) == (2, 2, None)
    assert [row["restart_count"] for row in job.events("restarted")] == [1, 2]
    assert len(job.lines("service-exits/flaky.jsonl")) == 3


def test_the_lifetime_cap_ends_the_job(world: World) -> None:
    code, job = world.run(
        service("bad", "exit 5", policy="restart_on_failure", max_restarts=2, max_restarts_in_window=9)
    )
    assert code == 5
    assert job.end["cause"] == "restarts_exhausted"
    assert job.order("restarted", "gave_up") == ["bad:restarted", "bad:restarted", "bad:gave_up"]


def test_the_window_ends_the_job_before_the_lifetime_cap(world: World) -> None:
    code, job = world.run(
        service("bad", "exit 5", policy="restart_on_failure", max_restarts=9, max_restarts_in_window=2)
    )
    assert code == 5
    assert job.end["cause"] == "window_exhausted"
    assert job.order("restarted", "window_exhausted")[-1] == "bad:window_exhausted"


def test_a_back_off_does_not_hold_up_the_others(world: World) -> None:
    code, job = world.run(
        service("bad", "exit 5", policy="restart_on_failure", backoff_s=60, lifecycle="sidecar"),
        service("one", "sleep 0.2"),
        service("two", "true", after={"one": "completed_successfully"}),
    )
    assert code == 0
    assert job.service("bad")["status"] == "stopped"


def test_a_service_that_was_killed_from_outside_failed_with_that_signal(world: World) -> None:
    job = world.start(service("victim", "exec sleep 60"))
    job.until_status("victim", "running")
    os.kill(job.service("victim")["launcher_pid"], signal.SIGKILL)
    assert job.wait() == 137
    assert job.service("victim")["last_signal"] == signal.SIGKILL
    assert job.service("victim")["failure_reason"] == "ended by SIGKILL from outside, as when memory runs out"


def test_a_dependency_that_can_never_be_met_ends_the_job(world: World) -> None:
    code, job = world.run(
        service("first", "exit 3", policy="ignore"), service("second", after={"first": "completed_successfully"})
    )
    assert code == 1
    assert (job.end["cause"], job.end["service"]) == ("dependency_failed", "second")
    assert "first" in job.end["message"]


def test_the_job_ends_with_its_main_services_and_then_stops_the_sidecars(world: World) -> None:
    code, job = world.run(
        service("server", "exec sleep 60", lifecycle="sidecar"), service("client", "sleep 0.1", after=["server"])
    )
    assert code == 0
    assert (job.service("server")["status"], job.service("server")["last_signal"]) == ("stopped", signal.SIGTERM)
    assert job.order("exited", "stopping", "finished") == [
        "client:exited",
        "server:stopping",
        "server:exited",
        "job:finished",
    ]


def test_a_sidecar_that_fails_early_fails_the_job(world: World) -> None:
    code, job = world.run(service("server", "exit 9", lifecycle="sidecar"), service("client", "exec sleep 60"))
    assert code == 9
    assert job.end["service"] == "server"


def test_a_sidecar_that_ends_well_early_is_fine(world: World) -> None:
    code, _ = world.run(service("warm-up", "true", lifecycle="sidecar"), service("client", "sleep 0.3"))
    assert code == 0


def test_a_job_of_sidecars_ends_when_all_have_ended(world: World) -> None:
    code, job = world.run(
        service("one", "sleep 0.1", lifecycle="sidecar"), service("two", "sleep 0.3", lifecycle="sidecar")
    )
    assert code == 0
    assert job.service("two")["completed_successfully"] is True


def test_every_service_knows_the_job_and_the_ports_of_the_others(world: World) -> None:
    _, job = world.run(service("my.app", "env", ports=["http", "side-door"]), service("other", "env"))
    seen = dict(line.split("=", 1) for line in job.log("other").splitlines() if "=" in line)
    ports = job.service("my.app")["ports"]
    assert seen["HPC_COMPOSE_SERVICE_NAME"] == "other"
    assert seen["HPC_COMPOSE_JOB_DIR"] == seen["HPC_COMPOSE_JOB_ROOT"] == str(job.folder)
    assert (seen["HPC_COMPOSE_JOB_ID"], seen["HPC_COMPOSE_ENGINE"]) == ("41", "local")
    assert (seen["HPC_COMPOSE_ATTEMPT"], seen["HPC_COMPOSE_IS_RESUME"]) == ("0", "0")
    assert seen["HPC_COMPOSE_MY_APP_PORT_HTTP"] == str(ports["http"])
    assert seen["HPC_COMPOSE_MY_APP_URL_SIDE_DOOR"] == f"http://127.0.0.1:{ports['side-door']}"
    assert Path(seen["HPC_COMPOSE_NODELIST_FILE"]).read_text() == seen["HPC_COMPOSE_PRIMARY_NODE"] + "\n"
    assert len(set(ports.values())) == 2


def test_a_service_reads_nothing_from_the_terminal(world: World) -> None:
    code, _ = world.run(service("reader", "! read -r line"))
    assert code == 0


def test_a_service_leads_a_process_group_of_its_own(world: World) -> None:
    job = world.start(service("own", "exec sleep 60"))
    job.until_status("own", "running")
    pid = job.service("own")["launcher_pid"]
    assert os.getpgid(pid) == os.getsid(pid) == pid
    assert job.process.pid == job.state["supervisor_pid"]


def test_what_a_service_left_behind_is_killed_when_it_ends(world: World) -> None:
    """A grandchild in the same group would otherwise keep the port when the service is restarted."""
    body = 'sleep 300 & echo $! > "$HPC_COMPOSE_JOB_DIR/pid"'
    job = world.start(service("messy", body), service("main", "exec sleep 60"))
    job.until_status("messy", "exited")
    pid = int((job.folder / "pid").read_text())
    job.until(lambda: not is_running(pid), "the grandchild lives on")


def test_the_log_index_maps_offsets_to_times(world: World) -> None:
    code, job = world.run(service("noisy", "for i in 1 2 3 4 5 6; do echo $i; sleep 0.1; done"), log_index_s=0.2)
    rows = job.lines("logs/noisy.idx.jsonl")
    offsets = [row["offset"] for row in rows]
    assert code == 0
    assert len(rows) >= 2
    assert offsets == sorted(set(offsets))
    assert offsets[-1] == len(job.log("noisy"))


def test_the_heartbeat_moves_while_nothing_happens(world: World) -> None:
    job = world.start(service("quiet", "exec sleep 60"), heartbeat_s=0.2)
    job.until_status("quiet", "running")
    first = job.state["heartbeat_at"]
    job.until(lambda: job.state["heartbeat_at"] > first + 0.3)
    assert job.state["updated_at"] >= job.state["heartbeat_at"] - 0.001


def test_names_cannot_act_on_the_terminal_that_shows_the_batch_log(world: World) -> None:
    code, job = world.run(service("evil\x1b]0;x\x07", "exit 3", token="evil", policy="ignore"))
    assert code == 0
    assert "\x1b" not in job.batch_log
    assert r"evil\x1b]0;x\x07" in job.batch_log


def test_a_service_name_is_never_shell_syntax(world: World) -> None:
    name = "$(touch canary); 'x' \"y\" `touch canary`"
    code, job = world.run(service(name, "true", token="odd"))
    assert code == 0, job.batch_log
    assert not (world.folder / "canary").exists()


def test_state_names_the_fields_of_every_service(world: World) -> None:
    _, job = world.run(service("one", policy="restart_on_failure", max_restarts=4, window_s=30))
    one = job.service("one")
    assert (one["max_restarts"], one["window_seconds"], one["launch_index"]) == (4, 30, 0)
    assert (one["placement_mode"], one["nodes"], one["ntasks"]) == ("primary_node", 1, 1)
    assert json.loads((job.folder / "state.json").read_text())["schema_version"] == 1


def test_a_service_that_cannot_be_started_at_all_failed_with_127(world: World) -> None:
    """PATH holds no bash."""
    (world.folder / "empty").mkdir()
    code, job = world.run(service("one"), environment={"PATH": str(world.folder / "empty")})
    assert code == 127
    assert "could not be started" in job.service("one")["failure_reason"]


def test_a_service_whose_log_cannot_be_watched_fails_alone(world: World) -> None:
    """A link where its log belongs is an error of this service, which its failure policy judges."""
    plant = 'ln -sf /dev/null "$HPC_COMPOSE_JOB_DIR/logs/odd.log"'
    code, job = world.run(
        service("first", plant),
        service("odd", readiness=READY, policy="ignore", after={"first": "completed_successfully"}),
    )
    assert (code, job.end["cause"]) == (0, "completed")
    assert "odd.log is a symbolic link" in job.batch_log
    assert job.service("odd")["last_exit_code"] is None
