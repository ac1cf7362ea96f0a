"""The world of every test of the supervisor."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.core.supervisor.world import World, opened_world


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A submit folder; what its jobs leave running is ended with the test."""
    with opened_world(tmp_path / "project") as opened:
        yield opened
