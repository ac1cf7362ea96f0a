"""What changed since the latest run that used the same resume folder: going on from its checkpoint may then be wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from compose_core.errors import HpccError
from compose_core.plan.model import Plan, ResumeRules
from compose_core.records.resume_note import ResumeNote, resume_note_path
from compose_core.spec.leaves import leaves
from compose_core.spec.redaction import HIDDEN

Kind = Literal["added", "removed", "changed", "hidden"]
_SHOWN_KEYS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One key whose value is another one now."""

    key: str
    """As in `services.web.environment.MODE`."""
    kind: Kind
    """`hidden`: its value looks secret, and it is one of those that may have changed."""
    before: Any = None
    after: Any = None

    def as_json(self) -> dict[str, Any]:
        """The fields of a report."""
        return {"key": self.key, "kind": self.kind, "before": self.before, "after": self.after}


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeDiff:
    """The configuration against that of the latest run in the resume folder."""

    resume_dir: str
    earlier: ResumeNote | None
    """The latest run; None: there was none, so nothing can have changed."""
    changes: tuple[Change, ...] = ()

    @property
    def keys(self) -> str:
        """The changed keys, as many as a sentence holds."""
        names = [f"{change.key}{'' if change.kind == 'changed' else f' ({change.kind})'}" for change in self.changes]
        more = [f"and {len(names) - _SHOWN_KEYS} more"] if len(names) > _SHOWN_KEYS else []
        return ", ".join([*names[:_SHOWN_KEYS], *more])

    def as_json(self) -> dict[str, Any]:
        """The fields of a report."""
        earlier = self.earlier
        return {
            "schema_version": 1,
            "submitted": False,
            "resume_dir": self.resume_dir,
            "earlier_job_id": earlier.job_id if earlier else None,
            "earlier_attempt": earlier.attempt if earlier else None,
            "changed": bool(self.changes),
            "changes": [change.as_json() for change in self.changes],
        }


def resume_diff(rules: ResumeRules) -> ResumeDiff:
    """What differs from the latest run in the folder; the digests decide whether anything does.

    Raises: RecordError: what that run left there cannot be read, or is not ours.
    """
    earlier = ResumeNote.read(resume_note_path(rules.path))
    if earlier is None or earlier.config_sha256 == rules.config_sha256:
        return ResumeDiff(resume_dir=rules.path, earlier=earlier)
    before, after = leaves(earlier.config), leaves(json.loads(rules.config))
    changes = tuple(_changes(before, after)) or tuple(_hidden(after)) or (Change(key="(unknown)", kind="hidden"),)
    return ResumeDiff(resume_dir=rules.path, earlier=earlier, changes=changes)


def refuse_drift(plan: Plan) -> None:
    """Nothing happens when the plan may go on from where the latest run in its resume folder ended.

    Raises: HpccError: it is configured differently.
    """
    if plan.resume is None:
        return
    diff = resume_diff(plan.resume)
    if diff.changes and diff.earlier:
        raise HpccError(
            f"the configuration is not that of job {diff.earlier.job_id}, which used {diff.resume_dir} last: {diff.keys}",
            remedy="See what changed with --resume-diff-only; go on all the same with --allow-resume-changes.",
            code="resume-changed",
        )


def _changes(before: dict[str, Any], after: dict[str, Any]) -> Iterator[Change]:
    for key in sorted({*before, *after}):
        if key not in before:
            yield Change(key=key, kind="added", after=after[key])
        elif key not in after:
            yield Change(key=key, kind="removed", before=before[key])
        elif before[key] != after[key]:
            yield Change(key=key, kind="changed", before=before[key], after=after[key])


def _hidden(values: dict[str, Any]) -> Iterator[Change]:
    """Where a secret value may hide the difference."""
    for key, value in sorted(values.items()):
        if HIDDEN in json.dumps(value):
            yield Change(key=key, kind="hidden", before=value, after=value)
