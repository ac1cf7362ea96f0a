"""`hpcc monitor` over jobs that really run, on both engines."""

from __future__ import annotations

import json

from tests.jobs.project import Project, check_report

JOBS = """
name: eval
runtime: {backend: host}
x-slurm: {time: "00:05:00"}
services:
  work:
    command: sleep 1; exit ${CODE:-0}
"""


def test_jobs_are_watched_to_their_ends(project: Project) -> None:
    """Each change once, the failed job in the summary, status 1."""
    project.write(JOBS)
    good = project.submit()
    project.write(JOBS.replace("${CODE:-0}", "3"))
    bad = project.submit()
    files = ("--jsonl", "records.jsonl", "--log", "log.txt")
    done = project.hpcc("monitor", "--job", good, "--job", bad, "--interval", "1s", *files, code=1)
    rows = [json.loads(line) for line in (project.folder / "records.jsonl").read_text().splitlines()]
    for row in rows:
        check_report("monitor", row)
    last = {row["job_id"]: row["current"] for row in rows if row["event"] == "STATE_CHANGE"}
    assert last == {good: "COMPLETED", bad: "FAILED"}
    assert rows[-1]["counts"] == {"COMPLETED": 1, "FAILED": 1}
    assert [job["job_id"] for job in rows[-1]["failed"]] == [bad]
    assert done.stdout == (project.folder / "log.txt").read_text()
    assert f"FAILED: eval/{bad} (Job ID: {bad}, exit code 3)" in done.stdout
