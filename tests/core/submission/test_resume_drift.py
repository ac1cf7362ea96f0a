"""A configuration that is not that of the run whose checkpoint is there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from compose_core.errors import HpccError, RecordError
from compose_core.plan import Plan, PlanContext, build_plan
from compose_core.records.resume_note import ResumeNote, resume_note_path
from compose_core.spec import load_spec
from compose_core.submission.resume_drift import Change, refuse_drift, resume_diff

CANARY = "hunter2-4711"


def plan_of(folder: Path, **changes: Any) -> Plan:
    """The plan of a file with a resume folder."""
    service = {"command": "train --lr 1", "environment": {"MODE": "fast"}, **changes.pop("service", {})}
    slurm = {"resume": {"path": str(folder / "run")}, **changes.pop("slurm", {})}
    spec = {"name": "t", "runtime": {"backend": "host"}, "x-slurm": slurm, "services": {"train": service}, **changes}
    (folder / "compose.yaml").write_text(json.dumps(spec))
    return build_plan(load_spec(folder / "compose.yaml", variables={}), PlanContext(engine="slurm", home="/home/me"))


def leave_note(plan: Plan, **fields: Any) -> ResumeNote:
    """What a run of this plan leaves in the folder."""
    assert plan.resume
    note = {"job_id": "7", "config_sha256": plan.resume.config_sha256, "config": json.loads(plan.resume.config)}
    parsed = ResumeNote.model_validate({**note, **fields})
    parsed.replace(resume_note_path(plan.resume.path))
    return parsed


def changes_of(plan: Plan) -> tuple[Change, ...]:
    """What changed since the latest run."""
    assert plan.resume
    return resume_diff(plan.resume).changes


def test_the_first_run_in_a_folder_is_free(tmp_path: Path) -> None:
    """And it makes nothing there."""
    refuse_drift(plan_of(tmp_path))
    assert not (tmp_path / "run").exists()


def test_the_same_configuration_goes_on(tmp_path: Path) -> None:
    """Also when it is written in another way."""
    leave_note(plan_of(tmp_path))
    refuse_drift(plan_of(tmp_path))
    refuse_drift(plan_of(tmp_path, slurm={"resume": {"path": f"{tmp_path}/run"}}))


def test_every_change_is_named(tmp_path: Path) -> None:
    """Added, removed, changed; lists are one value."""
    leave_note(plan_of(tmp_path, slurm={"time": "10"}))
    service = {"command": "train --lr 2", "environment": {"MODE": "fast", "MORE": "1"}}
    plan = plan_of(tmp_path, service=service)
    assert [(change.key, change.kind) for change in changes_of(plan)] == [
        ("services.train.command", "changed"),
        ("services.train.environment.MORE", "added"),
        ("x-slurm.time", "removed"),
    ]
    with pytest.raises(HpccError, match=r"job 7, .*train\.command, .*MORE \(added\), x-slurm\.time \(removed\)"):
        refuse_drift(plan)


def test_a_secret_counts_and_is_not_shown(tmp_path: Path) -> None:
    """Neither in what is kept nor in what is told."""
    plan = plan_of(tmp_path, service={"environment": {"API_TOKEN": CANARY}})
    leave_note(plan)
    changed = plan_of(tmp_path, service={"environment": {"API_TOKEN": CANARY + "-new"}})
    assert [(change.key, change.kind) for change in changes_of(changed)] == [
        ("services.train.environment.API_TOKEN", "hidden")
    ]
    assert changed.resume
    assert CANARY not in resume_note_path(changed.resume.path).path.read_text()
    assert CANARY not in json.dumps(resume_diff(changed.resume).as_json())


@pytest.mark.parametrize(
    "command",
    [
        f"API_TOKEN={CANARY} train",
        f"train --password {CANARY}",
        f"train --api-key='{CANARY}'",
        f"curl https://me:{CANARY}@example.org/data",
        f'echo \'{{"secret": "{CANARY}"}}\' > settings',
        f"export AWS_SECRET_ACCESS_KEY={CANARY}; train",
    ],
)
def test_a_secret_in_shell_text_is_not_kept(tmp_path: Path, command: str) -> None:
    """The folder may be a shared one."""
    for fields in ({"service": {"command": command}}, {"slurm": {"setup": [command]}}):
        plan = plan_of(tmp_path, **fields)
        assert plan.resume
        assert CANARY not in plan.resume.config
        assert "train" in plan.resume.config


def test_the_digest_decides(tmp_path: Path) -> None:
    """Not how a release writes the configuration down."""
    plan = plan_of(tmp_path)
    leave_note(plan, config={"written": "differently"})
    assert changes_of(plan) == ()
    leave_note(plan, config_sha256="other")
    assert [change.kind for change in changes_of(plan)] == ["hidden"]


def test_a_note_that_cannot_be_read_is_no_reason_to_go_on(tmp_path: Path) -> None:
    """A link there is not followed."""
    plan = plan_of(tmp_path)
    leave_note(plan)
    assert plan.resume
    note = resume_note_path(plan.resume.path).path
    note.rename(tmp_path / "elsewhere")
    note.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RecordError):
        refuse_drift(plan)
    note.unlink()
    note.write_text("{")
    with pytest.raises(RecordError):
        refuse_drift(plan)


def test_many_changes_fit_into_a_sentence(tmp_path: Path) -> None:
    """The rest is counted."""
    leave_note(plan_of(tmp_path))
    variables = {f"V{number:02}": "1" for number in range(30)}
    with pytest.raises(HpccError, match=r"V10 \(added\), and 19 more"):
        refuse_drift(plan_of(tmp_path, service={"environment": variables}))
