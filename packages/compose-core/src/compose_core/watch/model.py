"""What the view shows and where its reader is in it: frozen data, without a terminal, a clock or a file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from compose_core.tracking.log_lines import LogLine

Mode = Literal["live", "replay"]
HoldOnExit = Literal["never", "failure", "always"]
Leaving = Literal["quit", "interrupt", "ended", "debug", "logs", "stats"]
"""Why the view is left: the person, the job's end, or the next command that the person wants to see."""
LINES_KEPT = 5000
"""How far back the log pane can be scrolled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceView:
    """One line of the table of services."""

    name: str
    status: str = "unknown"
    step: str = ""
    pid: int = 0
    """0: no process."""
    ready: bool | None = None
    """None: it declares no readiness."""
    restarts: int = 0
    exit_code: int | None = None
    details: tuple[str, ...] = ()
    """Sentences below the table while it is selected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskView:
    """One line of the list of an array's tasks, and what is in it."""

    number: str
    state: str
    failed: bool = False
    terminal: bool = False
    started_at: float | None = None
    ended_at: float | None = None
    exit_code: int | None = None
    note: str = ""
    services: tuple[ServiceView, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class JobView:
    """The job as one look saw it."""

    job_id: str
    name: str = ""
    engine: str = ""
    state: str = "UNKNOWN"
    """With what belongs to it: `FAILED (exit 3)`, `UNREACHABLE (last known: RUNNING)`."""
    source: str = ""
    """What the state is known from."""
    terminal: bool = False
    failed: bool = False
    stale: bool = False
    """Neither the scheduler nor the supervisor was heard lately."""
    attempt: int | None = None
    nodes: str = ""
    started_at: float | None = None
    ended_at: float | None = None
    limit_s: int | None = None
    notes: tuple[str, ...] = ()
    """Why it waits or ended, what the state rests on, what is wrong with its files."""
    services: tuple[ServiceView, ...] = ()
    tasks: tuple[TaskView, ...] = ()
    """Of an array; its services are those of its tasks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogChoice:
    """Whose output the log pane shows."""

    task: str | None = None
    """The number of a task; None: of a job that is no array, else of all tasks."""
    service: str | None = None
    """None: all services, each line behind its service's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPane:
    """The newest lines of what is chosen."""

    choice: LogChoice = field(default_factory=LogChoice)
    lines: tuple[LogLine, ...] = ()
    """At most LINES_KEPT, the newest last."""
    open_line: str = ""
    """The beginning of a line that has no end yet: a prompt, a progress bar."""
    waiting: tuple[LogLine, ...] = ()
    """What came while the pane was paused; at most LINES_KEPT."""
    came: int = 0
    """How many lines that were, those included that are not kept."""
    skipped: int = 0
    """Lines that were left out because they came faster than they could be shown."""
    is_paused: bool = False
    back: int = 0
    """How many lines the pane is scrolled back from the newest one, while paused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """Where the replay of a run is; None in a live view."""

    at: float
    begin: float
    end: float
    speed: float = 1.0
    is_playing: bool = False
    event: str = ""
    """The latest event at this moment."""
    position: int = 0
    """Its number, from 1; 0 before the first one."""
    events: int = 0
    fidelity: str = ""
    """What is inferred, and what is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """Everything that a screen is made of."""

    job: JobView
    mode: Mode = "live"
    hold: HoldOnExit = "failure"
    now: float = 0.0
    """Epoch seconds; in a replay the moment that is shown."""
    width: int = 80
    height: int = 24
    metrics: str = ""
    """The latest figures in one line."""
    trouble: str = ""
    """What keeps the view from looking, as long as it does."""
    selected: str = ""
    """The name of the selected service, or the number of the selected task."""
    open_task: str | None = None
    """The task whose services are listed; None: the tasks are, or there are none."""
    filter: str = ""
    """Only names that contain this are listed."""
    typing: str | None = None
    """What was typed into the filter so far; None: nothing is being typed."""
    shows_all: bool = False
    """The log pane shows all services (in a list of tasks: all tasks), not the selected one."""
    shows_help: bool = False
    only: tuple[str, ...] = ()
    """The services that the command named; empty: all."""
    log: LogPane = field(default_factory=LogPane)
    replay: Replay | None = None
    is_held: bool = False
    """The job is over, and the last screen stays."""
    leaving: Leaving | None = None
    """The view is to be closed."""

    @property
    def task(self) -> TaskView | None:
        """The task whose services are listed."""
        return next((task for task in self.job.tasks if task.number == self.open_task), None)

    @property
    def lists_tasks(self) -> bool:
        """The table shows the tasks of an array."""
        return bool(self.job.tasks) and self.task is None

    @property
    def services(self) -> tuple[ServiceView, ...]:
        """The services that may be listed now, whatever the filter says."""
        task = self.task
        found = task.services if task else self.job.services
        return tuple(service for service in found if service.name in self.only) if self.only else found

    @property
    def names(self) -> tuple[str, ...]:
        """The names in the table, in its order."""
        every = [task.number for task in self.job.tasks] if self.lists_tasks else [one.name for one in self.services]
        sought = (self.filter if self.typing is None else self.typing).casefold()
        return tuple(name for name in every if sought in name.casefold())

    @property
    def position(self) -> int:
        """Where in `names` the selected one is; 0 when it is not listed."""
        names = self.names
        return names.index(self.selected) if self.selected in names else 0

    @property
    def choice(self) -> LogChoice:
        """Whose output is wanted now."""
        names = self.names
        name = self.selected if self.selected in names else next(iter(names), None)
        if self.lists_tasks:
            return LogChoice(task=None if self.shows_all else name)
        return LogChoice(task=self.open_task, service=None if self.shows_all else name)
