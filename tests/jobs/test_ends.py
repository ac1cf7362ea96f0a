"""What a service sees of each end of a job, and what the job's files say of it: real jobs on both engines."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.jobs.ends import KILL_WAIT_S, SCENARIOS, Scenario, Seen, run_all
from tests.jobs.project import Project, processes_with
from tests.slurm.bench import SlurmBench

WITH_LAST_WORD = [scenario.name for scenario in SCENARIOS if scenario.writes_its_end]
ENDS = {
    # cause, job state, exit status of the script
    "cancel": ("cancelled", "CANCELLED", 143),
    "time limit": ("time_limit", "TIMEOUT", 143),
    "early signal": ("time_limit", "TIMEOUT", 143),
    "preemption": ("preempted", "PREEMPTED", 143),
    "requeue": ("requeued", "CANCELLED", 143),
    "another node fails": ("node_failed", "NODE_FAIL", 143),
    "out of memory": ("service_failed", "FAILED", 137),
    "another service fails": ("service_failed", "FAILED", 17),
    "all mains done": ("completed", "COMPLETED", 0),
}


@pytest.fixture(scope="module")
def ends_bench(slurm_programs: None) -> Iterator[SlurmBench]:
    """A cluster whose nodes may be killed, and whose steps are killed when they use too much memory."""
    with SlurmBench(accounting=False, nodes=5, kill_wait_s=KILL_WAIT_S, over_memory_kill=True) as bench:
        yield bench


@pytest.fixture(scope="module")
def local_ends(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Seen]:
    """What every end looked like on this machine; their jobs ran side by side."""
    root = tmp_path_factory.mktemp("ends")
    return run_all(lambda scenario: Project(_folder(root, scenario), "local", None), None)


@pytest.fixture(scope="module")
def slurm_ends(ends_bench: SlurmBench) -> dict[str, Seen]:
    """The same on Slurm."""
    root, environment = ends_bench.shared_dir, ends_bench.environment
    return run_all(lambda scenario: Project(_folder(root, scenario), "slurm", environment), ends_bench)


def _folder(root: Path, scenario: Scenario) -> Path:
    return root / scenario.name.replace(" ", "-") / "project"


@pytest.fixture
def end(request: pytest.FixtureRequest) -> Seen:
    """One end on one engine."""
    engine, name = request.param
    ends: dict[str, Seen] = request.getfixturevalue(f"{engine}_ends")
    return ends[name]


def each_end(*names: str) -> pytest.MarkDecorator:
    """The test gets each of these ends on each engine that has it."""
    pairs = [(engine, one.name) for one in SCENARIOS if one.name in names for engine in one.engines]
    marks = {"local": (), "slurm": (pytest.mark.slurm,)}
    rows = [pytest.param(pair, pair[1], id="-".join(pair), marks=marks[pair[0]]) for pair in pairs]
    return pytest.mark.parametrize(("end", "name"), rows, indirect=["end"])


@each_end(*WITH_LAST_WORD)
def test_the_cause_the_state_and_the_exit_status_are_right(end: Seen, name: str) -> None:
    """In the end marker, in state.json and in what `hpcc status` says."""
    cause, state, code = ENDS[name]
    assert (end.end["cause"], end.state["cause"]) == (cause, cause)
    assert (end.state["job_status"], end.state["job_exit_code"]) == (state, code)
    shown = {"requeue": ("PENDING", "REQUEUE_HOLD", "REQUEUED", "SPECIAL_EXIT")}
    assert end.hpcc in shown.get(name, (state,))


@each_end(*WITH_LAST_WORD)
def test_a_service_is_told_and_has_time_to_save(end: Seen, name: str) -> None:
    """TERM at once, its own clean-up done."""
    assert end.signals[-1] == "SIGTERM"
    assert end.app[-1][1] == "saved"
    told_at = next(at for at, word in end.app if word == "SIGTERM")
    assert told_at < 3
    assert end.service("app")["last_exit_code"] == 0


@each_end(*WITH_LAST_WORD)
def test_a_deaf_service_is_killed_and_nothing_is_left(end: Seen, name: str) -> None:
    """No process outlives KillWait by 5 s; the artifacts and the last state are there nevertheless."""
    assert end.deaf_lived_s < KILL_WAIT_S + 2
    assert end.ended_s <= KILL_WAIT_S + 5
    assert end.manifest["complete"] is True
    assert end.manifest["copied_relative_paths"] == ["out/app", "out/deaf"]
    assert end.state["finished_at"] is not None


@each_end("cancel --force")
def test_a_forced_cancel_kills_at_once(end: Seen, name: str) -> None:
    """KILL at once, which no service sees; on Slurm the supervisor lives on for a last word, on this machine it does not."""
    assert (end.signals, end.hpcc) == ([], "CANCELLED")
    assert end.deaf_lived_s < KILL_WAIT_S - 1
    if end.state["backend"] == "local":
        assert (end.end, end.manifest, end.state["job_status"]) == ({}, {}, "RUNNING")
    else:
        assert (end.end["cause"], end.state["job_status"]) == ("cancelled", "CANCELLED")


@each_end("early signal")
def test_the_early_signal_comes_once_and_before_the_end(end: Seen, name: str) -> None:
    """At 30 s before the limit, on Slurm up to a minute earlier; then TERM at the limit."""
    assert list(dict.fromkeys(end.signals)) == ["SIGUSR1", "SIGTERM"]  # Slurm may deliver one twice
    assert end.early_at_s is not None
    assert end.early_at_s <= -25
    assert abs(end.app[0][0] - end.early_at_s) < 5


@each_end("out of memory")
def test_a_step_without_memory_says_what_it_needs(end: Seen, name: str) -> None:
    """In words, with a remedy."""
    greedy = end.service("greedy")
    assert greedy["failure_reason"].startswith("it ran out of memory (")
    assert "x-slurm.mem" in greedy["failure_reason"]


@each_end("another service fails")
def test_a_failed_service_names_its_node_and_task(end: Seen, name: str) -> None:
    """As srun told it; the local engine knows the node alone."""
    broken = end.service("broken")
    on_slurm = end.state["backend"] == "slurm"
    assert broken["first_failure_rank"] == (0 if on_slurm else None)
    assert broken["first_failure_node"] == ("node1" if on_slurm else end.state["host"])


@each_end("its own node fails")
def test_when_its_own_node_fails_hpcc_says_so_without_a_last_word(end: Seen, name: str) -> None:
    """Nobody was left to write one."""
    assert (end.end, end.manifest, end.state["job_status"]) == ({}, {}, "RUNNING")
    assert end.hpcc == "NODE_FAIL"


CHAIN = """
    name: chain
    runtime: {backend: host}
    x-slurm:
      stop_grace_seconds: 30
      artifacts: {collect: always, export_dir: results, paths: [/hpc-compose/job/out/**]}
    services:
      db: {command: *service, readiness: *up}
      cache: {command: *service, readiness: *up, depends_on: {db: {condition: service_healthy}}}
      deaf:
        script: |
          trap '' TERM
          echo up
          while :; do sleep 0.1; done
        readiness: *up
        depends_on: {db: {condition: service_healthy}}
      web: {command: *service, readiness: *up, depends_on: {cache: {condition: service_healthy}}}
      work: {command: *service, readiness: *up, depends_on: {web: {condition: service_healthy}, deaf: {condition: service_healthy}}}
""".replace(
    "*service",
    """["sh", "-c", "mkdir -p $$HPC_COMPOSE_JOB_DIR/out; echo x > $$HPC_COMPOSE_JOB_DIR/out/$$HPC_COMPOSE_SERVICE_NAME; """
    """trap 'echo saved; exit 0' TERM; echo up; while :; do sleep 0.1; done"]""",
).replace("*up", """{type: log, pattern: "^up$$", timeout_seconds: 60}""")


@pytest.mark.slurm
@pytest.mark.parametrize("kill_wait_s", [5, 30])
def test_five_services_end_within_kill_wait(kill_wait_s: int, slurm_programs: None) -> None:
    """Cancelled by Slurm, one deaf, 10 GB of artifacts that cannot be copied in time where it is short."""
    with SlurmBench(accounting=False, nodes=1, kill_wait_s=kill_wait_s) as bench:
        project = Project(bench.shared_dir / "project", "slurm", bench.environment)
        project.write(CHAIN)
        job = project.submit()
        project.wait(lambda: project.service(job, "work").get("status") == "ready", "all five up", 120)
        if kill_wait_s == 5:
            _many_artifacts(project.job_dir(job) / "out")
        asked_at = time.time()
        bench.run(["scancel", job], check=True)
        mark = f"HPC_COMPOSE_JOB_ROOT={project.job_dir(job)}"
        project.wait(lambda: not processes_with(mark), "no process is left", kill_wait_s + 20)
        assert time.time() - asked_at <= kill_wait_s + 5
        state = project.state(job)
        assert (state["job_status"], state["cause"]) == ("CANCELLED", "cancelled")
        assert state["finished_at"] - asked_at < kill_wait_s
        assert [project.log(job, name).splitlines()[-1] for name in ("db", "cache", "web", "work")] == ["saved"] * 4
        assert project.service(job, "deaf")["last_signal"] == signal.SIGKILL
        _check_manifest(project, job, is_complete=kill_wait_s != 5)


def _many_artifacts(folder: Path) -> None:
    """10 GB that take no room here, and more time than there is."""
    for number in range(10):
        with (folder / f"large{number}").open("wb") as stream:
            stream.truncate(2**30 + number)


def _check_manifest(project: Project, job: str, *, is_complete: bool) -> None:
    """The small ones were copied, and what is missing is named with its reason."""
    import json

    manifest = json.loads((project.job_dir(job) / "artifacts/manifest.json").read_text())
    assert {"out/db", "out/cache", "out/web", "out/work"} <= set(manifest["copied_relative_paths"])
    assert manifest["complete"] is is_complete
    if not is_complete:
        missing = {entry["path"]: entry["reason"] for entry in manifest["missing"]}
        assert missing["out/large9"] == "the time for collecting was over"
        payload = project.job_dir(job) / "artifacts/payload/out"
        assert not any((payload / Path(path).name).exists() for path in missing)


def test_a_service_without_a_handler_dies_of_the_early_signal_and_says_so(project: Project) -> None:
    """The job fails with 128 + the signal, and the reason names the warning."""
    project.write("""
        runtime: {backend: host}
        x-slurm: {time: "00:02:00", signal: "USR1@115"}
        services: {naive: {command: [sleep, "100"]}}
    """)
    report = project.up(code=1)
    job = report["job_id"]
    assert (report["exit_code"], report["cause"]) == (128 + signal.SIGUSR1, "service_failed")
    reason = project.service(job, "naive")["failure_reason"]
    assert reason.endswith("nothing in it handles the early warning of x-slurm.signal")
    assert len(project.events(job, "early_signal")) == 1


def test_a_job_that_saves_at_the_early_signal_completes(project: Project) -> None:
    """TERM as the warning: no cancel; a sidecar without a handler is spared."""
    project.write("""
        runtime: {backend: host}
        x-slurm: {time: "00:02:00", signal: "TERM@115"}
        services:
          side: {command: [sleep, "100"], x-slurm: {lifecycle: sidecar}}
          in-batch:
            script: |
              trap 'echo saved; exit 0' TERM
              while :; do sleep 0.1; done
            x-slurm: {launch: batch}
          train:
            script: |
              trap 'echo saved; exit 0' TERM
              while :; do sleep 0.1; done
    """)
    report = project.up()
    job = report["job_id"]
    assert report["state"] == "COMPLETED"
    assert [project.log(job, name).splitlines()[-1] for name in ("train", "in-batch")] == ["saved", "saved"]
    assert project.service(job, "side")["status"] == "stopped"
    assert project.events(job, "early_signal")[0]["services"] == ["in-batch", "train"]


def test_every_task_of_a_service_gets_the_early_signal(project: Project) -> None:
    """Each saves, and the service has ended well."""
    project.write("""
        runtime: {backend: host}
        x-slurm: {time: "00:02:00", signal: "USR1@110", ntasks: 3}
        services:
          train:
            script: |
              trap 'echo saved $SLURM_PROCID; exit 0' USR1
              while :; do sleep 0.1; done
            x-slurm: {ntasks: 3}
    """)
    report = project.up()
    saved = [line for line in project.log(report["job_id"], "train").splitlines() if line.startswith("saved")]
    assert sorted(saved) == ["saved 0", "saved 1", "saved 2"]


def test_a_service_has_a_time_limit_of_its_own(project: Project) -> None:
    """The job goes on without it; Slurm looks every half minute."""
    project.write("""
        runtime: {backend: host}
        services:
          short:
            command: [sleep, "300"]
            x-slurm: {time_limit: "00:00:05", failure_policy: {mode: ignore}}
          other: {command: echo done}
    """)
    report = project.up()
    assert report["state"] == "COMPLETED"
    assert project.service(report["job_id"], "short")["failure_reason"].startswith("its time limit was reached")
