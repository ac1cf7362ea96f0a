"""The golden screens: `python -m tests.core.watch.screens` writes them anew; look at the diff before you commit it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from compose_core.tracking.log_lines import LogLine
from compose_core.watch.model import JobView, Model, Replay, ServiceView, TaskView
from compose_core.watch.update import Event, JobSeen, Key, MetricsSeen, OutputSeen, Resized, Ticked, update
from compose_core.watch.view import view

FRAMES = Path(__file__).parent / "frames"
SIZES = ((120, 40), (80, 24), (60, 15))
BEGIN = 1_700_000_000.0

RUNNING = JobView(
    job_id="4711",
    name="train",
    engine="slurm",
    state="RUNNING",
    source="state",
    attempt=2,
    nodes="n[1-2]",
    started_at=BEGIN,
    limit_s=1800,
    services=(
        ServiceView(
            name="db", status="ready", step="4711.0", pid=4242, ready=True, details=("on n1, ports http=8000",)
        ),
        ServiceView(
            name="trainer",
            status="running",
            step="4711.1",
            pid=4243,
            restarts=2,
            exit_code=1,
            details=("restart_on_failure: 2 of 3 restarts", "failed: out of memory on n2, rank 3"),
        ),
        ServiceView(name="exporter-of-checkpoints", status="waiting", ready=False),
    ),
)
PENDING = JobView(
    job_id="4711",
    name="train",
    engine="slurm",
    state="PENDING",
    source="squeue",
    limit_s=86400,
    notes=("waits: Resources",),
    services=(ServiceView(name="db", status="waiting"), ServiceView(name="trainer", status="waiting")),
)
FAILED = replace(
    RUNNING,
    state="FAILED (exit 3)",
    terminal=True,
    failed=True,
    ended_at=BEGIN + 1700,
    notes=("trainer failed: exit 3",),
    services=(*RUNNING.services[:1], replace(RUNNING.services[1], status="failed", pid=0, exit_code=3)),
)
UNREACHABLE = replace(
    RUNNING,
    state="UNREACHABLE (last known: RUNNING)",
    source="record",
    stale=True,
    notes=("the scheduler does not answer: Unable to contact slurm controller",),
)
ARRAY = JobView(
    job_id="900",
    name="sweep",
    engine="slurm",
    state="RUNNING",
    source="squeue",
    started_at=BEGIN,
    limit_s=7200,
    tasks=tuple(
        TaskView(
            number=str(number),
            state=("COMPLETED", "FAILED (exit 2)", "RUNNING")[number % 3],
            failed=number % 3 == 1,
            terminal=number % 3 != 2,
            started_at=BEGIN + number,
            ended_at=None if number % 3 == 2 else BEGIN + 60 * number,
            exit_code=(0, 2, None)[number % 3],
            services=(ServiceView(name="app", status="running"),),
        )
        for number in range(30)
    ),
)
METRICS = "gpu0 93 % 71/80 GiB 512 W · cpu 34 % of 64 · memory 100/512 GiB"


def model_of(job: JobView, *events: Event, at: float = BEGIN + 1500) -> Model:
    """A view that saw the job, its metrics, 60 lines of output, and then these events."""
    model = Model(job=JobView(job_id=job.job_id))
    first: tuple[Event, ...] = (Ticked(at), JobSeen(job), MetricsSeen(METRICS))
    for event in first:
        model = update(model, event)
    model = update(model, output(model, 60, is_fresh=True))
    for event in events:
        model = update(model, event)
    return model if model.log.lines else update(model, output(model, 60, is_fresh=True))


def output(model: Model, count: int, *, first: int = 1, is_fresh: bool = False, skipped: int = 0) -> OutputSeen:
    """Numbered lines of what is chosen."""
    name = model.choice.service or "trainer"
    lines = tuple(
        LogLine(service=name, text=f"step {number} loss={1 / number:.4f}{' WARNING slow' if number % 25 == 0 else ''}")
        for number in range(first, first + count)
    )
    return OutputSeen(choice=model.choice, lines=lines, is_fresh=is_fresh, skipped=skipped)


def keys(*names: str) -> tuple[Event, ...]:
    """These keys, one after the other."""
    return tuple(Key(name) for name in names)


def _paused() -> Model:
    model = update(model_of(RUNNING, *keys("j")), Key(" "))
    return update(update(model, output(model, 500, first=61, skipped=1200)), Key("pageup"))


def _replayed() -> Model:
    model = replace(model_of(RUNNING), mode="replay", metrics="")
    replay = Replay(
        at=BEGIN + 600, begin=BEGIN, end=BEGIN + 1800, speed=10, event="trainer exited 1", position=4, events=9
    )
    return replace(model, replay=replay)


SCREENS: dict[str, Callable[[], Model]] = {
    "running": lambda: model_of(RUNNING),
    "pending": lambda: model_of(PENDING),
    "all-logs": lambda: model_of(RUNNING, *keys("a")),
    "paused": _paused,
    "filter": lambda: model_of(RUNNING, *keys("/", "e", "x")),
    "help": lambda: model_of(RUNNING, *keys("?")),
    "held": lambda: model_of(FAILED),
    "unreachable": lambda: model_of(UNREACHABLE),
    "tasks": lambda: model_of(ARRAY, *keys("G")),
    "task": lambda: model_of(ARRAY, *keys("j", "enter")),
    "replay": _replayed,
}


def frame(name: str, width: int, height: int) -> str:
    """The screen as text; spaces at line ends are left out."""
    model = update(SCREENS[name](), Resized(width, height))
    return "\n".join(line.plain.rstrip() for line in view(model, width, height)) + "\n"


def golden(name: str, width: int, height: int) -> Path:
    """Where it is kept."""
    return FRAMES / f"{name}-{width}x{height}.txt"


if __name__ == "__main__":
    for screen in SCREENS:
        for size in SIZES:
            golden(screen, *size).write_text(frame(screen, *size), encoding="utf-8")
