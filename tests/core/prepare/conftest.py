"""A fresh world for each test."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.core.prepare.world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Below the umask that hpcc's users have."""
    os.umask(0o022)
    return World(tmp_path)
