"""The files of one job, and their removal: nothing that another job or a person made, never through a link.

What is removed is written down first, so a removal that dies at any step is finished by the next one. The record goes
before the files: no command shows half a job.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compose_core.clock import Clock
from compose_core.errors import RecordError
from compose_core.records.atomic import (
    TEMPORARY_PREFIX,
    file_exists,
    make_folder,
    names_in,
    remove_file,
    rename_new,
)
from compose_core.records.attempts import of_newest_attempt
from compose_core.records.end_marker import EndMarker
from compose_core.records.job_record import JobRecord
from compose_core.records.our_path import OurPath, open_file, opened_folder, refuse
from compose_core.records.paths import LATEST_NAMES, JobPaths, ProjectPaths, earlier_name
from compose_core.records.removal import Removal
from compose_core.records.run_key import RunKey
from compose_core.records.state import StateFile
from compose_core.records.tree import Freed, measure_tree, remove_tree
from compose_core.tracking.jobs import tracked_jobs
from compose_core.tracking.task_records import task_records
from compose_core.tracking.work_lock import work_lock

_LAST = ("claim", "cancel_requested")
"""A twin that starts meanwhile must find its token taken until the folder is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """What a removal took away, or would take away."""

    token: str
    job_id: str | None
    paths: tuple[str, ...]
    bytes_freed: int
    left: tuple[str, ...] = ()
    """What stays, and why."""

    def as_json(self) -> dict[str, Any]:
        """The fields of a report."""
        return {
            "submission_token": self.token,
            "job_id": self.job_id,
            "paths": list(self.paths),
            "bytes_freed": self.bytes_freed,
            "left": list(self.left),
        }


@contextmanager
def removal_lock(project: ProjectPaths, clock: Clock) -> Iterator[None]:
    """Held while files of the project's jobs are removed.

    Raises: HpccError: another command removes some.
    """
    make_folder(project.removals)
    with work_lock(project.removal_lock, clock, host=socket.gethostname(), what="removal of jobs in"):
        yield


def removal_of(project: ProjectPaths, record: JobRecord, *, at: float) -> Removal:
    """What is to be removed with this job."""
    return Removal(
        token=record.submission_token,
        job_id=record.job_id,
        job_dir=record.job_dir,
        batch_logs=tuple(task.batch_log for task in task_records(record)),
        run_key=record.run_key,
        holds_id=_token_in(project.job_record(record.job_id)) == record.submission_token,
        at=at,
    )


def unfinished_removals(project: ProjectPaths) -> tuple[Removal, ...]:
    """What removals that died wanted to take away.

    Raises: RecordError: a note of one cannot be read.
    """
    names = [name.name for name in names_in(project.removals) if name.name.endswith(".json")]
    return tuple(found for name in names if (found := Removal.read(project.removals / name)))


def measure(project: ProjectPaths, removal: Removal) -> Removed:
    """What `remove` would take away."""
    freed = Freed()
    paths = []
    folders = _job_folders(project, removal, freed.left)
    for folder in [*folders, project.submission(removal.token).folder]:
        if file_exists(folder):
            _add(freed, measure_tree(folder))
            paths.append(str(folder))
    for log in _batch_logs(project, removal):
        if (size := _size_of(log)) is not None:
            freed.bytes += size
            paths.append(str(log))
    return _removed(removal, freed, [*paths, *map(str, _records(project, removal))])


def remove(project: ProjectPaths, removal: Removal) -> Removed:
    """Take it away; the same however often it is repeated. The caller holds the lock.

    Raises: RecordError: something cannot be removed; the next removal goes on from there.
    """
    freed = Freed()
    paths: list[str] = []
    logs = _batch_logs(project, removal)
    pointer = pointer_of(project, removal)
    removal.create(project.removal(removal.token))
    if pointer is not None:
        remove_file(pointer)
    for record in _records(project, removal):
        _take_away(record, removal.token)
        paths.append(str(record))
    repair_latest(project, removal.token)
    for folder in _job_folders(project, removal, freed.left):
        _remove_folder(folder, removal.token, freed, paths)
    for log in logs:
        _remove_plain(log, freed, paths)
    for folder in _submission_folders(project, removal.token):
        _remove_folder(folder, removal.token, freed, paths)
    remove_file(project.unresolved_mark(removal.token))
    remove_file(project.removal(removal.token))
    return _removed(removal, freed, paths)


def pointer_of(project: ProjectPaths, removal: Removal) -> OurPath | None:
    """The file that says that the run key stands for this submission, as far as there is one.

    Raises: RecordError: a later submission follows it and is found through it.
    """
    if removal.run_key is None:
        return None
    after: str | None = None
    seen: set[str] = set()
    while entry := RunKey.read(path := project.run_key(removal.run_key, after=after)):
        if entry.token == removal.token:
            if file_exists(project.run_key(removal.run_key, after=entry.token)):
                raise RecordError(f"a later submission with the run key of {removal.token} is found through it")
            return path
        if entry.token in seen:
            break
        seen.add(entry.token)
        after = entry.token
    return None


def repair_latest(project: ProjectPaths, removed_token: str) -> None:
    """`latest.json` is the newest job of kind main that is left, or is gone; the same for the other kinds that have one."""
    for kind in LATEST_NAMES:
        if pointer := project.latest_of(kind):
            _repair(project, pointer, kind, removed_token)


def _repair(project: ProjectPaths, pointer: OurPath, kind: str, removed_token: str) -> None:
    while (held := _token_in(pointer)) is not None:
        of_kind = [record for record in tracked_jobs(project).records if record.kind == kind]
        newest = of_kind[0] if of_kind else None
        if held != removed_token and newest and held == newest.submission_token:
            return
        if newest is None:
            remove_file(pointer)
        else:
            newest.replace(pointer)
        removed_token = ""  # a job that was submitted meanwhile shows in the next look


def _records(project: ProjectPaths, removal: Removal) -> list[OurPath]:
    """The job's records; a name that was moved aside by a removal that died comes back first."""
    if removal.job_id is None:
        return []
    found = []
    for path in (project.job_record(removal.job_id), project.earlier_job_record(removal.job_id, removal.token)):
        aside = _aside(path, removal.token)
        if file_exists(aside):
            rename_new(aside, path)
            remove_file(aside)
        if _token_in(path) == removal.token:
            found.append(path)
    return [*found, *_records_of_trials(project, removal)]


def _records_of_trials(project: ProjectPaths, removal: Removal) -> list[OurPath]:
    """Of an array whose tasks are the trials of a sweep."""
    form = re.compile(rf"{re.escape(str(removal.job_id))}_[0-9]+\.json")
    names = [name.name for name in names_in(project.jobs) if form.fullmatch(name.name)]
    return [project.jobs / name for name in names if _token_in(project.jobs / name) == removal.token]


def _take_away(path: OurPath, token: str) -> None:
    """Remove the file if it is this submission's; a client may give its name to another job's at any moment."""
    aside = _aside(path, token)
    if not rename_new(path, aside):
        return
    if _token_in(aside) != token:
        rename_new(aside, path)
    remove_file(aside)


def _job_folders(project: ProjectPaths, removal: Removal, left: list[str]) -> list[OurPath]:
    """The job's folders, those of an array's tasks included, as far as they prove to be this job's."""
    if removal.job_id is None or removal.job_dir is None or not Path(removal.job_dir).is_absolute():
        return []
    root = JobPaths(Path(removal.job_dir)).folder.folder
    begun = re.escape(_begun(removal.token))
    job, _, mark = earlier_name(removal.job_id, removal.token).partition("~")
    names = rf"(?P<own>{re.escape(job)}(_[0-9]+)?)(?P<kept>~{mark}(\.[0-9]+)?)?"
    own = re.compile(rf"{names}|(?P<begun>{begun}.*)")
    in_project = root.path == project.metadata_root.path
    found = []
    for name in names_in(root):
        match = own.fullmatch(name.name)
        if not match or name.kind == "file":
            continue
        unproven = in_project and (removal.holds_id or bool(match["kept"]))
        try:
            with opened_folder(root / name.name):
                pass  # no link, and nobody else's
        except FileNotFoundError:
            continue
        except RecordError as error:
            left.append(error.message)
            continue
        if match["begun"] or _is_of(root / name.name, removal.token, unproven=unproven):
            found.append(root / name.name)
    return found


def _submission_folders(project: ProjectPaths, token: str) -> list[OurPath]:
    folders = (project.submission(token).folder, project.submissions / f"{_begun(token)}{token}")
    return [folder for folder in folders if file_exists(folder)]


def _begun(token: str) -> str:
    """How the name of a folder begins that is being emptied."""
    return f".removed-{token}-"


def _is_of(folder: OurPath, token: str, *, unproven: bool) -> bool:
    """The folder's own files name the token; `unproven` is the answer where they name none."""
    try:
        paths = of_newest_attempt(JobPaths(folder.path))
    except RecordError:
        return unproven
    for path, form in ((paths.state, StateFile), (paths.end, EndMarker)):
        try:
            said = form.read(path)
        except RecordError:
            continue
        if said is not None and said.submission_token:
            return bool(said.submission_token == token)
    return unproven


def _remove_folder(folder: OurPath, token: str, freed: Freed, paths: list[str]) -> None:
    """The folder vanishes at once and is emptied under another name; it comes back with what is not ours."""
    shown = folder.folder / folder.name.removeprefix(_begun(token))
    aside = folder.folder / f"{_begun(token)}{shown.name}"
    if folder.name == shown.name and not _rename_folder(folder, aside):
        return
    found = remove_tree(aside, last=_LAST)
    _add(freed, found)
    if found.left:
        _rename_folder(aside, shown)
    else:
        paths.append(str(shown))


def _rename_folder(folder: OurPath, new: OurPath) -> bool:
    """False when it is not there, or something is in the way."""
    try:
        with opened_folder(folder.folder) as above, opened_folder(folder):
            os.rename(folder.name, new.name, src_dir_fd=above, dst_dir_fd=above)
            os.fsync(above)
    except FileNotFoundError:
        return False
    except OSError as error:
        refuse(folder, error)
    return True


def _batch_logs(project: ProjectPaths, removal: Removal) -> list[OurPath]:
    """The job's own batch logs: below the project's folder, named after the job alone."""
    if removal.job_id is None or _id_is_shared(project, removal):
        return []
    number = re.compile(rf"(?<![0-9]){re.escape(removal.job_id)}(?![0-9])")
    found = []
    for text in dict.fromkeys(removal.batch_logs):
        path = Path(os.path.normpath(text))
        if not path.is_relative_to(project.project_dir) or not number.search(path.name):
            continue
        place = OurPath(project.project_dir)
        for part in path.relative_to(project.project_dir).parts:
            place = place / part
        found.append(place)
    return [place for place in found if place.parts]


def _id_is_shared(project: ProjectPaths, removal: Removal) -> bool:
    """Another job of the project has or had the same id, and wrote to the same file."""
    assert removal.job_id is not None
    for name in names_in(project.jobs):
        same_id = name.name == f"{removal.job_id}.json" or name.name.startswith(f"{removal.job_id}~")
        if same_id and _token_in(project.jobs / name.name) != removal.token:
            return True
    return False


def _size_of(path: OurPath) -> int | None:
    try:
        with opened_folder(path.folder) as above:
            descriptor = open_file(above, path, os.O_RDONLY)
    except (FileNotFoundError, RecordError):
        return None
    try:
        found = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    return found.st_blocks * 512 if found.st_nlink == 1 else 0


def _remove_plain(path: OurPath, freed: Freed, paths: list[str]) -> None:
    try:
        if not file_exists(path):
            return
        size = _size_of(path)
        if size is None:
            freed.left.append(f"{path} is not a regular file of yours")
            return
        remove_file(path)
    except RecordError as error:
        freed.left.append(error.message)
        return
    freed.bytes += size
    freed.files += 1
    paths.append(str(path))


def _aside(path: OurPath, token: str) -> OurPath:
    return path.folder / f"{TEMPORARY_PREFIX}removed-{token}-{path.name}"


def _token_in(path: OurPath) -> str | None:
    """The token that a job record names; None when there is no file, empty when it is no record."""
    try:
        record = JobRecord.read(path)
    except RecordError:
        return ""
    return record.submission_token if record else None


def _add(freed: Freed, more: Freed) -> None:
    freed.bytes += more.bytes
    freed.files += more.files
    freed.left.extend(more.left)


def _removed(removal: Removal, freed: Freed, paths: list[str]) -> Removed:
    return Removed(
        token=removal.token,
        job_id=removal.job_id,
        paths=tuple(paths),
        bytes_freed=freed.bytes,
        left=tuple(freed.left),
    )
