"""One world per test."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.core.monitor.world import MonitorWorld


@pytest.fixture
def world(tmp_path: Path) -> MonitorWorld:
    """A project without a monitor."""
    return MonitorWorld(tmp_path)


@pytest.fixture(autouse=True)
def _zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Texts show local times."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()
