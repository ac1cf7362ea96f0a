"""What a person sees while images are made ready: one moving line an image on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from compose_core.cli.output import Output
from compose_core.terminal_text import terminal_text

if TYPE_CHECKING:
    from compose_core.prepare.make_ready import Progress

Listener = Callable[["Progress"], None]


@contextmanager
def image_progress(output: Output) -> Iterator[Listener]:
    """The listener for `prepare_images`; it may be called from several threads."""
    if output.quiet:
        yield lambda _: None
    elif sys.stderr.isatty():
        with _moving_lines() as listener:
            yield listener
    else:
        yield lambda progress: output.talk(_line(progress))


@contextmanager
def _moving_lines() -> Iterator[Listener]:
    from rich.console import Console
    from rich.progress import Progress as Bars
    from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(finished_text=" "), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Bars(*columns, console=Console(stderr=True)) as bars:
        tasks: dict[str, int] = {}

        def listener(progress: Progress) -> None:
            path = progress.decision.path
            if path not in tasks:
                tasks[path] = bars.add_task("", total=1)
            is_over = progress.kind in ("reused", "ready", "failed")
            bars.update(tasks[path], description=_line(progress), completed=1 if is_over else 0)  # type: ignore[arg-type]

        yield listener


def _line(progress: Progress) -> str:
    services = ", ".join(progress.decision.services)
    said = {"reused": "ready", "ready": "ready", "failed": "failed", "waiting": "waits", "step": ""}[progress.kind]
    text = ": ".join(part for part in (said, progress.message) if part)
    what = "base image" if progress.decision.kind == "base" else "image"
    return terminal_text(f"{what} of {services}: {text}")
