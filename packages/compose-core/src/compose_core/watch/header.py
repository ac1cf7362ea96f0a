"""The lines above the table, and the one at the bottom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from rich.text import Text

from compose_core.units import counted, format_duration
from compose_core.watch.colours import colour_of_share, colour_of_state
from compose_core.watch.model import Model
from compose_core.watch.shape import header_height, is_compact, notes
from compose_core.watch.text import clean

_BAR = 30
_NAMED_STATES = 5


def header(model: Model) -> list[Text]:
    """The job, its services, its time, the latest figures, and why it waits or ended; less where there is less room."""
    lines = [_title(model)]
    if is_compact(model):
        lines.append(Text.assemble(_tally(model), "  ", _time(model, bar=10)))
    else:
        lines += [_tally(model), _time(model, bar=min(_BAR, model.width // 4))]
        if model.metrics:
            lines.append(Text.assemble(("metrics  ", "dim"), clean(model.metrics, model.width)))
    noted = notes(model)
    lines = lines[: header_height(model) - len(noted)]
    return [*lines, *(Text(clean(note, model.width), style="yellow") for note in noted)]


def footer(model: Model) -> Text:
    """What can be pressed now."""
    if model.typing is not None:
        return Text.assemble(
            ("filter: ", "bold"), clean(model.typing), ("▏", "bold"), ("  Enter apply  Esc cancel", "dim")
        )
    if model.is_held:
        return Text.assemble(
            (" the job is over ", "reverse"),
            _keys((("d", "debug"), ("l", "logs"), ("s", "stats"), ("q", "leave"), ("?", "help"))),
        )
    return _keys(_REPLAY_KEYS if model.mode == "replay" else _LIVE_KEYS)


_LIVE_KEYS = (
    ("j/k", "service"),
    ("/", "filter"),
    ("Space", "pause"),
    ("a", "all logs"),
    ("?", "help"),
    ("q", "leave, the job goes on"),
)
_REPLAY_KEYS = (
    ("Space", "play"),
    ("←/→", "5 s"),
    ("[/]", "event"),
    ("+/-", "speed"),
    ("?", "help"),
    ("q", "leave"),
)


def _keys(keys: Iterable[tuple[str, str]]) -> Text:
    text = Text()
    for key, meaning in keys:
        text.append(f" {key} ", style="bold").append(f"{meaning} ", style="dim")
    return text


def _title(model: Model) -> Text:
    job = model.job
    text = Text.assemble(
        ("REPLAY ", "bold magenta") if model.mode == "replay" else "", (f"job {clean(job.job_id)}", "bold")
    )
    if job.name:
        text.append(f" ({clean(job.name)})")
    text.append("  ")
    text.append(clean(job.state), style=f"bold {colour_of_state(job.state)}")
    if job.stale:
        text.append(" ?", style="yellow")
    known = f"{job.engine}, known from {job.source}" if job.source and job.engine else job.source or job.engine
    extra = [known, f"attempt {job.attempt}" if job.attempt else "", f"on {clean(job.nodes)}" if job.nodes else ""]
    for part in filter(None, extra):
        text.append(f"  {part}", style="dim")
    return text


def _tally(model: Model) -> Text:
    if model.job.tasks:
        states = [task.state.partition(" ")[0] for task in model.job.tasks]
        text = Text(f"{counted(len(states), 'task')}: ").append(_counts(states))
        if model.task:
            text.append(f"  task {model.task.number}: ").append(_counts([one.status for one in model.task.services]))
        return text
    states = [service.status for service in model.job.services]
    return Text(f"{counted(len(states), 'service')}: ").append(_counts(states)) if states else Text("no services known")


def _counts(states: Iterable[str]) -> Text:
    """`2 ready, 1 failed`, the most frequent first."""
    counts = Counter(states).most_common()
    text = Text()
    for position, (state, count) in enumerate(counts[:_NAMED_STATES]):
        text.append(", " if position else "").append(f"{count} {clean(state)}", style=colour_of_state(state))
    return text.append(", …") if len(counts) > _NAMED_STATES else text


def _time(model: Model, *, bar: int) -> Text:
    """How much of the time limit is used; in a replay, where in the run it is."""
    if model.replay is not None:
        return _replay_time(model, bar)
    job = model.job
    if job.started_at is None:
        limit = f", limit {format_duration(job.limit_s)}" if job.limit_s else ""
        return Text(f"not started{limit}", style="dim")
    elapsed = max(0.0, (model.now if job.ended_at is None else job.ended_at) - job.started_at)
    if not job.limit_s:
        return Text(f"{'took' if job.terminal else 'running for'} {format_duration(elapsed)}, no time limit")
    share = elapsed / job.limit_s
    return Text.assemble(
        "walltime ",
        _bar(share, bar, colour_of_share(share)),
        f" {share:.0%}  {format_duration(elapsed)} of {format_duration(job.limit_s)}",
    )


def _replay_time(model: Model, bar: int) -> Text:
    replay = model.replay
    assert replay is not None
    whole = replay.end - replay.begin
    share = (replay.at - replay.begin) / whole if whole > 0 else 1.0
    state = f"▶ {replay.speed:g}x" if replay.is_playing else f"‖ {replay.speed:g}x"
    times = f" {format_duration(max(0.0, replay.at - replay.begin))} of {format_duration(max(0.0, whole))}"
    event = f"  event {replay.position} of {replay.events}: {clean(replay.event)}" if replay.position else ""
    return Text.assemble((state, "bold"), " ", _bar(share, bar, "cyan"), times, (event, "dim"))


def _bar(share: float, width: int, colour: str) -> Text:
    full = round(max(0.0, min(1.0, share)) * width)
    return Text.assemble(("█" * full, colour), ("░" * (width - full), "dim"))
