"""Every way in which a job may end, tried on jobs whose services write down what they see of it."""

from __future__ import annotations

import json
import re
import textwrap
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.jobs.project import EngineName, Project
from tests.slurm.bench import SlurmBench

KILL_WAIT_S = 5
PATIENCE_S = 240.0

OBSERVER = """
import os, signal, sys, time

name, manner = sys.argv[1], sys.argv[2]
folder = os.environ["HPC_COMPOSE_JOB_DIR"]
seen = os.open(os.path.join(folder, name + ".seen"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
usr1 = False

def note(word):
    os.write(seen, "{:.2f} {}\\n".format(time.time(), word).encode())

def handler(signum, frame):
    global usr1
    note(signal.Signals(signum).name)
    if signum == signal.SIGTERM and manner == "graceful":
        time.sleep(0.5)
        note("saved")
        sys.exit(0)

for signum in (signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP, signal.SIGINT):
    if manner != "naive":
        signal.signal(signum, handler)
os.makedirs(os.path.join(folder, "out"), exist_ok=True)
with open(os.path.join(folder, "out", name), "w") as stream:
    stream.write(name)
note("up")
print("up", flush=True)
beat = os.path.join(folder, name + ".alive")
open(beat, "w").close()
while True:
    os.utime(beat)
    time.sleep(0.05)
"""

SPEC = """
name: {name}
runtime: {{backend: host}}
x-slurm:
  stop_grace_seconds: 3
  artifacts: {{collect: always, export_dir: results, paths: [/hpc-compose/job/out/**]}}
{job}
services:
  app:
    command: [python3, observe.py, app, {manner}]
    readiness: {{type: log, pattern: "^up$$", timeout_seconds: 60}}
    x-slurm: {{{app}}}
  deaf:
    command: [python3, observe.py, deaf, deaf]
    readiness: {{type: log, pattern: "^up$$", timeout_seconds: 60}}
    x-slurm: {{lifecycle: sidecar}}
{services}
"""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What one end looked like; times are seconds after the end began."""

    scenario: str
    app: tuple[tuple[float, str], ...]
    """Signals that the main service got, and `saved` when it had done its clean-up."""
    deaf_lived_s: float
    """How long a service that ignores TERM lived on."""
    ended_s: float
    """When no process of the services was left."""
    end: dict[str, Any]
    state: dict[str, Any]
    manifest: dict[str, Any]
    hpcc: str
    """The job's state by `hpcc status`."""
    early_at_s: float | None
    """When the early warning was sent, before the end began."""

    @property
    def signals(self) -> list[str]:
        """The signals that the main service got, in order."""
        return [word for _, word in self.app if word.startswith("SIG")]

    def service(self, name: str) -> dict[str, Any]:
        """One service of `state.json`."""
        return next((dict(item) for item in self.state.get("services", []) if item["service_name"] == name), {})


@dataclass(kw_only=True)
class Run:
    """One job that is on its way to its end."""

    project: Project
    job_id: str
    bench: SlurmBench | None = None
    asked_at: float = 0.0
    """When the end was asked for; 0 where nobody asks."""
    gone_at: float = 0.0
    """When none of its processes was left; 0 before."""

    @property
    def folder(self) -> Path:
        """The job folder."""
        return self.project.job_dir(self.job_id)

    def json(self, name: str) -> dict[str, Any]:
        """A JSON file of the job folder; empty while it is not there."""
        path = self.folder / name
        return dict(json.loads(path.read_text())) if path.exists() else {}

    def on_slurm(self) -> SlurmBench:
        """The cluster."""
        assert self.bench is not None
        return self.bench


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One way to end."""

    name: str
    act: Callable[[Run], None]
    job: str = ""
    """More of the job's `x-slurm`."""
    services: str = ""
    app: str = ""
    manner: str = "graceful"
    engines: tuple[EngineName, ...] = ("local", "slurm")
    node: str = "node1"
    environment: dict[str, str] = field(default_factory=dict)
    writes_its_end: bool = True
    """False: nobody was left to write it."""


def _nothing(_run: Run) -> None:
    """It ends by itself."""


def _cancel(run: Run) -> None:
    run.project.hpcc("cancel", "--job-id", run.job_id, "--wait", "0", code=None)


def _cancel_by_force(run: Run) -> None:
    run.project.hpcc("cancel", "--job-id", run.job_id, "--force", "--wait", "0", code=None)


def _preempt(run: Run) -> None:
    """A job of a better partition wants the whole node."""
    run.on_slurm().submit("sleep 1", "--nodelist=node2", "--exclusive", "--output=/dev/null", "--time=1")


def _requeue(run: Run) -> None:
    run.on_slurm().run(["scontrol", "requeuehold", run.job_id], check=True)


def _other_node_dies(run: Run) -> None:
    run.on_slurm().kill_node("node4", mark_down=True)


def _own_node_dies(run: Run) -> None:
    run.on_slurm().kill_node("node5", mark_down=True)


FAILING = """
  broken:
    command: "sleep 0.5; exit 17"
    depends_on: {app: {condition: service_healthy}, deaf: {condition: service_healthy}}
"""
SHORT = """
  short:
    command: "sleep 0.5"
    depends_on: {app: {condition: service_healthy}, deaf: {condition: service_healthy}}
"""
GREEDY = """
  greedy:
    command:
      - python3
      - -c
      - "import time; data = [bytearray(b'x' * 1000000) for _ in range(600)]; time.sleep(60)"
    depends_on: {app: {condition: service_healthy}, deaf: {condition: service_healthy}}
"""
SCENARIOS = (
    Scenario(name="cancel", act=_cancel),
    Scenario(name="cancel --force", act=_cancel_by_force, writes_its_end=False),
    Scenario(name="time limit", act=_nothing, job="  time: '00:01:00'"),
    Scenario(name="early signal", act=_nothing, job="  time: '00:01:00'\n  signal: USR1@30"),
    Scenario(
        name="preemption", act=_preempt, engines=("slurm",), node="node2",
        job="  partition: preempt\n  requeue: false\n  submit_args: [--exclusive]",
    ),
    Scenario(name="requeue", act=_requeue, engines=("slurm",), job="  requeue: true"),
    Scenario(
        name="another node fails", act=_other_node_dies, engines=("slurm",), node="node3,node4",
        job="  nodes: 2\n  requeue: false",
    ),
    Scenario(
        name="its own node fails", act=_own_node_dies, engines=("slurm",), node="node5", job="  requeue: false",
        writes_its_end=False,
    ),
    Scenario(name="out of memory", act=_nothing, engines=("slurm",), job="  mem: 300M", services=GREEDY),
    Scenario(name="another service fails", act=_nothing, services=FAILING),
    Scenario(name="all mains done", act=_nothing, services=SHORT, app="lifecycle: sidecar"),
)  # fmt: skip


def started(scenario: Scenario, project: Project, bench: SlurmBench | None = None) -> Run:
    """The scenario's job, with both observers up."""
    text = SPEC.format(
        name=scenario.name.replace(" ", "-"),
        job=_with_node(scenario) if bench else scenario.job,
        services=scenario.services,
        app=scenario.app,
        manner=scenario.manner,
    )
    project.write(text)
    (project.folder / "observe.py").write_text(textwrap.dedent(OBSERVER))
    run = Run(project=project, job_id=project.submit(), bench=bench)
    return run


def await_observers(run: Run) -> None:
    """Both observers write down what they see."""
    for name in ("app", "deaf"):
        path = run.folder / f"{name}.seen"
        run.project.wait(lambda path=path: path.exists() and "up" in path.read_text(), f"{name} up", PATIENCE_S)  # type: ignore[misc]


def await_ends(runs: Sequence[tuple[Scenario, Run]]) -> None:
    """Return once every job has ended and none of their processes is left."""
    give_up_at = time.monotonic() + PATIENCE_S
    while left := [(scenario, run) for scenario, run in runs if not run.gone_at]:
        assert time.monotonic() < give_up_at, f"not over: {[scenario.name for scenario, _ in left]}"
        marked = _marked_folders()
        for scenario, run in left:
            if str(run.folder) not in marked and _is_over(scenario, run):
                run.gone_at = time.time()
        time.sleep(0.1)


def seen(scenario: Scenario, run: Run) -> Seen:
    """What there was to see of a job that has ended."""
    end, state = run.json("end.json"), run.json("state.json")
    began = end.get("at") or run.asked_at
    early_at = state.get("early_signal_at")
    status = run.project.json("status", "--job-id", run.job_id, code=None)
    shown = status["jobs"][0] if "jobs" in status else status
    return Seen(
        scenario=scenario.name,
        app=tuple((round(at - began, 1), word) for at, word in _seen(run, "app") if word != "up"),
        deaf_lived_s=round(_last_beat(run, "deaf") - began, 1),
        ended_s=round(run.gone_at - began, 1),
        end=end,
        state=state,
        manifest=run.json("artifacts/manifest.json"),
        hpcc=str(shown["state"]),
        early_at_s=None if early_at is None else round(early_at - began, 1),
    )


def _is_over(scenario: Scenario, run: Run) -> bool:
    if scenario.writes_its_end:
        return bool(run.json("state.json").get("finished_at"))
    return run.asked_at > 0 and time.time() - run.asked_at > 2


def _marked_folders() -> set[str]:
    """The job folders of which a process is left."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                match = re.search(rb"HPC_COMPOSE_JOB_ROOT=([^\0]+)", (entry / "environ").read_bytes())
            except OSError:
                continue
            if match:
                found.add(match[1].decode())
    return found


def _seen(run: Run, name: str) -> list[tuple[float, str]]:
    words = (line.split() for line in (run.folder / f"{name}.seen").read_text().splitlines())
    return [(float(at), word) for at, word in words]


def _last_beat(run: Run, name: str) -> float:
    return (run.folder / f"{name}.alive").stat().st_mtime


def _with_node(scenario: Scenario) -> str:
    """The scenario's job on the nodes that are its own."""
    place = f"--nodelist={scenario.node}"
    if "submit_args: [" in scenario.job:
        return scenario.job.replace("submit_args: [", f"submit_args: [{place}, ")
    return f"{scenario.job}\n  submit_args: ['{place}']"


def run_all(make: Callable[[Scenario], Project], bench: SlurmBench | None = None) -> dict[str, Seen]:
    """Every scenario of the engine, side by side, by name."""
    engine: EngineName = "slurm" if bench else "local"
    runs = [
        (scenario, started(scenario, make(scenario), bench)) for scenario in SCENARIOS if engine in scenario.engines
    ]
    for _, run in runs:
        await_observers(run)
    for scenario, run in runs:
        if scenario.act is not _nothing:
            run.asked_at = time.time()
            scenario.act(run)
    await_ends(runs)
    return {scenario.name: seen(scenario, run) for scenario, run in runs}
