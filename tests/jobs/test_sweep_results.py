"""What came of a sweep, and hopeless trials ended on the way."""

from __future__ import annotations

import csv
import io
import json

from tests.jobs.project import Project

RANKED = """
runtime: {backend: host}
sweep:
  parameters: {level: [3, 1, 2], note: ["a b"]}
  replicates: 2
  objective: {direction: minimize, log_pattern: 'loss=(\\S+)', scaling_axis: level}
x-slurm: {time: "00:02:00"}
services:
  train:
    command: |
      echo loss=9
      if [ "$level$HPC_COMPOSE_SWEEP_REPLICATE" = 21 ]; then exit 3; fi
      echo loss=$level.$HPC_COMPOSE_SWEEP_REPLICATE "$note"
"""

PRUNED = """
runtime: {backend: host}
sweep:
  parameters: {level: [1, 2, 3, 4, 50]}
  objective: {direction: minimize, metric: loss}
  prune: {method: median, min_steps: 3}
x-slurm: {time: "00:03:00"}
services:
  train:
    command: |
      steps=5 loss=1
      if [ "$level" = 50 ]; then steps=600 loss=50; fi
      for step in $(seq 1 $steps); do
        echo "{\\"step\\": $step, \\"name\\": \\"loss\\", \\"value\\": $loss}" >> "$HPC_COMPOSE_JOB_DIR/trial.jsonl"
        sleep 0.2
      done
"""

ENOUGH = """
runtime: {backend: host}
sweep:
  parameters: {level: [1, 5]}
  objective: {direction: minimize, metric: loss}
x-slurm: {time: "00:03:00"}
services:
  train:
    command: |
      echo "{\\"name\\": \\"loss\\", \\"value\\": $level}" >> "$HPC_COMPOSE_JOB_DIR/trial.jsonl"
      sleep 100
"""


def test_the_ranking_is_that_of_the_last_figures(project: Project) -> None:
    """Replicates together, the failed one left out; the same in every form."""
    project.write(RANKED)
    project.hpcc("sweep", "submit")
    report = project.json("sweep", "observe", "--watch", "--poll-interval", "1s")
    assert report["summary"]["completed"] == 5
    assert report["summary"]["failed"] == 1
    groups = [(one["variables"]["level"], one["rank"], one["n"], one["mean"]) for one in report["groups"]]
    assert groups == [("1", 1, 2, 1.05), ("2", 2, 1, 2.0), ("3", 3, 2, 3.05)]
    assert report["best_trial"] == "t001r0"
    assert project.json("sweep", "status")["groups"] == report["groups"]
    assert [point["axis"] for point in report["scaling"][0]["points"]] == [1.0, 2.0, 3.0]
    rows = list(csv.DictReader(io.StringIO(project.hpcc("sweep", "results", "--format", "csv").stdout)))
    assert [(row["trial_id"], row["param.level"], row["objective"]) for row in rows][:2] == [
        ("t000r0", "3", "3.0"),
        ("t000r1", "3", "3.1"),
    ]
    assert "3.05" in project.hpcc("sweep", "results", "--scaling").stdout
    project.hpcc("sweep", "results", "--format", "html", "--output", "report.html")
    assert "t000r1" in (project.folder / "report.html").read_text()
    manifest = json.loads((project.folder / ".hpc-compose/sweeps/latest.json").read_text())
    assert manifest["best_trial"] == "t001r0"
    assert [trial["objective"] for trial in manifest["trials"]] == [3.0, 3.1, 1.0, 1.1, 2.0, 9.0]


def test_a_hopeless_trial_is_ended_early(project: Project) -> None:
    """Its task alone, which would have run for two minutes; `resume --failed` leaves it as it is."""
    project.write(PRUNED)
    project.hpcc("sweep", "submit")
    report = project.json("sweep", "observe", "--watch", "--poll-interval", "1s")
    assert [one["trial_id"] for one in report["pruned"]] == ["t004"]
    assert report["summary"]["completed"] == 4
    pruned = report["trials"][4]
    assert (pruned["status"], pruned["scheduler_state"]) == ("failed", "CANCELLED")
    assert pruned["detail"].startswith("pruned: t004: 50 at step ")
    again = project.json("sweep", "resume", "--failed")
    assert again["resubmitted"] == 0


def test_a_sweep_that_found_enough_is_stopped(project: Project) -> None:
    """Everything that still runs or waits ends, and the manifest says why."""
    project.write(ENOUGH)
    project.hpcc("sweep", "submit")
    report = project.json("sweep", "observe", "--watch", "--poll-interval", "1s", "--stop-when", "objective <= 1")
    assert report["stopped_because"] == "objective <= 1: t000 has 1"
    state = project.json("sweep", "status")
    assert state["stop_reason"] == "objective <= 1: t000 has 1"
    assert state["summary"]["running"] == state["summary"]["pending"] == 0
