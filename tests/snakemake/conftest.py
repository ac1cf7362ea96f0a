"""What holds for every test beside Snakemake."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _without_our_apptainer() -> Iterator[None]:
    """Settings put a stand-in for apptainer on PATH, because Snakemake looks for one before there is an executor."""
    yield
    from snakemake_executor_plugin_hpccompose.containers import step_aside

    step_aside()
