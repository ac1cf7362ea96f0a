"""What the submitting host can tell of a job's secrets."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from compose_core.errors import Location, SpecError
from compose_core.plan.model import Plan, PlannedSecret
from compose_core.records.intent import Intent
from compose_core.submission.secret_sources import SECRET_LIMIT, secret_problems
from compose_core.submission.submit import submit_plan
from tests.core.submission.world import SCRIPT, World

WHERE = Location(file="compose.yaml", line=3)


def plan_with(world: World, secret: PlannedSecret, **changes: object) -> Plan:
    return world.plan(secrets=(secret,), **changes)


def from_file(path: Path) -> PlannedSecret:
    return PlannedSecret(name="KEY", file=str(path), where=WHERE)


FROM_VARIABLE = PlannedSecret(name="KEY", env="SOURCE", where=WHERE)


@pytest.mark.parametrize("environment", [{}, {"SOURCE": ""}, {"SOURCE": "x" * (SECRET_LIMIT + 1)}])
def test_a_variable_that_cannot_be_used_is_an_error_before_anything_is_written(
    world: World, environment: dict[str, str]
) -> None:
    context = replace(world.context(), environment=environment)
    with pytest.raises(SpecError, match="the secret KEY comes from the variable SOURCE") as raised:
        submit_plan(context, plan_with(world, FROM_VARIABLE), SCRIPT)
    assert raised.value.problems[0].where == WHERE
    assert "xxx" not in str(raised.value)
    assert world.tokens() == world.open_marks() == []


def test_setup_may_still_set_a_variable(world: World) -> None:
    """So its absence here is only a warning."""
    (problem,) = secret_problems(plan_with(world, FROM_VARIABLE, setup=("export SOURCE=x",)), {}, is_here=False)
    assert (problem.code, problem.severity) == ("secret-missing", "warning")


def test_the_scheduler_is_told_which_variables_the_job_needs(world: World) -> None:
    """By name alone, and so is a later client that finishes the submission."""
    context = replace(world.context(), environment={"SOURCE": "hunter2-hunter2"})
    submission = submit_plan(context, plan_with(world, FROM_VARIABLE), SCRIPT)
    assert world.engine.requests[0].secret_variables == ("SOURCE",)
    intent = Intent.read(world.project.submission(submission.token).intent)
    assert intent is not None
    assert intent.secret_variables == ("SOURCE",)
    texts = [path.read_bytes() for path in world.root.rglob("*") if path.is_file()]
    assert texts
    assert not [text for text in texts if b"hunter2" in text]


def test_an_attached_submission_needs_no_secret(world: World) -> None:
    """The job that the run key stands for has it already."""
    plan = plan_with(world, FROM_VARIABLE)
    first = submit_plan(replace(world.context(), environment={"SOURCE": "x"}), plan, SCRIPT, run_key="task")
    second = submit_plan(world.context(), plan, SCRIPT, run_key="task")
    assert (second.job_id, second.attached) == (first.job_id, True)


def test_a_missing_file_may_be_there_on_the_node(world: World, tmp_path: Path) -> None:
    """A warning for a cluster; on this machine there is no other node."""
    plan = plan_with(world, from_file(tmp_path / "none"))
    (problem,) = secret_problems(plan, {}, is_here=False)
    assert (problem.severity, problem.code) == ("warning", "secret-missing")
    with pytest.raises(SpecError, match="cannot be seen here"):
        secret_problems(plan, {}, is_here=True)


def test_a_sound_file_is_no_problem(world: World, tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("x")
    path.chmod(0o600)
    assert secret_problems(plan_with(world, from_file(path)), {}, is_here=True) == ()


def test_a_file_that_the_node_would_refuse_is_an_error(world: World, tmp_path: Path) -> None:
    path, link = tmp_path / "key", tmp_path / "link"
    path.write_text("x")
    link.symlink_to(path)
    for source, mode, content, message in (
        (path, 0o644, "x", "0644 lets others read or change it"),
        (path, 0o602, "x", "0602 lets others"),
        (path, 0o600, "", "holds 0 bytes"),
        (path, 0o600, "x" * (SECRET_LIMIT + 2), "bytes"),
        (link, 0o600, "x", "is no regular file"),
        (tmp_path, 0o700, "", "is no regular file"),
    ):
        if source is path:
            path.write_text(content)
            path.chmod(mode)
        with pytest.raises(SpecError, match=message):
            secret_problems(plan_with(world, from_file(source)), {}, is_here=False)
