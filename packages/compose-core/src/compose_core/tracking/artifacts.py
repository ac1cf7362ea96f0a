"""What a job collected, exported to where its compose file says: all of it, or nothing changes."""

from __future__ import annotations

import os
import re
import shutil
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from compose_core.clock import Clock
from compose_core.errors import HpccError, NoSuchJob, RecordError, UsageError
from compose_core.records.atomic import make_folder, names_in, read_file, remove_old_temporaries, replace_file
from compose_core.records.job_record import JobRecord
from compose_core.records.json_text import json_bytes, json_object
from compose_core.records.manifest import Manifest, ManifestBundle
from compose_core.records.our_path import OurPath, opened_folder, refuse
from compose_core.records.paths import ExportPaths, JobPaths
from compose_core.tracking.job_files import attempt_paths
from compose_core.tracking.payload import CopiedEntry, NotCopied, beneath, copy_entry
from compose_core.tracking.tarball import write_tarball
from compose_core.tracking.work_lock import work_lock

DEFAULT_BUNDLE = "default"
_BUNDLE_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_VARIABLE = re.compile(
    r"\$(?:\{(?P<braced>SLURM_(?:ARRAY_)?JOB_ID|SLURM_ARRAY_TASK_ID)\}"
    r"|(?P<bare>SLURM_(?:ARRAY_)?JOB_ID|SLURM_ARRAY_TASK_ID)(?![A-Za-z0-9_]))"
)
_WORK_PREFIX = ".hpc-compose-export."


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedBundle:
    """One bundle that was exported."""

    name: str
    export_dir: str
    provenance_path: str
    tarball_path: str | None
    files: tuple[CopiedEntry, ...]
    skipped: tuple[str, ...] = ()
    """Collected paths that were not exported; `warnings` says why."""
    warnings: tuple[str, ...] = ()

    @property
    def exported_paths(self) -> tuple[str, ...]:
        """Absolute paths of what was exported."""
        return tuple(str(Path(self.export_dir) / entry.relative_path) for entry in self.files)

    def as_json(self) -> dict[str, Any]:
        """The fields of a report."""
        return {
            "name": self.name,
            "export_dir": self.export_dir,
            "provenance_path": self.provenance_path,
            "tarball_path": self.tarball_path,
            "exported_paths": list(self.exported_paths),
            "files": [entry.as_json() for entry in self.files],
            "skipped": list(self.skipped),
            "warnings": list(self.warnings),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportReport:
    """What became of an export."""

    record: JobRecord
    manifest: Manifest
    manifest_path: str
    payload_dir: str
    export_dir: str
    bundles: tuple[ExportedBundle, ...]

    @property
    def is_complete(self) -> bool:
        """The job collected everything, and all of it was exported."""
        everything = not any(bundle.skipped for bundle in self.bundles)
        return self.manifest.complete and not self.manifest.missing and everything

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was not collected or not exported, and why."""
        missing = [f"{entry.path} was not collected: {entry.reason}" for entry in self.manifest.missing]
        if not self.manifest.complete and not missing:
            missing = ["the job ran out of time before it had collected everything"]
        own = [f"{bundle.name}: {warning}" for bundle in self.bundles for warning in bundle.warnings]
        of_bundles = {warning for bundle in self.manifest.bundles.values() for warning in bundle.warnings}
        general = [warning for warning in self.manifest.warnings if warning not in of_bundles]
        return (*general, *missing, *own)

    def as_json(self) -> dict[str, Any]:
        """The fields of a report."""
        return {
            "schema_version": 1,
            "record": self.record.as_json(),
            "manifest_path": self.manifest_path,
            "payload_dir": self.payload_dir,
            "export_dir": self.export_dir,
            "manifest": self.manifest.as_json(),
            "complete": self.is_complete,
            "selected_bundles": [bundle.name for bundle in self.bundles],
            "bundles": [bundle.as_json() for bundle in self.bundles],
            "exported_paths": [path for bundle in self.bundles for path in bundle.exported_paths],
            "tarball_paths": [bundle.tarball_path for bundle in self.bundles if bundle.tarball_path],
            "warnings": list(self.warnings),
        }


def export_artifacts(
    record: JobRecord,
    clock: Clock,
    *,
    bundles: Sequence[str] = (),
    tarball: bool = False,
    export_dir: Path | None = None,
    attempt: int | None = None,
) -> ExportReport:
    """The artifacts of the job's newest attempt, or of this one, at their place; of these bundles, of all when none is named.

    The default bundle goes to the export folder itself, another one to `bundles/<name>`. Files of an earlier export of
    the same bundle are replaced, everything else there stays.

    Raises: HpccError: the job collected nothing, or another export is going on.  UsageError: no such bundle or attempt, or no
    folder to export to.  RecordError: something cannot be read or written; the export folder is as it was.
    """
    paths = attempt_paths(record, attempt)
    manifest = _manifest(record, paths)
    selected = _selected(manifest, bundles)
    target = ExportPaths(_folder_of_task(export_dir.absolute(), record) if export_dir else export_folder(record))
    make_folder(target.folder)
    with work_lock(target.lock, clock, host=socket.gethostname()):
        _remove_leftovers(target, clock.now())
        export = _Export(record, manifest, paths, target, clock.now())
        exported = export.run(selected, tarball=tarball)
    return ExportReport(
        record=record,
        manifest=manifest,
        manifest_path=str(paths.manifest),
        payload_dir=str(paths.payload),
        export_dir=str(target.export_dir),
        bundles=exported,
    )


def export_folder(record: JobRecord) -> Path:
    """Where the compose file wants the artifacts, with the ids of job, array and task filled in.

    A task of an array whose folder is the same for all tasks gets one of its own in it: `<export folder>/12_3`.

    Raises: UsageError: it names no folder.
    """
    if not record.artifact_export_dir:
        raise UsageError(
            f"the compose file of job {record.job_id} names no folder for artifacts",
            remedy="Set x-slurm.artifacts.export_dir.",
            code="no-export-dir",
        )
    values = {"SLURM_JOB_ID": record.job_id}
    if record.array_task_id is not None:
        values |= {"SLURM_ARRAY_JOB_ID": str(record.array_job_id), "SLURM_ARRAY_TASK_ID": str(record.array_task_id)}
    named = set[str]()

    def value(match: re.Match[str]) -> str:
        name = match["braced"] or match["bare"]
        named.add(name)
        return values.get(name, match[0])

    text = _VARIABLE.sub(value, record.artifact_export_dir)
    if "\0" in text or "$" in text:
        raise UsageError(
            f"the export folder {text!r} cannot be used",
            remedy="${SLURM_JOB_ID} is filled in there, in an array ${SLURM_ARRAY_JOB_ID} and ${SLURM_ARRAY_TASK_ID} too.",
        )
    folder = Path(os.path.normpath(Path(record.submit_dir) / text))
    return folder if named & {"SLURM_JOB_ID", "SLURM_ARRAY_TASK_ID"} else _folder_of_task(folder, record)


def _folder_of_task(folder: Path, record: JobRecord) -> Path:
    """A folder that no other task of the array uses."""
    trial = record.sweep.trial_id if record.sweep else None
    is_own = trial is not None and re.search(rf"(?<![A-Za-z0-9]){re.escape(trial)}(?![A-Za-z0-9])", str(folder))
    return folder if record.array_task_id is None or is_own else folder / record.job_id


def _manifest(record: JobRecord, paths: JobPaths) -> Manifest:
    manifest = Manifest.read(paths.manifest)
    if manifest is None:
        raise HpccError(
            f"job {record.job_id} has collected no artifacts",
            remedy="They are collected when the job ends, if its compose file declares x-slurm.artifacts.",
            code="no-artifacts",
        )
    if manifest.submission_token not in {None, record.submission_token}:
        raise RecordError(f"{paths.manifest} belongs to another job with the same id")
    return manifest


def _selected(manifest: Manifest, wanted: Sequence[str]) -> dict[str, ManifestBundle]:
    known = dict(manifest.bundles) or {
        DEFAULT_BUNDLE: ManifestBundle(
            declared_source_patterns=manifest.declared_source_patterns,
            matched_source_paths=manifest.matched_source_paths,
            copied_relative_paths=manifest.copied_relative_paths,
        )
    }
    strange = [name for name in known if not _BUNDLE_NAME.fullmatch(name)]
    if strange:
        raise RecordError(
            f"the manifest of job {manifest.job_id} names a bundle {strange[0]!r}, which no spec can declare"
        )
    missing = [name for name in wanted if name not in known]
    if missing:
        raise UsageError(
            f"job {manifest.job_id} has no bundle {missing[0]!r}",
            remedy=f"It has: {', '.join(sorted(known))}.",
            code="no-such-bundle",
        )
    return {name: known[name] for name in dict.fromkeys(wanted or sorted(known))}


def _remove_leftovers(target: ExportPaths, now: float) -> None:
    """What an export that was killed left behind; nobody else works here, the lock is held."""
    for name in names_in(target.folder):
        if name.kind == "folder" and name.name.startswith(_WORK_PREFIX):
            shutil.rmtree(target.folder.path / name.name, ignore_errors=True)
    remove_old_temporaries(target.folder, before_epoch_s=now - 60, of=target.lock.name)


@dataclass(frozen=True, slots=True)
class _Staged:
    entries: tuple[CopiedEntry, ...]
    skipped: tuple[str, ...]
    warnings: tuple[str, ...]


@dataclass(slots=True)
class _Export:
    """One export: everything is staged beside its place first, then moved there file by file; a failure moves it back."""

    record: JobRecord
    manifest: Manifest
    paths: JobPaths
    target: ExportPaths
    now: float
    work: OurPath = field(init=False)
    moves: list[tuple[OurPath, OurPath]] = field(default_factory=list)
    """From, to; undone in reverse order."""

    def __post_init__(self) -> None:
        self.work = self.target.folder / f"{_WORK_PREFIX}{os.urandom(6).hex()}"

    def run(self, selected: dict[str, ManifestBundle], *, tarball: bool) -> tuple[ExportedBundle, ...]:
        try:
            staged = {name: self._stage(name, bundle, tarball=tarball) for name, bundle in selected.items()}
            _refuse_removed(self.record)
            try:
                return tuple(
                    self._place(name, selected, bundle, staged[name], tarball=tarball)
                    for name, bundle in selected.items()
                )
            except BaseException:
                self._roll_back()
                raise
        finally:
            shutil.rmtree(self.work.path, ignore_errors=True)

    def _stage(self, name: str, bundle: ManifestBundle, *, tarball: bool) -> _Staged:
        """The bundle's files copied below the work folder, and what could not be."""
        entries: list[CopiedEntry] = []
        skipped: list[str] = []
        warnings = list(bundle.warnings)
        staging = self.work / name
        make_folder(staging)
        for path in dict.fromkeys(bundle.copied_relative_paths):
            try:
                if name == DEFAULT_BUNDLE:
                    self._refuse_reserved(path)
                entries.append(copy_entry(self.paths.payload, path, staging))
            except NotCopied as error:
                skipped.append(path)
                warnings.append(f"{path!r} is not exported: {error}")
        if tarball:
            write_tarball(self.work / f"{name}.tar.gz", staging, entries)
        return _Staged(tuple(entries), tuple(skipped), tuple(warnings))

    def _refuse_reserved(self, path: str) -> None:
        """Names in the export root that are ours.

        Raises: NotCopied: the path is one of them.
        """
        first, _, rest = path.partition("/")
        ours = first == "_hpc-compose" or first.startswith(_WORK_PREFIX) or first == self.target.lock.name
        of_bundle = first == "bundles" and rest.partition("/")[0] in self.manifest.bundles
        of_tarball = not rest and first.removesuffix(".tar.gz") in {DEFAULT_BUNDLE, *self.manifest.bundles}
        if ours or of_bundle or (of_tarball and first.endswith(".tar.gz")):
            raise NotCopied("hpc-compose keeps its own files under that name")

    def _place(
        self,
        name: str,
        selected: dict[str, ManifestBundle],
        bundle: ManifestBundle,
        staged: _Staged,
        *,
        tarball: bool,
    ) -> ExportedBundle:
        root, staging = self.target.bundle(name), self.work / name
        make_folder(root)
        provenance = self.target.provenance(name)
        entries = staged.entries
        new = {entry.relative_path for entry in entries}
        for path in self._exported_before(provenance):
            if path not in new:
                self._put_away(beneath(root, path))
        for entry in entries:
            if entry.entry_type == "folder":
                make_folder(beneath(root, entry.relative_path))
            else:
                self._move_in(beneath(staging, entry.relative_path), beneath(root, entry.relative_path))
        if tarball:
            self._move_in(self.work / f"{name}.tar.gz", self.target.tarball(name))
        exported = ExportedBundle(
            name=name,
            export_dir=str(root),
            provenance_path=str(provenance),
            tarball_path=str(self.target.tarball(name)) if tarball else None,
            files=entries,
            skipped=staged.skipped,
            warnings=staged.warnings,
        )
        record = self.work / f"{name}.json"
        replace_file(record, json_bytes(self._provenance(exported, bundle, list(selected))))
        self._move_in(record, provenance)
        return exported

    def _exported_before(self, provenance: OurPath) -> list[str]:
        """What the last export of this bundle put here, as far as its record can be read."""
        data = read_file(provenance, max_bytes=Manifest.max_bytes)
        if data is None:
            return []
        try:
            files = json_object(data).get("files")
        except ValueError:
            return []
        rows = [row for row in files if isinstance(row, dict)] if isinstance(files, list) else []
        rows = [row for row in rows if row.get("entry_type") in {"file", "link"}]
        paths = [row["relative_path"] for row in rows if isinstance(row.get("relative_path"), str)]
        return [path for path in paths if _is_safe(path)]

    def _put_away(self, path: OurPath) -> None:
        """A file in the way goes to the work folder, from where a failure brings it back.

        Raises: RecordError: it is a folder, which may hold what is not ours.
        """
        if path.path.is_dir() and not path.path.is_symlink():
            raise RecordError(f"{path} is a folder, and a file is to be exported there", remedy="Move it away.")
        aside = self.work / "replaced" / str(len(self.moves))
        if self._move(path, aside):
            self.moves.append((path, aside))

    def _move_in(self, staged: OurPath, place: OurPath) -> None:
        self._put_away(place)
        make_folder(place.folder)
        if not self._move(staged, place):
            raise RecordError(f"{staged} vanished during the export")
        self.moves.append((staged, place))

    def _move(self, source: OurPath, place: OurPath) -> bool:
        """False when there was nothing to move."""
        try:
            with opened_folder(source.folder) as here, opened_folder(place.folder, create=True) as there:
                os.rename(source.name, place.name, src_dir_fd=here, dst_dir_fd=there)
        except FileNotFoundError:
            return False
        except OSError as error:
            refuse(place, error)
        return True

    def _roll_back(self) -> None:
        for source, place in reversed(self.moves):
            self._move(place, source)

    def _provenance(self, exported: ExportedBundle, bundle: ManifestBundle, selected: list[str]) -> dict[str, Any]:
        manifest = self.manifest
        return {
            "schema_version": 1,
            "job_id": self.record.job_id,
            "submission_token": self.record.submission_token,
            "attempt": manifest.attempt,
            "is_resume": manifest.is_resume,
            "resume_dir": manifest.resume_dir,
            "bundle": exported.name,
            "compose_file": self.record.compose_file,
            "script_path": self.record.script_path,
            "collect_policy": manifest.collect_policy,
            "job_outcome": manifest.job_outcome,
            "complete": manifest.complete,
            "collected_at": manifest.collected_at,
            "exported_at_unix": self.now,
            "export_dir": exported.export_dir,
            "tarball_path": exported.tarball_path,
            "selected_bundles": selected,
            "declared_source_patterns": list(bundle.declared_source_patterns),
            "matched_source_paths": list(bundle.matched_source_paths),
            "copied_relative_paths": list(bundle.copied_relative_paths),
            "warnings": list(exported.warnings),
            "files": [entry.as_json() for entry in exported.files],
        }


def _refuse_removed(record: JobRecord) -> None:
    """A job whose files went while they were copied leaves an earlier export as it is.

    Raises: NoSuchJob: its record is gone; it goes before the files.
    """
    project, job_id = record.project, record.array_job_id or record.job_id
    for path in (project.job_record(job_id), project.earlier_job_record(job_id, record.submission_token)):
        found = JobRecord.read(path)
        if found is not None and found.submission_token == record.submission_token:
            return
    raise NoSuchJob(f"job {record.job_id} was removed meanwhile", remedy="An earlier export stays as it is.")


def _is_safe(path: str) -> bool:
    try:
        beneath(OurPath(Path("/")), path)
    except NotCopied:
        return False
    return True
