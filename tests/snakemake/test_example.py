"""The example workflow, run as a user runs it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from compose_core import observe, tracked_jobs
from tests.snakemake.workflow import Workflow

pytestmark = pytest.mark.adapters

REPORT = """\
# How good is the model?

| kind | right | of |
|---|---|---|
| differences | 4 | 4 |
| products | 0 | 4 |
| sums | 4 | 4 |
"""


@pytest.mark.parametrize(
    "workflow", ["local", pytest.param("slurm", marks=pytest.mark.faults)], indirect=True, ids=["local", "slurm"]
)
def test_the_example_evaluates_its_model(workflow: Workflow, repository: Path) -> None:
    """Twelve jobs share one model server, one has a store beside it, and nothing runs afterwards."""
    ignored = shutil.ignore_patterns("results", ".snakemake", ".hpc-compose")
    shutil.copytree(repository / "examples/snakemake", workflow.folder, dirs_exist_ok=True, ignore=ignored)
    done = workflow.run()
    assert done.returncode == 0, done.stdout[-6000:]
    assert workflow.text("results/report.md") == REPORT
    records = tracked_jobs(workflow.folder).records
    assert len(records) == 3  # the model, an array for the answers, the judge
    assert done.stdout.count("Service model of the workflow: job") == 1
    workflow.until(lambda: all(one.terminal for one in observe(workflow.site, records)), what="the end of the model")
