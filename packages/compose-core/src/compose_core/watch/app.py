"""The view on a terminal: the one file that knows Textual. It paints lines, passes keys on, and leaves the terminal as it was."""

from __future__ import annotations

import asyncio
import signal
import sys
import termios
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from rich.text import Text
from textual import events
from textual.app import App, ComposeResult
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from compose_core.watch.feed import Feed
from compose_core.watch.model import Model
from compose_core.watch.update import Event, Key, Resized
from compose_core.watch.update import update as live_update
from compose_core.watch.view import view

_DRAIN_S = 0.1
_SIGNALS_USED = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGTSTP,
    signal.SIGCONT,
    signal.SIGWINCH,
    signal.SIGTTIN,
    signal.SIGTTOU,
)
_LEAVE_SCREEN = "\x1b[?1049l\x1b[?25h\x1b[?7h\x1b[?1004l\x1b[?2004l\x1b[0m"


class Ended(BaseException):
    """A signal ended the view; the terminal is as it was."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


def show(model: Model, feed: Feed, *, update: Callable[[Model, Event], Model] = live_update) -> Model:
    """Show the view until it is left; gives the model as it was left.

    Raises: Ended: SIGTERM or SIGHUP came.  Otherwise what the feed raises. The terminal is restored in any case.
    """
    app = _ViewApp(model, feed, update)
    with _terminal_restored():
        feed.start()
        try:
            app.run(mouse=False)
        finally:
            feed.stop()
    if app.failure is not None:
        raise app.failure
    if app.return_code:
        raise RuntimeError("the view broke")  # Textual has shown why
    return app.model


@contextmanager
def _terminal_restored() -> Iterator[None]:
    """Terminal attributes and signal handlers as they were before."""
    handlers = {number: signal.getsignal(number) for number in _SIGNALS_USED}
    attributes = None
    with suppress(termios.error, OSError, ValueError):
        attributes = termios.tcgetattr(sys.__stdin__.fileno()) if sys.__stdin__ else None
    try:
        yield
    except BaseException:
        with suppress(OSError, ValueError):  # the terminal may be gone
            print(_LEAVE_SCREEN, end="", file=sys.__stderr__, flush=True)
        raise
    finally:
        if attributes is not None and sys.__stdin__ is not None:
            with suppress(termios.error, OSError, ValueError):
                termios.tcsetattr(sys.__stdin__.fileno(), termios.TCSANOW, attributes)
        for number, handler in handlers.items():
            signal.signal(number, handler)


class _Painted(Widget, can_focus=True):
    """Lines of text, each painted when it has changed."""

    DEFAULT_CSS = "_Painted { width: 100%; height: 100%; background: ansi_default; color: ansi_default; }"

    def __init__(self) -> None:
        super().__init__()
        self._lines: list[Text] = []

    def paint(self, lines: list[Text]) -> None:
        """Show these lines."""
        before, self._lines = self._lines, lines
        if len(before) != len(lines):
            self.refresh()
            return
        changed = [number for number, (old, new) in enumerate(zip(before, lines)) if not _is_same(old, new)]
        if changed:
            self.refresh(*(Region(0, number, self.size.width, 1) for number in changed))

    def render_line(self, y: int) -> Strip:
        """One line of the screen."""
        if y >= len(self._lines):
            return Strip.blank(self.size.width)
        return Strip(self._lines[y].render(self.app.console)).simplify()

    async def on_key(self, event: events.Key) -> None:
        """Every key is ours."""
        event.stop()
        event.prevent_default()
        assert isinstance(self.app, _ViewApp)
        self.app.pressed(event)


class _ViewApp(App[None], inherit_bindings=False):
    """The loop around the pure parts."""

    ENABLE_COMMAND_PALETTE = False
    BINDINGS = []  # noqa: RUF012 - as Textual declares it

    def __init__(self, model: Model, feed: Feed, update: Callable[[Model, Event], Model]) -> None:
        super().__init__(ansi_color=True)
        self.model = model
        self.failure: BaseException | None = None
        self._feed = feed
        self._update = update
        self._painted = _Painted()

    def compose(self) -> ComposeResult:
        """One widget."""
        yield self._painted

    def on_mount(self) -> None:
        """From now on signals end the view in order."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._end, Ended(number))
        loop.add_signal_handler(signal.SIGINT, self._heed, Key("ctrl+c"))
        self.app_resume_signal.subscribe(self, lambda _app: self._painted.refresh())
        self._painted.focus()
        self.set_interval(_DRAIN_S, self._drain)

    def on_resize(self, event: events.Resize) -> None:
        """The screen is divided anew."""
        self._heed(Resized(event.size.width, event.size.height))

    def pressed(self, event: events.Key) -> None:
        """A key, by the character it types or by its name."""
        if event.key == "ctrl+z":
            self.action_suspend_process()
            return
        is_typed = event.character is not None and event.is_printable
        self._heed(Key(event.character or event.key if is_typed else event.key))

    def _drain(self) -> None:
        try:
            found = self._feed.events()
        except BaseException as error:  # noqa: BLE001 - raised again once the terminal is restored
            self._end(error)
            return
        if found:
            self._heed(*found)

    def _heed(self, *found: Event) -> None:
        try:
            self._take(found)
        except Exception as error:  # noqa: BLE001 - raised again once the terminal is restored
            self._end(error)

    def _take(self, found: Iterable[Event]) -> None:
        for event in found:
            if self.model.leaving is None:
                self.model = self._update(self.model, event)
        self._feed.heed(self.model)
        if self.model.leaving is not None:
            self.exit()
            return
        self._painted.paint(view(self.model, self.model.width, self.model.height))

    def _end(self, error: BaseException) -> None:
        self.failure = self.failure or error
        self.exit()


def _is_same(one: Text, other: Text) -> bool:
    spans: Any = other.spans
    return one.plain == other.plain and one.spans == spans and one.style == other.style
