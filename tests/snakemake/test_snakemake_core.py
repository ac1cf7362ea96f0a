"""Tests of Snakemake itself with jobs of this executor on this machine, by their names in Snakemake's repository.

They lie in Snakemake's source distribution, of which HPCC_SNAKEMAKE_SOURCE names the unpacked folder; `nox -s adapter_faults` fetches
that of the installed version. The keywords are those that Snakemake's `tests/tests.py` gives, but for the executor.
"""

from __future__ import annotations

import importlib.util
import os
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

pytest.importorskip("snakemake")
from snakemake_interface_executor_plugins.registry import ExecutorPluginRegistry

from snakemake_executor_plugin_hpccompose import ExecutorSettings

pytestmark = [pytest.mark.adapters, pytest.mark.faults, pytest.mark.filterwarnings("ignore")]

SOURCE = "HPCC_SNAKEMAKE_SOURCE"
CASES: dict[str, dict[str, Any]] = {
    "test_group_jobs": {},
    "test_group_jobs_attempts": {"retries": 2},
    "test_multicomp_group_jobs": {
        "overwrite_groups": {"a": "group0", "b": "group0"},
        "group_components": {"group0": 2},
    },
    "test_groupid_expand_cluster": {},
    "test_group_temp": {},
    "test_group_job_fail": {"shouldfail": True},
    "test_pipes": {"printshellcmds": True},
    "test_pipes_multiple": {"cores": 5},
    "test_service_jobs": {"check_md5": False},
    "test_shadow": {},
    "test_shadow_copy": {},
    "test_checkpoints": {},
    "test_checkpoints_dir": {},
    "test_checkpoint_allowed_rules": {"targets": ["c"]},
    "test_params": {},
    "test_run_namedlist": {},
    "test_issue850": {},
    "test_issue860": {"targets": ["done"]},
    "test_issue930": {},
    "test01": {},
    "test_temp": {"targets": ["test.realigned.bam"]},
    "test_directory": {"targets": ["downstream", "symlinked_input", "child_to_input", "not_child_to_other"]},
    "test_threads": {"cores": 20},
    "test_wildcard_keyword": {},
}


@pytest.fixture(scope="module")
def core() -> ModuleType:
    """Snakemake's `tests/common.py`."""
    folder = os.environ.get(SOURCE)
    if not folder:
        pytest.skip(f"{SOURCE} names no source of Snakemake")
    path = Path(folder) / "tests/common.py"
    spec = importlib.util.spec_from_file_location("snakemake_core_tests", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", CASES)
def test_of_snakemake(name: str, core: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It passes as with Snakemake's own executors."""
    for variable in ("HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / variable))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(ExecutorPluginRegistry, "_instance", None)
    folder = Path(os.environ[SOURCE]) / "tests" / name
    more = {"executor": "hpccompose", "executor_settings": ExecutorSettings(engine="local"), "nodes": 3, **CASES[name]}
    core.run(folder, set_pythonpath=False, **more)
