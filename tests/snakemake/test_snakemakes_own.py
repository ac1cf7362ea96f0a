"""The test classes that Snakemake ships for its executors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("snakemake")
import snakemake.common.tests as own
from snakemake_interface_common.plugin_registry.tests import TestRegistryBase
from snakemake_interface_executor_plugins.registry import ExecutorPluginRegistry

from snakemake_executor_plugin_hpccompose import ExecutorSettings

pytestmark = [pytest.mark.adapters, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Jobs of these tests are nobody else's, and Snakemake's changes of folder end with the test."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    yield
    ExecutorPluginRegistry._instance = None


class TestOnThisMachine(own.TestWorkflowsLocalStorageBase):  # type: ignore[misc]
    """Three chained rules with a wildcard that holds a slash, and a group."""

    __test__ = True

    def get_executor(self) -> str:
        return "hpccompose"

    def get_executor_settings(self) -> ExecutorSettings:
        return ExecutorSettings(engine="local")


class TestOnSlurm(own.TestWorkflowsLocalStorageBase):  # type: ignore[misc]
    """The same on the private cluster."""

    __test__ = True

    @pytest.fixture
    def tmp_path(self, shared_tmp: Path, slurm_bench: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A folder that the nodes see."""
        for name, value in slurm_bench.environment.items():
            monkeypatch.setenv(name, value)
        return shared_tmp

    def get_executor(self) -> str:
        return "hpccompose"

    def get_executor_settings(self) -> ExecutorSettings:
        return ExecutorSettings(engine="slurm", poll_seconds=3)


class TestRegistry(TestRegistryBase):  # type: ignore[misc]
    """The registry finds the plugin, and its options arrive."""

    __test__ = True

    def get_registry(self) -> ExecutorPluginRegistry:
        ExecutorPluginRegistry._instance = None
        return ExecutorPluginRegistry()

    def get_test_plugin_name(self) -> str:
        return "hpccompose"

    def validate_plugin(self, plugin: Any) -> None:
        assert plugin.executor is not None
        assert plugin.settings_cls is not None
        assert plugin.common_settings.non_local_exec

    def validate_settings(self, settings: Any, plugin: Any) -> None:
        assert isinstance(settings, plugin.settings_cls)
        assert settings.engine == "local"
        assert settings.pack == 7
        assert settings.batch_window == 1.5
        assert settings.container_mounts == ["/data", "/more:/inside"]
        assert settings.no_array
        assert settings.qos is None

    def get_example_args(self) -> list[str]:
        return [
            "--hpccompose-engine=local",
            "--hpccompose-pack=7",
            "--hpccompose-batch-window=1.5",
            "--hpccompose-no-array",
            "--hpccompose-container-mounts",
            "/data",
            "/more:/inside",
        ]
