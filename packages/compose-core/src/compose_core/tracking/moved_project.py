"""Job records of a project that lies elsewhere now than when they were written."""

from __future__ import annotations

from pathlib import Path

from compose_core.records.job_record import JobRecord
from compose_core.records.paths import ProjectPaths

_PATHS = ("compose_file", "submit_dir", "script_path", "runtime_root", "batch_log", "batch_log_folder", "job_dir")


def where_it_is_now(record: JobRecord, project: ProjectPaths) -> JobRecord:
    """The record with the paths below its project's folder as they are now: renamed, or mounted under another name here.

    Unchanged while the folder that it names still holds the job, and where the job's folder lies outside of the project.
    """
    before, now = Path(record.submit_dir), project.project_dir
    witness = Path(record.runtime_root if record.array else record.job_dir)  # an array has a folder for each task only
    if before == now or not witness.is_relative_to(before) or witness.is_dir():
        return record
    if not _moved(str(witness), before, now).is_dir():
        return record
    changed: dict[str, object] = {name: str(_moved(getattr(record, name), before, now)) for name in _PATHS}
    changed["service_logs"] = {name: str(_moved(path, before, now)) for name, path in record.service_logs.items()}
    return record.model_copy(update=changed)


def _moved(path: str, before: Path, now: Path) -> Path:
    old = Path(path)
    return now / old.relative_to(before) if old.is_relative_to(before) else old
