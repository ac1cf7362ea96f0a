"""The job record of each trial: made of what was written down before the submission and of the array's record."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from compose_core.errors import RecordError
from compose_core.records.atomic import create_files, file_exists, read_file
from compose_core.records.job_record import JobRecord, SweepPlace
from compose_core.records.paths import ProjectPaths
from compose_core.records.sweep_manifest import GroupTask, GroupTasks, SweepGroup, SweepManifest, by_trial_id
from compose_core.submission.context import SubmitContext
from compose_core.submission.facts import job_facts
from compose_core.sweep.planning import TrialPlan
from compose_core.tracking.task_records import made_record

_OF_THE_ARRAY = frozenset(
    {
        "schema_version", "backend", "submission_token", "run_key", "compose_file", "submit_dir", "batch_log",
        "batch_log_folder", "array", "requested_walltime", "tool_version", "cache_dir", "runtime_root", "tags", "notes",
    }
)  # fmt: skip
"""Equal for all trials of a group, so the array's record says it."""
_NO_TOKEN = "0" * 26


def group_tasks(
    context: SubmitContext, sweep_id: str, group: str, trials: Sequence[TrialPlan], scripts: Sequence[str]
) -> GroupTasks:
    """What the records of these trials will say; `scripts` are the paths of their scripts."""
    tasks = (
        GroupTask(trial_id=one.trial.trial_id, facts=_facts(context, sweep_id, one, path))
        for one, path in zip(trials, scripts, strict=True)
    )
    return GroupTasks(sweep_id=sweep_id, group=group, tasks=tuple(tasks))


def write_records(project: ProjectPaths, manifest: SweepManifest, group: SweepGroup) -> int:
    """Every task of the group has its record, as far as the array has one; how many were written now.

    Raises: RecordError: they cannot be read or written.
    """
    array = _array_record(project, group)
    if array is None:
        return 0
    missing = [task for task in range(len(group.trials)) if not _is_written(project, array, task)]
    tasks = GroupTasks.read(project.sweep(manifest.sweep_id).tasks(group.name)) if missing else None
    known = {task.trial_id: task.facts for task in tasks.tasks} if tasks is not None else {}
    trials = by_trial_id(manifest.trials) if missing else {}
    new: dict[str, bytes] = {}
    for number in missing:
        made = made_record(array, number)
        facts = known.get(group.trials[number])
        trial = trials[group.trials[number]]
        place = SweepPlace(
            sweep_id=manifest.sweep_id,
            trial_id=trial.trial_id,
            trial_index=trial.index,
            variables=trial.variables,
        )
        fields = {**made.model_dump(), "kind": "sweep_trial", "sweep": place.model_dump(), **(facts or {})}
        record = JobRecord.model_validate(fields)
        path = project.job_record(record.job_id)
        if file_exists(path):
            record.replace(path)  # another job had this id, or its writer died
        else:
            new[path.name] = record.as_bytes()
    create_files(project.jobs, new)
    return len(missing)


def _facts(context: SubmitContext, sweep_id: str, one: TrialPlan, script_path: str) -> dict[str, Any]:
    trial = one.trial
    place = SweepPlace(
        sweep_id=sweep_id, trial_id=trial.trial_id, trial_index=trial.index, variables=dict(trial.variables)
    )
    facts = job_facts(context, one.plan, "", token=_NO_TOKEN, run_key=None, kind="sweep_trial", sweep=place)
    fields = facts.model_dump(mode="json", exclude=set(_OF_THE_ARRAY))
    return {**fields, "script_path": script_path, "script_sha256": one.script_sha256}


def _array_record(project: ProjectPaths, group: SweepGroup) -> JobRecord | None:
    if group.array_job_id is None:
        return None
    with suppress(RecordError):
        record = JobRecord.read(project.job_record(group.array_job_id))
        if record is not None and record.submission_token == group.token and record.array is not None:
            return record
    return None


def array_records(project: ProjectPaths, manifest: SweepManifest) -> dict[str, JobRecord]:
    """The record of each group's array, by the group's name; a group without one is absent."""
    found = ((group.name, _array_record(project, group)) for group in manifest.groups)
    return {name: record for name, record in found if record is not None}


def has_last_record(project: ProjectPaths, group: SweepGroup) -> bool:
    """The record that is written last is there, or there can be none: the array's own is gone."""
    array = _array_record(project, group)
    return array is None or _is_written(project, array, len(group.trials) - 1)


def _is_written(project: ProjectPaths, array: JobRecord, task: int) -> bool:
    """Its name is there and it is of this submission; not read as a whole, because there may be thousands."""
    with suppress(RecordError):
        data = read_file(project.job_record(f"{array.job_id}_{task}"), max_bytes=1024 * 1024)
        return data is not None and data.endswith(b"\n") and array.submission_token.encode() in data
    return False
