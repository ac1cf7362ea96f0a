"""The examples, run as a user runs them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tests.jobs.project import Project


def test_the_quickstart_completes_and_exports_its_answers(project: Project, repository: Path) -> None:
    """The main job of the README."""
    shutil.copytree(
        repository / "examples" / "quickstart",
        project.folder,
        dirs_exist_ok=True,
        ignore=shutil.ignore_patterns(".hpc-compose", "results", "slurm-*"),
    )
    job = project.up()["job_id"]
    assert project.log(job, "report") == "3 texts, 17 words\n"
    project.hpcc("artifacts")
    answers = project.folder / "results" / job / "answers"
    rows = [json.loads(line) for line in (answers / "answers.jsonl").read_text().splitlines()]
    assert [row["words"] for row in rows] == [5, 5, 7]
    assert "17 words" in (answers / "report.md").read_text()
