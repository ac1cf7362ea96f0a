"""The tasks of an array, each as a job of its own: its folder, its logs, its id `<array>_<task>`."""

from __future__ import annotations

from pathlib import Path

from compose_core.cluster.batch_log import batch_log_path, with_own_number
from compose_core.errors import RecordError
from compose_core.job_state import JobId
from compose_core.records.job_record import JobRecord
from compose_core.records.paths import JobPaths

SWEEP = "sweep"
"""The kind of an array whose tasks are trials."""


def task_records(record: JobRecord) -> tuple[JobRecord, ...]:
    """One record per task, in order; the record itself when it is no array."""
    return tuple(task_record(record, task) for task in record.array.tasks) if record.array else (record,)


def task_record(array: JobRecord, task: int) -> JobRecord:
    """What would have been written down of this task, had it been submitted alone; what was, of a trial of a sweep."""
    return (_written_record(array, task) if array.kind == SWEEP else None) or made_record(array, task)


def _written_record(array: JobRecord, task: int) -> JobRecord | None:
    """None where the client died before it was written, or cannot be read: the sweep's commands write it again."""
    try:
        record = JobRecord.read(array.project.job_record(f"{array.job_id}_{task}"))
    except RecordError:
        return None
    return record if record is not None and record.submission_token == array.submission_token else None


def made_record(array: JobRecord, task: int) -> JobRecord:
    """The record of the task as far as it follows from that of the array."""
    assert array.array is not None
    job_id = JobId(f"{array.job_id}_{task}")
    job_dir = Path(array.runtime_root) / job_id
    paths = JobPaths(job_dir)
    return array.model_copy(
        update={
            "job_id": job_id,
            "job_dir": str(job_dir),
            "batch_log": _batch_log(array, job_id),
            "service_logs": {service: str(paths.log(service)) for service in array.services},
            "array": None,
            "array_job_id": array.job_id,
            "array_task_id": task,
        }
    )


def with_known_log(record: JobRecord, slurm_job_id: str | None) -> JobRecord:
    """The record of a task whose batch log is named by a number that the task itself has told since."""
    if record.array_task_id is None or slurm_job_id is None or "%" not in Path(record.batch_log).name:
        return record
    log = Path(record.batch_log)
    return record.model_copy(update={"batch_log": str(log.with_name(with_own_number(log.name, slurm_job_id)))})


def _batch_log(array: JobRecord, job_id: JobId) -> str:
    """Filled in as far as it is known outside of the node: `%j` of a task is a number that only Slurm knows."""
    assert array.array is not None
    folder = Path(array.batch_log_folder or array.submit_dir)
    pattern = array.array.log_pattern
    if array.backend == "local":
        pattern = with_own_number(pattern, job_id)
    path = batch_log_path({"output": pattern}, job_id=job_id, job_name=array.name, user="", project_dir=folder)
    return str(path or folder / pattern)
