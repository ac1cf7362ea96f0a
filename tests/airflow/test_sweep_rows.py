"""The trials of a sweep as rows for mapped tasks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from airflow_provider_hpccompose import sweeps
from airflow_provider_hpccompose.sweeps import TooManyTrials, chunks, sweep_trials
from compose_core import SpecError, UsageError

pytestmark = pytest.mark.adapters


def spec(count: int = 2, **sweep: Any) -> dict[str, Any]:
    """A sweep over so many seeds."""
    parameters = {"lr": ["0.1"], "seed": list(range(count))}
    return {
        "runtime": {"backend": "host"},
        "sweep": {"parameters": parameters, "max_trials": 5000, **sweep},
        "services": {"train": {"command": ["train", "${lr}", "${seed}", "${DATA:-none}"]}},
    }


def test_each_trial_is_a_row_with_a_name_to_show(tmp_path: Path) -> None:
    """What the operator takes as `trial`, `variables` and `trial_name`."""
    rows = sweep_trials(spec(), variables={"DATA": "/data"}, sweep_id="demo", project_dir=tmp_path)
    assert [row["trial_name"] for row in rows] == ["t000 lr=0.1 seed=0", "t001 lr=0.1 seed=1"]
    assert {name: rows[1]["trial"][name] for name in ("sweep_id", "trial_id", "params")} == {
        "sweep_id": "demo",
        "trial_id": "t001",
        "params": {"lr": "0.1", "seed": "1"},
    }
    assert rows[1]["trial"]["variables"] == {
        "lr": "0.1",
        "seed": "1",
        "HPC_COMPOSE_SWEEP_ID": "demo",
        "HPC_COMPOSE_SWEEP_TRIAL": "t001",
        "HPC_COMPOSE_SWEEP_TRIAL_INDEX": "1",
        "HPC_COMPOSE_SWEEP_REPLICATE": "0",
    }
    assert rows[1]["variables"] == {"DATA": "/data"}


def test_a_file_gives_the_same_rows_each_time_it_is_read(tmp_path: Path) -> None:
    """The DAG is read every few seconds; a mapped task must not become another one."""
    file = tmp_path / "compose.yaml"
    file.write_text(sweeps.spec_text(spec(1000, matrix={"random": 5})))
    first, second = sweep_trials(file), sweep_trials(file)
    assert first == second
    assert len(first) == 5
    assert first[0]["trial"]["sweep_id"].startswith("sweep-")


def test_more_trials_than_airflow_maps_are_refused_with_a_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow itself would fail the task at run time, or hang in a run without an end."""
    monkeypatch.setattr(sweeps, "max_map_length", lambda: 1024)
    with pytest.raises(TooManyTrials, match=r'2000 trials.*at most 1024.*mode="array"'):
        sweep_trials(spec(2000))


def test_the_limit_is_that_of_the_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    """A site may have raised it."""
    monkeypatch.setenv("AIRFLOW__CORE__MAX_MAP_LENGTH", "7")
    assert sweeps.max_map_length() == 7


def test_a_faulty_file_is_told_when_the_dag_is_read(tmp_path: Path) -> None:
    """With its place; so is one without a sweep."""
    with pytest.raises(SpecError, match="servces"):
        sweep_trials({**spec(), "servces": {}})
    with pytest.raises(UsageError, match="no `sweep`"):
        sweep_trials({"runtime": {"backend": "host"}, "services": {"a": {"command": ["true"]}}}, project_dir=tmp_path)


def test_a_long_name_is_cut() -> None:
    """The database would cut it, or refuse it."""
    values = {**spec(), "sweep": {"parameters": {"lr": ["x" * 300], "seed": [1]}}}
    assert len(sweep_trials(values)[0]["trial_name"]) == sweeps.NAME_LENGTH


def test_chunks_cover_every_trial_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last one may be smaller."""
    parts = chunks(200, 64)
    assert [(part["first"], part["count"]) for part in parts] == [(0, 64), (64, 64), (128, 64), (192, 8)]
    assert parts[0]["chunk_name"] == "trials 0-63"
    assert chunks(1, 1)[0]["chunk_name"] == "trial 0"
    with pytest.raises(ValueError, match="at least one"):
        chunks(5, 0)
    monkeypatch.setattr(sweeps, "max_map_length", lambda: 10)
    with pytest.raises(TooManyTrials, match="11 chunks of 1 trials"):
        chunks(11, 1)
