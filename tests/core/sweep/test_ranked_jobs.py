"""Trials that are jobs of their own are ranked as those of an array."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent

from compose_core.operations import submit
from compose_core.plan import build_plan
from compose_core.planning import plan_context
from compose_core.records.job_record import JobRecord
from compose_core.spec import load_spec
from compose_core.sweep.expansion import sweep_variables
from compose_core.sweep.planning import expand_sweep
from compose_core.sweep.ranked_jobs import ranked_jobs
from compose_core.tracking.job_files import attempt_paths
from tests.core.sweep.world import FOUR, Sweeps

WITH_FIGURE = FOUR.replace("sweep: {", "sweep: {objective: {direction: minimize, metric: loss}, ")


def submitted(sweeps: Sweeps) -> dict[str, JobRecord]:
    """Every trial as one job."""
    loaded = load_spec(sweeps.file, variables={})
    jobs = {}
    for trial in expand_sweep(loaded, sweep_id="s"):
        one = load_spec(sweeps.file, variables={}, sweep_variables=sweep_variables(trial, "s"))
        plan = build_plan(one, plan_context(sweeps.site, one))
        jobs[trial.trial_id] = submit(sweeps.site, plan, run_key=f"k-{trial.trial_id}").record
    return jobs


def test_jobs_are_ranked_by_the_figure_that_each_left(tmp_path: Path) -> None:
    """A job that failed and a trial without a job have no rank, whatever they left."""
    sweeps = Sweeps(tmp_path)
    sweeps.write(WITH_FIGURE)
    jobs = submitted(sweeps)
    for (name, record), value in zip(jobs.items(), (3.0, 1.0, 0.5, 2.0)):
        file = attempt_paths(record, None).trial_metrics.path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"name": "loss", "value": value}) + "\n")
        sweeps.cluster.start(record.job_id)
        sweeps.cluster.finish(record.job_id, state="FAILED" if name == "t002" else "COMPLETED")
    del jobs["t003"]
    results = ranked_jobs(sweeps.site, load_spec(sweeps.file, variables={}), jobs, sweep_id="s")
    assert [row.status for row in results.rows] == ["completed", "completed", "failed", "submit_failed"]
    assert results.best is not None
    assert (results.best.trial_id, results.best.objective) == ("t001", 1.0)
    assert [(one.rank, one.best_trial) for one in results.standings][:2] == [(1, "t001"), (2, "t000")]


def test_a_spec_that_is_no_file_is_ranked_too(tmp_path: Path) -> None:
    """Programs keep their specs in memory."""
    sweeps = Sweeps(tmp_path)
    loaded = load_spec(sweeps.folder / "spec", variables={}, text=dedent(WITH_FIGURE))
    results = ranked_jobs(sweeps.site, loaded, {}, sweep_id="s")
    assert results.counts["submit_failed"] == 4
