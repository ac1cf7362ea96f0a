"""What `x-slurm.resume` changes in a plan."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from compose_core.errors import SpecError
from compose_core.plan import Plan, PlanContext, build_plan
from compose_core.plan.model import shown
from compose_core.plan.report import mount_text, plan_report
from compose_core.spec import load_spec


def plan_of(folder: Path, path: str | None, *, backend: str = "pyxis", engine: str = "slurm", **service: Any) -> Plan:
    """The plan of a file with this resume folder."""
    slurm = {"resume": {"path": path}} if path else {}
    image = {} if backend == "host" else {"image": "/images/base.sif" if backend == "apptainer" else "/images/a.sqsh"}
    spec = {
        "runtime": {"backend": backend},
        "x-slurm": slurm,
        "services": {"train": {"command": ["train"], **image, **service}},
    }
    (folder / "compose.yaml").write_text(json.dumps(spec))
    context = PlanContext(
        engine="local" if engine == "local" else "slurm",
        home="/home/me",
        container_backends=("pyxis", "enroot", "apptainer"),
    )
    return build_plan(load_spec(folder / "compose.yaml", variables={}), context)


@pytest.mark.parametrize("backend", ["pyxis", "enroot", "apptainer"])
def test_every_container_sees_the_folder_and_is_told_of_it(tmp_path: Path, backend: str) -> None:
    """At the same place, whatever the host path is."""
    step = plan_of(tmp_path, "/shared/me//run/", backend=backend).step("train")
    assert "/shared/me/run:/hpc-compose/resume" in [mount_text(mount) for mount in step.mounts]
    told = {entry.name: shown(entry.value) for entry in step.environment}
    assert told["HPC_COMPOSE_RESUME_DIR"] == "/hpc-compose/resume"
    assert {"HPC_COMPOSE_ATTEMPT", "HPC_COMPOSE_IS_RESUME"} <= set(told)


def test_on_the_host_the_mount_stands_for_the_folder(tmp_path: Path) -> None:
    """In what is no shell text; the supervisor fills it in."""
    service: dict[str, Any] = {
        "command": ["train", "--from=/hpc-compose/resume/x", "/hpc-compose/resumes"],
        "working_dir": "/hpc-compose/resume",
    }
    step = plan_of(tmp_path, "/shared/run", backend="host", **service).step("train")
    assert [shown(word) for word in step.command] == [
        "train",
        "--from=${HPC_COMPOSE_RESUME_DIR}/x",
        "/hpc-compose/resumes",
    ]
    assert step.working_dir
    assert shown(step.working_dir) == "${HPC_COMPOSE_RESUME_DIR}"
    assert step.mounts == ()


def test_shell_text_on_the_host_is_warned_of(tmp_path: Path) -> None:
    """It is not changed."""
    plan = plan_of(tmp_path, "/shared/run", backend="host", command="cat /hpc-compose/resume/step")
    (warning,) = plan.warnings
    assert "HPC_COMPOSE_RESUME_DIR" in warning.remedy


def test_without_the_key_nothing_changes(tmp_path: Path) -> None:
    """No mount, no variable, no rule."""
    plan = plan_of(tmp_path, None)
    assert plan.resume is None
    assert "resume" not in json.dumps(plan_report(plan)).replace('"resume_dir": null', "")


@pytest.mark.parametrize(("engine", "warned"), [("slurm", True), ("local", False)])
@pytest.mark.parametrize("path", ["/tmp/run", "/var/tmp/run"])
def test_a_folder_of_one_node_is_warned_of(tmp_path: Path, engine: str, path: str, warned: bool) -> None:
    """Where there are several nodes."""
    plan = plan_of(tmp_path, path, backend="host", engine=engine)
    assert ("resume-not-shared" in [problem.code for problem in plan.warnings]) == warned


def test_a_path_that_no_mount_can_name_is_refused(tmp_path: Path) -> None:
    """On the host it is a folder like any other."""
    with pytest.raises(SpecError) as caught:
        plan_of(tmp_path, "/shared/a:b")
    assert [problem.code for problem in caught.value.problems] == ["mount-syntax"]
    assert plan_of(tmp_path, "/shared/a:b", backend="host").resume
