"""The two files that executor and runner share."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from snakemake_executor_plugin_hpccompose.runner.results import STOPPED_EXIT_CODE, Result, read_result, write_result
from snakemake_executor_plugin_hpccompose.runner.unit import UnitFileError, read_unit, unit_file, write_unit
from tests.snakemake.runner.world import UnitWorld

pytestmark = pytest.mark.adapters

RESULT = Result(
    key="k", attempt=2, run="r", unit="u", task=3, ok=True, exit_code=0, started_at=1.5, ended_at=2.5, host="node1"
)


def test_a_unit_is_read_as_it_was_written(world: UnitWorld) -> None:
    """Quotes, dollars, blanks and letters of all kinds are content, not syntax."""
    unit = world.unit(
        [world.member("a", ["--config", "x='$HOME \"q\"\n' ü"])], parallel=3, general=["--mode", "remote"]
    )
    path = write_unit(world.root / "u", unit)
    assert read_unit(world.root / "u", 0) == unit
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_missing_unit_names_its_file_and_a_likely_reason(tmp_path: Path) -> None:
    """A working directory that the nodes do not see is the usual cause."""
    with pytest.raises(UnitFileError, match=r"7\.json: cannot be read .*shared with the nodes"):
        read_unit(tmp_path, 7)


@pytest.mark.parametrize(
    "change", [{"schema_version": 9}, {"members": [{}]}, {"general_args": "--mode remote"}, {"runner": "magic"}]
)
def test_a_unit_of_another_shape_is_refused(world: UnitWorld, change: dict[str, object]) -> None:
    """Half a description would run half of the jobs."""
    content = world.unit([world.member("a")]).as_json() | change
    unit_file(world.root, 0).write_text(json.dumps(content))
    with pytest.raises(UnitFileError, match="is not the description of a unit"):
        read_unit(world.root, 0)


def test_a_result_is_read_as_it_was_written(tmp_path: Path) -> None:
    """For its owner alone, and without leftovers beside it."""
    write_result(tmp_path / "results/k.2.json", RESULT)
    assert read_result(tmp_path / "results/k.2.json") == RESULT
    assert [path.name for path in (tmp_path / "results").iterdir()] == ["k.2.json"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'{"schema_version": 1',
        b'{"schema_version": 2}',
        b"[]",
        b"null",
        b"\xff",
        b"[" * 100_000,
        json.dumps(RESULT.as_json() | {"attempt": float("inf")}).encode(),
    ],
)
def test_what_is_no_result_counts_as_none(tmp_path: Path, content: bytes) -> None:
    """The scheduler's word decides then."""
    (tmp_path / "k").write_bytes(content)
    assert read_result(tmp_path / "k") is None


def test_a_result_knows_whether_the_end_of_the_job_caused_it() -> None:
    """A job that is put back into the queue runs such a member again."""
    assert replace(RESULT, ok=False, exit_code=STOPPED_EXIT_CODE).was_stopped
    assert not replace(RESULT, ok=False, exit_code=1).was_stopped
