"""The first code of `hpcc`: what is imported here is already there when Python has started."""

from __future__ import annotations

import os
import signal
from types import FrameType
from typing import NoReturn

INTERRUPTED = 130


def main() -> NoReturn:
    """Run `hpcc`; an interrupt that comes while its code is still being imported ends it without a word."""
    usual = signal.getsignal(signal.SIGINT)
    if usual is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _leave)
    from compose_core.cli.main import main as run

    try:
        if usual is not signal.SIG_IGN:
            signal.signal(signal.SIGINT, usual)
        run()
    except KeyboardInterrupt:
        os._exit(INTERRUPTED)


def _leave(_signum: int, _frame: FrameType | None) -> None:
    """Nothing has been begun, so there is nothing to end."""
    os._exit(INTERRUPTED)
