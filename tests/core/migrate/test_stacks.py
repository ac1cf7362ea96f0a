"""Thirty-odd Docker Compose files of common stacks: each becomes a valid file, the one that is written down."""

from __future__ import annotations

from pathlib import Path

import pytest

from compose_core import PlanContext, build_plan, load_spec, render_script
from tests.core.migrate.golden import ACCOUNT, RESULT, STACKS, account, migrated

ON_SLURM = PlanContext(
    engine="slurm", home="/home/ada", container_backends=("pyxis", "enroot", "apptainer"), machine="x86_64"
)


@pytest.mark.parametrize("stack", STACKS, ids=lambda stack: stack.name)
def test_a_stack_becomes_what_is_written_down(stack: Path) -> None:
    made = migrated(stack)
    assert made.text() == (stack / RESULT).read_text()
    assert account(made) == (stack / ACCOUNT).read_text()


@pytest.mark.parametrize("stack", STACKS, ids=lambda stack: stack.name)
def test_a_converted_stack_is_valid_and_renders(stack: Path) -> None:
    loaded = load_spec(stack / RESULT, variables={"PWD": "/work", "USER": "ada"})
    plan = build_plan(loaded, ON_SLURM)
    assert {step.service for step in plan.steps} == set(loaded.spec.services)
    assert render_script(plan).startswith("#!")


@pytest.mark.parametrize("stack", STACKS, ids=lambda stack: stack.name)
def test_every_key_of_a_service_is_accounted_for(stack: Path) -> None:
    made = migrated(stack)
    told = "\n".join(note.key_path for note in made.notes)
    text = (stack / "docker-compose.yaml").read_text()
    for line in text.partition("services:")[2].splitlines():
        key, colon, _ = line.strip().partition(":")
        if colon and line.startswith("    ") and not line.startswith("     ") and key.isidentifier():
            assert f".{key}" in told, key


def test_there_are_thirty_of_them() -> None:
    assert len(STACKS) >= 30
