"""What `--resume-diff-only` shows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from compose_core.errors import UsageError
from compose_core.submission.resume_drift import resume_diff
from compose_core.terminal_text import terminal_text

if TYPE_CHECKING:
    from compose_core.cli.output import Output
    from compose_core.plan import Plan
    from compose_core.submission.resume_drift import Change

_SHOWN_CHARACTERS = 300


def show_resume_diff(output: Output, plan: Plan) -> None:
    """The configuration against that of the latest run in the resume folder.

    Raises: UsageError: the file has no x-slurm.resume.
    """
    if plan.resume is None:
        raise UsageError("the file has no x-slurm.resume", remedy="Without it there is nothing to go on from.")
    diff = resume_diff(plan.resume)
    if output.is_json:
        output.json(diff.as_json())
    elif diff.earlier is None:
        output.talk(f"no run has used {diff.resume_dir} so far")
    elif not diff.changes:
        output.talk(f"nothing changed since job {diff.earlier.job_id}")
    else:
        output.talk(f"changed since job {diff.earlier.job_id}:")
        for change in diff.changes:
            output.data(_line(change))


def _line(change: Change) -> str:
    match change.kind:
        case "added":
            text = f"+ {change.key}: {_value(change.after)}"
        case "removed":
            text = f"- {change.key}: {_value(change.before)}"
        case "changed":
            text = f"~ {change.key}: {_value(change.before)} -> {_value(change.after)}"
        case "hidden":
            text = f"? {change.key}: {_value(change.after)} (a value that is not shown)"
    return terminal_text(text)


def _value(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
