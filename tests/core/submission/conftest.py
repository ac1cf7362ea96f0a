"""One world per test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.core.submission.world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    """An empty project and a scheduler that accepts."""
    return World(tmp_path)
