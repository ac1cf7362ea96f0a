"""The figure of a trial, from whatever the trial left."""

from __future__ import annotations

import json
from typing import Any

import pytest

from compose_core.spec.models import Objective
from compose_core.sweep.objective import ObjectiveReader, Reading
from tests.core.tracking.world import World


def read(world: World, **objective: Any) -> Reading:
    return ObjectiveReader(Objective(**{"direction": "minimize", **objective})).read(world.record)


def write_log(world: World, text: str | bytes, service: str = "web") -> None:
    log = world.paths.log(service).path
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_bytes(text.encode() if isinstance(text, str) else text)


def write_points(world: World, *rows: object) -> None:
    path = world.paths.trial_metrics.path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows))


def test_the_last_match_of_the_log_counts(world: World) -> None:
    """The first one is the figure of the first epoch."""
    write_log(world, "loss=0.9\nloss=0.2 loss=0.5\nend\n")
    assert read(world, log_pattern=r"loss=([0-9.]+)") == Reading(value=0.5)


@pytest.mark.parametrize(("direction", "value"), [("minimize", 0.2), ("maximize", 0.9)])
def test_the_best_match_counts_where_that_is_asked_for(world: World, direction: str, value: float) -> None:
    """Best as the direction says."""
    write_log(world, "loss=0.9\nloss=0.2\nloss=nan\nloss=0.5\n")
    assert read(world, log_pattern=r"loss=(\S+)", take="best", direction=direction) == Reading(value=value)


def test_another_group_may_hold_the_figure(world: World) -> None:
    write_log(world, "step 7 loss 1e-3\n")
    assert read(world, log_pattern=r"step (\d+) loss (\S+)", group=2) == Reading(value=1e-3)


def test_two_logs_that_match_are_an_error_until_one_is_named(world: World) -> None:
    """Which one is meant is not guessed."""
    write_log(world, "loss=1\n")
    write_log(world, "loss=2\n", "db")
    pattern = r"loss=(\d)"
    assert read(world, log_pattern=pattern).error == "the logs of web, db match; name one with `objective.service`"
    assert read(world, log_pattern=pattern, service="db") == Reading(value=2.0)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "no line of the log matches yet"),
        ("loss=nan\n", "the figure is 'nan', which is no finite number"),
        ("loss=1\nloss=inf\n", "the figure is 'inf', which is no finite number"),
        ("loss=abc\n", "the figure is 'abc', which is no finite number"),
        ("loss=1_0\n", "the figure is '1_0', which is no finite number"),
    ],
)
def test_a_log_without_a_figure_says_why(world: World, text: str, error: str) -> None:
    write_log(world, text)
    assert read(world, log_pattern=r"loss=(\S+)") == Reading(error=error)


def test_a_figure_among_odd_bytes_is_found(world: World) -> None:
    """Logs are whatever a program prints."""
    write_log(world, b"\xff\xfe\x1b[31m" + b"x" * 100_000 + b"\nloss=4\n\x00")
    assert read(world, log_pattern=r"loss=(\d)") == Reading(value=4.0)


def test_a_metric_of_the_trial_counts(world: World) -> None:
    """Other names, torn lines and rows of another shape are left out."""
    write_points(
        world,
        {"step": 1, "name": "loss", "value": 3},
        {"step": 1, "name": "accuracy", "value": 0.1},
        "not json",
        [1],
        {"name": "loss", "value": True},
        {"step": 2, "name": "loss", "value": 2.5},
    )
    with world.paths.trial_metrics.path.open("a") as stream:
        stream.write('{"step": 3, "name": "loss", "value": 1')
    assert read(world, metric="loss") == Reading(value=2.5)
    assert read(world, metric="loss", take="best", direction="maximize") == Reading(value=3.0)
    assert read(world, metric="x").error == "trial.jsonl has no 'x' yet"


def test_a_field_of_a_json_file_counts(world: World) -> None:
    """Where the trial wrote it, or where it was collected to; also written as the container sees it."""
    world.write(world.paths.folder.path / "out/metrics.json", {"eval": [{"loss": 7}]})
    assert read(world, json_path="out/metrics.json", json_field="eval.0.loss") == Reading(value=7.0)
    assert read(world, json_path="/hpc-compose/job/out/metrics.json", json_field="eval.0.loss") == Reading(value=7.0)
    (world.paths.folder.path / "out/metrics.json").unlink()
    world.write(world.paths.payload.path / "out/metrics.json", {"eval": [{"loss": 8}]})
    assert read(world, json_path="out/metrics.json", json_field="eval.0.loss") == Reading(value=8.0)


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ({"a": 1}, "m.json has no field 'x.y'"),
        ({"x": {"y": "1"}}, "x.y of m.json is no finite number"),
        ({"x": {"y": True}}, "x.y of m.json is no finite number"),
        ({"x": {"y": 10**400}}, "x.y of m.json is no finite number"),
        ([], "m.json has no field 'x.y'"),
    ],
)
def test_a_json_file_without_the_figure_says_why(world: World, content: object, error: str) -> None:
    world.write(world.paths.folder.path / "m.json", content)
    assert read(world, json_path="m.json", json_field="x.y") == Reading(error=error)


def test_a_json_file_that_is_not_there_or_no_json_says_so(world: World) -> None:
    assert read(world, json_path="m.json", json_field="x").error == "m.json is not there yet"
    world.paths.folder.path.mkdir(parents=True)
    (world.paths.folder.path / "m.json").write_text("[" * 100_000)
    assert read(world, json_path="m.json", json_field="x").error == "m.json holds no JSON"


def test_a_link_out_of_the_job_folder_is_not_followed(world: World) -> None:
    """The trial's services write into that folder."""
    world.paths.folder.path.mkdir(parents=True)
    secret = world.root / "secret.json"
    secret.write_text('{"x": 42}')
    (world.paths.folder.path / "m.json").symlink_to(secret)
    reading = read(world, json_path="m.json", json_field="x")
    assert reading.value is None
    assert "42" not in (reading.error or "")


def test_files_that_did_not_change_are_not_read_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sweep is looked at every minute, and most of its trials have ended."""
    write_points(world, {"name": "loss", "value": 3})
    reader = ObjectiveReader(Objective(direction="minimize", metric="loss"))
    assert reader.read(world.record).value == 3
    with monkeypatch.context() as patch:
        patch.setattr("compose_core.sweep.objective.trial_points", None)
        assert reader.read(world.record).value == 3
    write_points(world, {"name": "loss", "value": 3}, {"name": "loss", "value": 2})
    assert reader.read(world.record).value == 2
