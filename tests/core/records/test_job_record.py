"""What the job record knows."""

from __future__ import annotations

from pathlib import Path

from compose_core.records.job_record import JobRecord
from tests.core.records.test_format import EXAMPLES


def test_a_record_leads_to_the_job_and_its_project() -> None:
    """By the paths in it."""
    record = EXAMPLES[1]
    assert isinstance(record, JobRecord)
    assert record.job_paths.job_dir == Path("/p/.hpc-compose/7")
    assert record.project.project_dir == Path("/p")
