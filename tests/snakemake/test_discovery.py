"""The real Snakemake finds the executor, shows its options, and runs a workflow with it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.adapters

SNAKEFILE = """
rule greet:
    output: "greeting.txt"
    shell: "echo hello > {output}"
"""


@pytest.fixture
def workflow(tmp_path: Path) -> Path:
    """A folder with a workflow of one rule."""
    (tmp_path / "Snakefile").write_text(SNAKEFILE, encoding="utf-8")
    return tmp_path


def snakemake(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Snakemake's own command line in `folder`; both streams in `stdout`."""
    return subprocess.run(
        [sys.executable, "-m", "snakemake", *arguments],
        cwd=folder,
        check=False,
        env={**os.environ, "XDG_STATE_HOME": str(folder / "state")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
    )


def python(program: str) -> str:
    """What `program` prints in a fresh interpreter of the environment that holds Snakemake."""
    return subprocess.run(
        [sys.executable, "-c", program],
        check=True,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    ).stdout


def test_the_registry_knows_the_plugin_by_its_package_name_alone() -> None:
    """Snakemake scans for import names; no entry point would help a package with another name."""
    found = python(
        "from snakemake_interface_executor_plugins.registry import ExecutorPluginRegistry as Registry\n"
        "plugin = Registry().get_plugin('hpccompose')\n"
        "print(plugin.common_settings.non_local_exec, plugin.common_settings.implies_no_shared_fs)"
    )
    assert found.split() == ["True", "False"]


def test_help_lists_the_executor_and_its_settings(workflow: Path) -> None:
    """The options of a profile are looked up here."""
    shown = snakemake(workflow, "--executor", "hpccompose", "--help")
    assert shown.returncode == 0
    assert "--hpccompose-engine" in shown.stdout
    assert "SNAKEMAKE_HPCCOMPOSE_ENGINE" in shown.stdout


def test_a_workflow_runs_on_this_machine(workflow: Path) -> None:
    """Without a cluster the local engine runs the same jobs."""
    run = snakemake(workflow, "--executor", "hpccompose", "--hpccompose-engine", "local", "--jobs", "2")
    assert run.returncode == 0, run.stdout
    assert (workflow / "greeting.txt").read_text(encoding="utf-8") == "hello\n"


def test_a_dry_run_works(workflow: Path) -> None:
    """Planning a workflow submits nothing."""
    run = snakemake(workflow, "--executor", "hpccompose", "--jobs", "2", "--dry-run")
    assert run.returncode == 0
    assert "rule greet" in run.stdout


def test_the_plugin_imports_nothing_beyond_snakemakes_interface() -> None:
    """Every Snakemake process imports every plugin, also inside each job, so its weight is paid thousands of times."""
    added = json.loads(
        python(
            "import json, sys\n"
            "from snakemake_interface_executor_plugins.executors import remote\n"
            "from snakemake_interface_executor_plugins import settings, workflow\n"
            "before = set(sys.modules)\n"
            "import snakemake_executor_plugin_hpccompose\n"
            "print(json.dumps(sorted(set(sys.modules) - before)))"
        )
    )
    assert added == ["snakemake_executor_plugin_hpccompose"]


def test_the_plugin_costs_little_more_than_snakemakes_interface() -> None:
    """At most 20 ms of CPU time, at the best of three."""
    took_s = [
        float(
            python(
                "import time\n"
                "from snakemake_interface_executor_plugins.executors import remote\n"
                "from snakemake_interface_executor_plugins import settings, workflow\n"
                "began = time.process_time()\n"
                "import snakemake_executor_plugin_hpccompose\n"
                "print(time.process_time() - began)"
            )
        )
        for _ in range(3)
    ]
    assert min(took_s) < 0.02
