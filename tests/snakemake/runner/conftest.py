"""A unit's folder, as the executor would write it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.snakemake.runner.world import UnitWorld


@pytest.fixture
def world(tmp_path: Path) -> UnitWorld:
    """A working directory with room for units, logs and results."""
    return UnitWorld(tmp_path)


@pytest.fixture
def _signals_as_before() -> Iterator[None]:
    """A pool takes the signals of its process; here that is pytest's own."""
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGALRM)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    signal.alarm(0)
    for number, handler in before.items():
        signal.signal(number, handler)
