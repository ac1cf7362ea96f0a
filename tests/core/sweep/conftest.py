"""One world per test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.core.tracking.world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A project with job 7, whose services are `web` and `db`."""
    return World(tmp_path)
