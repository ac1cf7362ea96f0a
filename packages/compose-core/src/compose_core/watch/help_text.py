"""The keys, as the view shows them itself."""

from __future__ import annotations

from rich.text import Text

from compose_core.watch.model import Model

LIVE_KEYS = (
    ("j, Down, Tab", "the next service"),
    ("k, Up", "the previous service"),
    ("g / G", "the first or the last service"),
    ("/", "filter by name; Enter applies, Esc cancels"),
    ("Space", "pause or resume the log"),
    ("PgUp / PgDn", "scroll the log while it is paused; PgUp pauses it"),
    ("End", "back to the newest lines"),
    ("a", "the log of the selected service, or of all"),
    ("Enter / Esc", "an array: into a task, and back to the list"),
    ("?", "this help"),
    ("q, Ctrl-C", "leave; the job goes on"),
    ("d  l  s", "once the job is over: leave, with the command for debug, logs, stats"),
)
REPLAY_KEYS = (
    ("Space", "play or pause"),
    ("+ / -", "faster or slower"),
    ("Left / Right", "five seconds back or forward"),
    ("[ / ]", "the previous or the next event"),
    ("Home / End", "the beginning or the end of the run"),
    ("j, k, g, G, Tab", "choose a service"),
    ("/", "filter by name; Enter applies, Esc cancels"),
    ("a", "the log of the selected service, or of all"),
    ("PgUp / PgDn", "scroll the log"),
    ("?", "this help"),
    ("q, Ctrl-C", "leave"),
)


def help_lines(model: Model) -> list[Text]:
    """One line per key."""
    keys = REPLAY_KEYS if model.mode == "replay" else LIVE_KEYS
    return [Text.assemble((f"  {key:<16}", "bold"), meaning) for key, meaning in keys]
