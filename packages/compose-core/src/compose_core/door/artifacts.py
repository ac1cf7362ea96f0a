"""What was exported, bundle by bundle, small enough to be kept beside a task."""

from __future__ import annotations

import hashlib
from typing import Any

from compose_core.tracking.artifacts import ExportedBundle, ExportReport


def bundle_reports(report: ExportReport, *, checksum: bool) -> dict[str, Any]:
    """By name: folder, manifest, files and bytes, and one digest of names and contents."""
    return {bundle.name: _bundle(bundle, report, checksum=checksum) for bundle in report.bundles}


def _bundle(bundle: ExportedBundle, report: ExportReport, *, checksum: bool) -> dict[str, Any]:
    entries = [entry for entry in bundle.files if entry.entry_type != "folder"]
    return {
        "uri": bundle.export_dir,
        "manifest": bundle.provenance_path,
        "sha256": _digest(bundle) if checksum else None,
        "bytes": sum(entry.size_bytes for entry in entries),
        "files": len(entries),
        "complete": report.is_complete and not bundle.skipped,
    }


def _digest(bundle: ExportedBundle) -> str:
    """The same for the same files, wherever they lie."""
    digest = hashlib.sha256()
    for entry in sorted(bundle.files, key=lambda entry: entry.relative_path):
        what = entry.sha256 or entry.link_target or entry.entry_type
        digest.update(f"{entry.relative_path}\0{what}\0".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()
