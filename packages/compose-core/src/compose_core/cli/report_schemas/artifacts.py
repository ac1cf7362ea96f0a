"""Reports of `artifacts`."""

from __future__ import annotations

from pydantic import ConfigDict

from compose_core.cli.report_schemas.job import RecordReport
from compose_core.cli.report_schemas.report import Part, Report
from compose_core.records.manifest import Manifest


class ExportedFileReport(Part):
    """One entry of an export."""

    relative_path: str
    entry_type: str
    size_bytes: int | None
    sha256: str | None
    link_target: str | None


class BundleReport(Part):
    """One exported bundle."""

    name: str
    export_dir: str
    provenance_path: str
    tarball_path: str | None
    exported_paths: list[str]
    files: list[ExportedFileReport]
    skipped: list[str]
    """What was collected and not exported, and why."""
    warnings: list[str]


class ManifestReport(Manifest):
    """What the job collected."""

    model_config = ConfigDict(extra="forbid")


class ArtifactsReport(Report):
    """`artifacts`."""

    record: RecordReport
    manifest_path: str
    payload_dir: str
    export_dir: str
    manifest: ManifestReport
    complete: bool
    selected_bundles: list[str]
    bundles: list[BundleReport]
    exported_paths: list[str]
    tarball_paths: list[str]
    warnings: list[str]


class ArrayArtifactsReport(Report):
    """`artifacts` of an array."""

    record: RecordReport
    tasks: list[ArtifactsReport]
    tasks_without_artifacts: list[str]
    exported_paths: list[str]
