"""Secrets in the plan: references, never values."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from compose_core.plan import Plan, PlanContext, build_plan
from compose_core.plan.model import Backend, shown
from compose_core.plan.report import plan_report
from compose_core.spec import load_spec

SPEC = """
runtime: {backend: %s}
x-slurm: {%s}
secrets:
  KEY: {env: SOURCE}
  FILE_KEY: {file: keys/one}
  HOME_KEY: {file: ~/two}
  UNUSED: {env: UNUSED}
services:
  app: {image: %s, command: [run], secrets: [KEY, FILE_KEY, HOME_KEY]}
"""


def plan_of(folder: Path, backend: Backend = "pyxis", slurm: str = "") -> Plan:
    image = {"enroot": "/images/a.sqsh", "apptainer": "/images/a.sif"}.get(backend, "alpine")
    (folder / "compose.yaml").write_text(SPEC % (backend, slurm, image))
    context = PlanContext(engine="slurm", home="/home/me", container_backends=("pyxis", "enroot", "apptainer"))
    return build_plan(load_spec(folder / "compose.yaml", variables={"SOURCE": "hunter2"}), context)


def test_the_plan_knows_where_each_used_secret_is_read(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    assert [(secret.name, secret.file, secret.env) for secret in plan.secrets] == [
        ("KEY", None, "SOURCE"),
        ("FILE_KEY", f"{tmp_path}/keys/one", None),
        ("HOME_KEY", "/home/me/two", None),
    ]
    assert plan.steps[0].secrets == ("KEY", "FILE_KEY", "HOME_KEY")


def test_a_report_shows_the_references(tmp_path: Path) -> None:
    report = plan_report(plan_of(tmp_path))
    assert report["secrets"]["KEY"] == {"file": None, "env": "SOURCE"}
    assert report["services"][0]["secrets"] == ["KEY", "FILE_KEY", "HOME_KEY"]
    assert "hunter2" not in json.dumps(report)


@pytest.mark.parametrize(
    ("backend", "expected"),
    [
        ("pyxis", ",KEY,FILE_KEY,HOME_KEY run"),
        ("enroot", "--env KEY --env FILE_KEY --env HOME_KEY"),
        ("host", "run"),
        ("apptainer", "apptainer exec"),
    ],
)
def test_containers_are_given_the_names_alone(tmp_path: Path, backend: Backend, expected: str) -> None:
    step = plan_of(tmp_path, backend).steps[0]
    words = " ".join(map(shown, (*step.srun_options, *step.argv)))
    assert expected in words
    assert ("KEY" in words) is (backend in ("pyxis", "enroot"))


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("", None),
        ("export: ALL", "ALL"),
        ('export: "ALL,A=b"', "ALL,A=b"),
        ("export: NONE", "SOURCE"),
        ("export: none", "SOURCE"),
        ("export: PATH", "PATH,SOURCE"),
        ('export: "PATH,SOURCE"', "PATH,SOURCE"),
    ],
)
def test_a_restricted_export_lets_the_secrets_variables_through(
    tmp_path: Path, written: str, expected: str | None
) -> None:
    directives = {directive.option: directive.value for directive in plan_of(tmp_path, slurm=written).directives}
    assert directives.get("--export") == expected
