"""The advice for an array as a whole: one request stands for all its tasks, so the task that needs most decides."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from compose_core.insight.rightsize import RightSize
from compose_core.insight.suggestion import Suggestion, Untouched

_Key = tuple[str, str | None]
"""Resource and service."""


def of_tasks(parts: Sequence[RightSize], *, job_id: str, state: str) -> RightSize:
    """More when any task needs more; less only when every task that ran would do with less."""
    keys: dict[_Key, None] = {}
    for part in parts:
        keys |= dict.fromkeys((item.resource, item.service) for item in part.suggestions)
        keys |= dict.fromkeys((item.resource, item.service) for item in part.untouched)
    found = [advice for key in keys for advice in _of_key(parts, key)]
    return RightSize(
        job_id=job_id,
        state=state,
        out_of_memory=any(part.out_of_memory for part in parts),
        suggestions=tuple(item for item in found if isinstance(item, Suggestion)),
        untouched=tuple(item for item in found if isinstance(item, Untouched)),
        notes=tuple(dict.fromkeys(note for part in parts for note in part.notes)),
    )


def _of_key(parts: Sequence[RightSize], key: _Key) -> Iterator[Suggestion | Untouched]:
    suggested = [(part, item) for part in parts for item in part.suggestions if (item.resource, item.service) == key]
    untouched = [item for part in parts for item in part.untouched if (item.resource, item.service) == key]
    more = [(part, item) for part, item in suggested if item.direction == "more"]
    if more:
        yield _most(more, f"{len(more)} of {len(parts)} tasks need more")
    elif untouched or not suggested:
        yield next((item for item in untouched if item.verdict == "fits"), untouched[0])
    else:
        yield _most(suggested, f"all {len(parts)} tasks would do with less")


def _most(found: Sequence[tuple[RightSize, Suggestion]], told: str) -> Suggestion:
    part, item = max(found, key=lambda one: one[1].suggested)
    return replace(item, evidence=f"{told}; task {part.job_id} needs most: {item.evidence}")
