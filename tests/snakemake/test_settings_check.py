"""Settings that cannot be are errors before anything runs, and never replaced by others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from snakemake_interface_common.exceptions import WorkflowError

from compose_core.testing import FakeCluster
from snakemake_executor_plugin_hpccompose import ExecutorSettings
from snakemake_executor_plugin_hpccompose.compose_job import mapping_of
from snakemake_executor_plugin_hpccompose.settings_check import wrong_settings
from tests.snakemake.fake_job import FakeJob
from tests.snakemake.world import World

pytestmark = pytest.mark.adapters


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("pack", 0),
        ("array_limit", 0),
        ("array_throttle", -1),
        ("batch_window", -0.5),
        ("poll_seconds", float("nan")),
        ("poll_seconds", 0.0),
        ("services_timeout", float("inf")),
        ("jobname_prefix", "a b;$(touch x)"),
    ],
)
def test_a_value_that_cannot_be_names_the_option(setting: str, value: Any) -> None:
    """As it is written on the command line."""
    [wrong] = wrong_settings(ExecutorSettings(**{setting: value}))
    assert f"--hpccompose-{setting.replace('_', '-')}" in wrong


def test_the_defaults_are_right() -> None:
    """And contradictions are not."""
    assert wrong_settings(ExecutorSettings()) == []
    assert len(wrong_settings(ExecutorSettings(requeue=True, no_requeue=True, pack=0))) == 2


def test_a_wrong_setting_ends_the_run_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All mistakes are told."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WorkflowError, match=r"--hpccompose-pack is 0(.|\n)*--hpccompose-array-limit"):
        World(FakeCluster(), tmp_path, pack=0, array_limit=0)


def test_files_are_looked_for_where_snakemake_was_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--directory` sends it to another folder before they are read."""
    (tmp_path / "map.yaml").write_text("rules: {one: {pack: 3}}")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path)
    settings = ExecutorSettings(config="map.yaml", partition_config="partitions.yaml")
    monkeypatch.chdir(tmp_path / "work")
    assert mapping_of(settings).entry("one").pack == 3
    assert settings.partition_config == str(tmp_path / "partitions.yaml")


def test_a_rule_of_the_mapping_file_that_is_not_there_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its services would silently be missing; the message has the place, as seen from here."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "map.yaml").write_text("rules:\n  algin: {pack: 3}\n  'al*': {pack: 2}\n")
    world = World(FakeCluster(), tmp_path, config="map.yaml")
    world.jobs._workflow.rules = [FakeJob(name="align").rule]
    world.submit(FakeJob(name="align"))
    world.submit(FakeJob(name="align", wildcards={"i": "2"}))
    told = [text for text in world.said if "algin" in text]
    assert told == ["map.yaml:2:3 rules.algin: no rule of this workflow is called algin. Did you mean align?"]
