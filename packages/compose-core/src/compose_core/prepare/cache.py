"""The image cache as a person looks at it: what lies there, and what may go."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from compose_core.clock import Clock
from compose_core.cluster.lease import lease
from compose_core.errors import RecordError
from compose_core.prepare.found import Found, looked_at
from compose_core.records.atomic import file_exists, names_in, remove_file, remove_old_temporaries
from compose_core.records.our_path import OurPath, opened_folder
from compose_core.records.paths import CachePaths, image_lease, image_record, image_use
from compose_core.records.tree import remove_tree

_SUFFIXES = (".sqsh", ".sif")
_JUST_TAKEN_S = 30.0
"""A plan that took an image so short ago may be about to be submitted."""
_REMAINS_S = 24 * 3600.0
"""The folder of a build that nobody has touched for so long belongs to a process that was killed."""

Why = Literal["removed", "used by a job", "needed by the file", "used lately", "being made"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheEntry:
    """One image file of the cache."""

    path: str
    kind: Literal["base", "prepared"]
    found: Found
    size_bytes: int
    jobs: tuple[str, ...] = ()
    """Jobs that are not over and start from it."""

    @property
    def used_at(self) -> float | None:
        """When a plan took it last; None: it was never finished."""
        return self.found.used_at

    def as_json(self) -> dict[str, Any]:
        """The fields of the reports."""
        record = self.found.record
        return {
            "path": self.path,
            "kind": self.kind,
            "state": self.found.state,
            "why": self.found.why,
            "key": record.key if record else None,
            "source_image": record.source_image if record else None,
            "services": list(record.services) if record else [],
            "tool": record.tool if record else None,
            "sha256": record.sha256 if record else None,
            "prepare_commands": list(record.prepare.commands) if record and record.prepare else [],
            "size_bytes": self.size_bytes,
            "created_at": record.created_at if record else None,
            "last_used_at": self.used_at,
            "jobs": list(self.jobs),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneRule:
    """What may go; jobs that are not over keep theirs in any case."""

    older_than_s: float | None = None
    """What was used last longer ago than this."""
    needed: Collection[str] | None = None
    """Everything but these files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PrunedEntry:
    """One image file, and what became of it."""

    entry: CacheEntry
    outcome: Why

    def as_json(self) -> dict[str, Any]:
        """The fields of the report."""
        return {**self.entry.as_json(), "outcome": self.outcome}


@dataclass(slots=True)
class PruneReport:
    """What a prune did, or would do."""

    dry_run: bool
    entries: list[PrunedEntry] = field(default_factory=list)
    remains_bytes: int = 0
    """Of builds that were killed."""

    @property
    def bytes_freed(self) -> int:
        """Of all that went."""
        return self.remains_bytes + sum(one.entry.size_bytes for one in self.entries if one.outcome == "removed")

    def as_json(self) -> dict[str, Any]:
        """The fields of the report."""
        return {
            "schema_version": 1,
            "dry_run": self.dry_run,
            "entries": [one.as_json() for one in self.entries],
            "bytes_freed": self.bytes_freed,
        }


def cache_entries(cache: CachePaths, jobs_of: dict[str, tuple[str, ...]]) -> tuple[CacheEntry, ...]:
    """Every image file of the cache, bases first; `jobs_of` tells which jobs start from which file.

    Raises: RecordError: a folder of the cache cannot be read, or is not ours.
    """
    entries = []
    kinds: tuple[Literal["base", "prepared"], ...] = ("base", "prepared")
    for kind, folder in zip(kinds, (cache.base, cache.prepared)):
        for name in names_in(folder):
            if name.name.endswith(_SUFFIXES):
                file = folder / name.name
                entries.append(
                    CacheEntry(
                        path=str(file),
                        kind=kind,
                        found=looked_at(file),
                        size_bytes=_size(file),
                        jobs=jobs_of.get(str(file), ()),
                    )
                )
    return tuple(entries)


def prune(
    cache: CachePaths, entries: Iterable[CacheEntry], rule: PruneRule, clock: Clock, *, host: str, dry_run: bool
) -> PruneReport:
    """Remove what the rule lets go. The record goes first, so what is left of a prune that dies looks unfinished."""
    report = PruneReport(dry_run=dry_run)
    now = clock.now()
    for entry in entries:
        outcome = _outcome(entry, rule, now)
        if outcome == "removed" and not dry_run and not _remove(cache.image(entry.path), clock, host=host):
            outcome = "being made"
        report.entries.append(PrunedEntry(entry=entry, outcome=outcome))
    if not dry_run:
        report.remains_bytes = _remove_remains(cache, clock, host=host)
    return report


def _outcome(entry: CacheEntry, rule: PruneRule, now: float) -> Why:
    if entry.jobs:
        return "used by a job"
    if rule.needed is not None:
        if entry.path in rule.needed:
            return "needed by the file"
        is_fresh = entry.used_at is not None and now - entry.used_at < _JUST_TAKEN_S
        return "used lately" if is_fresh else "removed"
    age = now - entry.used_at if entry.used_at is not None else float("inf")
    return "removed" if age >= (rule.older_than_s or 0.0) else "used lately"


def _remove(file: OurPath, clock: Clock, *, host: str) -> bool:
    """False: somebody makes the image just now."""
    with lease(image_lease(file), clock, host=host, go_on=lambda _: False) as held:
        if held is not None:
            for path in (image_record(file), file, image_use(file)):
                remove_file(path)
        return held is not None


def _remove_remains(cache: CachePaths, clock: Clock, *, host: str) -> int:
    freed, now = 0, clock.now()
    for name in names_in(cache.building):
        folder = cache.building / name.name
        image = name.name.rpartition(".")[0] or name.name
        is_made = any(_is_being_made(kind / image, clock, host=host) for kind in (cache.base, cache.prepared))
        if name.kind == "folder" and not is_made and now - _changed_at(folder) > _REMAINS_S:
            freed += remove_tree(folder).bytes
    for folder in (cache.base, cache.prepared):
        remove_old_temporaries(folder, before_epoch_s=now - _REMAINS_S)
    return freed


def _is_being_made(file: OurPath, clock: Clock, *, host: str) -> bool:
    """A lease is there, and its holder is not known to be gone."""
    if not file_exists(image_lease(file)):
        return False
    with lease(image_lease(file), clock, host=host, go_on=lambda _: False) as held:
        return held is None


def _size(file: OurPath) -> int:
    try:
        with opened_folder(file.folder) as folder:
            return os.stat(file.name, dir_fd=folder, follow_symlinks=False).st_size
    except OSError:
        return 0


def _changed_at(folder: OurPath) -> float:
    try:
        return max(Path(folder).stat().st_mtime, *(path.stat().st_mtime for path in Path(folder).iterdir()), 0.0)
    except (OSError, RecordError):
        return float("inf")
