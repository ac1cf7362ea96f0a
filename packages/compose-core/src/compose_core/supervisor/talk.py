"""What the job says in the batch log and on stderr."""

import os
import signal
import time


class Refused(Exception):
    """Something that keeps the job from running; the text is for the user."""


def printable(text: str) -> str:
    """`text` on one line, every character that could act on a terminal spelled out."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def say(subject: str, text: str) -> None:
    """One line of the batch log."""
    _print(1, "hpc-compose {} {}: {}\n".format(time.strftime("%H:%M:%S"), printable(subject), printable(text)))


def complain(text: str) -> None:
    """One line on stderr."""
    _print(2, "hpc-compose: {}\n".format(printable(text)))


def _print(descriptor: int, line: str) -> None:
    try:
        os.write(descriptor, line.encode("utf-8", "backslashreplace"))
    except OSError:
        pass  # the batch log is full or gone; state.json tells the story too


def signal_name(signum: int) -> str:
    """`SIGTERM` for 15."""
    try:
        return signal.Signals(signum).name
    except ValueError:  # a real-time signal
        return "signal {}".format(signum)
