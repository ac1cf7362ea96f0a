"""What came of a sweep, in the forms in which it is passed on."""

from __future__ import annotations

import csv
import io
from typing import Any

from compose_core.records.sweep_manifest import SweepManifest, SweepMatrix, SweepObjective, SweepPrune
from compose_core.sweep.ranking import ResultRow, TrialStatus
from compose_core.sweep.results import SweepResults, curve_metric, objective_name, objective_of, status_counts


def results(*rows: ResultRow, **fields: Any) -> SweepResults:
    manifest = SweepManifest(
        **{
            "sweep_id": "sweep-1",
            "compose_file": "/p/compose.yaml",
            "submitted_at": 1_800_000_000.0,
            "engine": "local",
            "matrix": SweepMatrix(mode="full"),
            "compose_file_sha256": "0" * 64,
            "seed": "s",
            "total_combinations": len(rows),
            "objective": SweepObjective(direction="minimize", metric="loss"),
            **fields,
        }
    )
    return SweepResults(manifest=manifest, rows=rows)


def row(index: int, value: float | None, status: TrialStatus = "completed", **fields: Any) -> ResultRow:
    variables = {"lr": f"{index}", "note": 'a,"b"\nc'}
    key = ";".join(f"{name}={text}" for name, text in variables.items())
    return ResultRow(
        trial_id=f"t{index:03d}",
        index=index,
        variables=variables,
        config_key=key,
        status=status,
        objective=value,
        **fields,
    )


def test_the_report_names_the_best_trial_and_counts_every_status() -> None:
    report = results(row(0, 2.0), row(1, 1.0), row(2, None, "failed"), row(3, 0.5, "running")).as_json()
    assert (report["best_trial"], report["best_objective"]) == ("t001", 1.0)
    assert report["summary"] == {
        "completed": 2,
        "failed": 1,
        "running": 1,
        "pending": 0,
        "unknown": 0,
        "missing_tracking": 0,
        "submit_failed": 0,
    }
    assert [group["rank"] for group in report["groups"]] == [1, 2, None, None]


def test_csv_holds_every_trial_whatever_its_texts_are() -> None:
    """Parameters are columns of their own."""
    text = results(row(0, 2.0, started_at=10.0, ended_at=12.5), row(1, None, "failed", exit_code=3)).as_csv()
    first, second = csv.DictReader(io.StringIO(text))
    assert (first["trial_id"], first["objective"], first["rank"], first["elapsed_s"]) == ("t000", "2.0", "1", "2.5")
    assert first["param.note"] == 'a,"b"\nc'
    assert (second["status"], second["objective"], second["rank"], second["exit_code"]) == ("failed", "", "", "3")


def test_a_sweep_is_over_when_nothing_waits_or_runs() -> None:
    assert results(row(0, 1.0), row(1, None, "submit_failed")).is_over
    assert not results(row(0, 1.0), row(1, None, "pending")).is_over
    assert not results(row(0, 1.0), row(1, None, "unknown")).is_over


def test_what_the_objective_is_called() -> None:
    assert objective_name(objective_of(results().manifest)) == "loss"
    field = SweepObjective(direction="minimize", json_path="m.json", json_field="eval.loss")
    assert objective_name(objective_of(results(objective=field).manifest)) == "eval.loss"
    assert objective_name(objective_of(results(objective=None).manifest)) == ""


def test_trials_are_compared_by_the_metric_of_pruning_else_of_the_objective() -> None:
    assert curve_metric(results().manifest) == "loss"
    assert curve_metric(results(prune=SweepPrune(method="asha", metric="val")).manifest) == "val"
    assert curve_metric(results(objective=SweepObjective(direction="minimize", log_pattern="(a)")).manifest) is None


def test_counts_in_words_leave_out_what_there_is_none_of() -> None:
    assert status_counts([row(0, 1.0), row(1, None, "missing_tracking")]) == "1 completed, 1 missing tracking"
