"""Reports of `prepare` and `cache`."""

from __future__ import annotations

from typing import Literal

from compose_core.cli.report_schemas.report import Part, Report


class ImageDecisionReport(Part):
    """One image file, what becomes of it, and why."""

    action: Literal["import", "build", "reuse", "missing"]
    kind: Literal["base", "prepared", "local"]
    path: str
    image: str
    services: list[str]
    reason: str
    key: str | None


class MadeImageReport(ImageDecisionReport):
    """One image file, and what was done."""

    how: Literal["imported", "built", "reused", "waited", "local"] | None
    """None: nothing was done yet."""
    size_bytes: int | None = None
    took_s: float = 0.0


class PrepareReport(Report):
    """`prepare`."""

    compose_file: str
    cache_dir: str
    dry_run: bool
    images: list[MadeImageReport]


class CacheEntryReport(Part):
    """One cached image."""

    path: str
    kind: Literal["base", "prepared"]
    state: Literal["complete", "absent", "unusable"]
    why: str
    key: str | None
    source_image: str | None
    services: list[str]
    tool: Literal["enroot", "apptainer"] | None
    sha256: str | None
    prepare_commands: list[str]
    size_bytes: int
    created_at: float | None
    last_used_at: float | None
    jobs: list[str]


class CacheListReport(Report):
    """`cache list`."""

    cache_dir: str
    entries: list[CacheEntryReport]


class InspectedImageReport(ImageDecisionReport):
    """One image file of a plan, and what the cache holds of it."""

    entry: CacheEntryReport | None


class CacheInspectReport(Report):
    """`cache inspect`."""

    cache_dir: str
    images: list[InspectedImageReport]


class PrunedEntryReport(CacheEntryReport):
    """One cached image, and what became of it."""

    outcome: Literal["removed", "used by a job", "needed by the file", "used lately", "being made"]


class CachePruneReport(Report):
    """`cache prune`."""

    cache_dir: str
    dry_run: bool
    entries: list[PrunedEntryReport]
    bytes_freed: int
