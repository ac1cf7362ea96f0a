"""`x-slurm.modules` on nodes with and without a module command."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from compose_core.plan import PlanContext, build_plan
from compose_core.render import render_script
from compose_core.spec import load_spec

SPEC = """
runtime: {backend: host}
x-slurm: {modules: [gcc/12, cuda]}
services: {app: {command: [true]}}
"""


def run(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """The part before the supervisor, which here only says what was loaded."""
    (folder / "compose.yaml").write_text(SPEC)
    plan = build_plan(load_spec(folder / "compose.yaml", variables={}), PlanContext(engine="local", home="/home/me"))
    (folder / "job.sbatch").write_text(render_script(plan))
    python = folder / "python"
    python.write_text('#!/bin/bash\n[[ " $* " == *" claim-only "* ]] || echo "loaded: ${LOADED-}"\n')
    python.chmod(0o755)
    return subprocess.run(
        ["bash", folder / "job.sbatch"],
        env={"PATH": "/usr/bin:/bin", "HPC_COMPOSE_PYTHON": str(python), "HOSTNAME": "node7", **environment},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def modules_home(folder: Path, body: str) -> str:
    """A folder as Environment Modules installs it."""
    (folder / "modules" / "init").mkdir(parents=True)
    (folder / "modules" / "init" / "bash").write_text(f"module() {{ {body}; }}\n")
    return str(folder / "modules")


def test_the_module_command_is_fetched_where_a_batch_script_does_not_have_it(tmp_path: Path) -> None:
    """All modules are loaded, in order."""
    done = run(tmp_path, MODULESHOME=modules_home(tmp_path, 'export LOADED="${LOADED-} $2"'))
    assert (done.returncode, done.stdout) == (0, "loaded:  gcc/12 cuda\n"), done.stderr


@pytest.mark.skipif(
    any(Path(path).exists() for path in ("/usr/share/lmod/lmod/init/bash", "/etc/profile.d/modules.sh")),
    reason="this machine has a module command",
)
def test_a_node_without_it_fails_the_job_with_a_message(tmp_path: Path) -> None:
    """Not with `module: command not found`."""
    done = run(tmp_path, MODULESHOME=str(tmp_path / "nothing"), LMOD_PKG=str(tmp_path / "nothing"))
    assert done.returncode == 3
    assert "node7 has no module command" in done.stderr
    assert "command not found" not in done.stderr


def test_a_module_that_cannot_be_loaded_ends_the_job_and_is_named(tmp_path: Path) -> None:
    """No service starts without what it needs."""
    done = run(tmp_path, MODULESHOME=modules_home(tmp_path, "echo no such module >&2; return 1"))
    assert done.returncode == 1
    assert "x-slurm.modules: gcc/12 cannot be loaded" in done.stderr
    assert "loaded" not in done.stdout
