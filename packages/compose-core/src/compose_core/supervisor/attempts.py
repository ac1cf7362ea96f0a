"""With `x-slurm.resume`: a folder for each attempt of the job, and the shared folder from which a later one goes on."""

import os
import re
import time
from typing import Optional

from compose_core.supervisor.files import (
    SCHEMA_VERSION,
    JobFolder,
    Json,
    json_line,
    open_file,
    open_folder,
    read_json,
    write_new,
)
from compose_core.supervisor.talk import Refused

ATTEMPTS = "attempts"
ATTEMPT_FORM = re.compile(r"0|[1-9][0-9]{0,8}")
OF_ONE_ATTEMPT = (
    "allocation",
    "artifacts",
    "logs",
    "metrics",
    "service-exits",
    "events.jsonl",
    "end.json",
    "state.json",
)
"""What each attempt has of its own. The last name tells readers which attempt is the newest, so it changes last."""
RESUME_NOTES = "_hpc-compose"
LATEST_RUN = "latest.json"


def earlier_state(folder: int) -> Json:
    """What the job that has this folder last said of itself: its own state.json, else that of its newest attempt."""
    state = read_json("state.json", folder)
    if state:
        return state
    try:
        attempts = open_folder(ATTEMPTS, folder, create=False)
    except (OSError, Refused):
        return {}
    try:
        numbers = [name for name in os.listdir(attempts) if ATTEMPT_FORM.fullmatch(name)]
        states = (_state_of_attempt(attempts, name) for name in sorted(numbers, key=int, reverse=True))
        return next((found for found in states if found), {})
    finally:
        os.close(attempts)


def _state_of_attempt(attempts: int, name: str) -> Json:
    try:
        folder = open_folder(name, attempts, create=False)
    except (OSError, Refused):
        return {}
    try:
        return read_json("state.json", folder)
    finally:
        os.close(folder)


def attempt_folder(job: JobFolder, attempt: int) -> JobFolder:
    """The folder of this attempt; the names beside `attempts/` lead to it from now on.

    Raises: Refused: something stands there that is not ours.
    """
    name = str(attempt)
    path = os.path.join(job.path, ATTEMPTS, name)
    folder = JobFolder(path, open_folder(name, job.folder(ATTEMPTS), shown=path))
    for latest in OF_ONE_ATTEMPT:
        _point_to("{}/{}/{}".format(ATTEMPTS, name, latest), latest, job)
    os.fsync(job.folder(""))
    return folder


def _point_to(target: str, name: str, job: JobFolder) -> None:
    """The name is a link to the target afterwards; at any moment it is the old one or the new one."""
    here, temporary = job.folder(""), ".{}.{}.tmp".format(name, os.getpid())
    try:
        os.unlink(temporary, dir_fd=here)
    except FileNotFoundError:
        pass
    os.symlink(target, temporary, dir_fd=here)
    try:
        os.replace(temporary, name, src_dir_fd=here, dst_dir_fd=here)
    except IsADirectoryError:
        os.unlink(temporary, dir_fd=here)
        shown = os.path.join(job.path, name)
        raise Refused("{} is a folder where a link to {} belongs: move it away".format(shown, target)) from None


class ResumeFolder:
    """The shared folder of a job with `x-slurm.resume`."""

    def __init__(self, rules: Json, task: str = "") -> None:
        """Open it, made when it is missing; `task` is the index of an array's task, which has a note of its own.

        Raises: Refused: it cannot be made or written, or is not the user's own.
        """
        self.path = str(rules["path"])
        self._rules = rules
        self._names = ("latest-{}.json".format(task), LATEST_RUN) if task else (LATEST_RUN,)
        folder = open_shared_folder(self.path)
        try:
            self._notes = open_folder(RESUME_NOTES, folder, shown=os.path.join(self.path, RESUME_NOTES))
        except PermissionError:
            raise Refused(_cannot_be_written(self.path)) from None
        finally:
            os.close(folder)
        found = [self._has(name) for name in self._names]  # all of them: each has to be ours
        self.has_earlier_run = found[0]
        """An earlier run used this folder, of this job or another one; for a task, a run of the same task."""

    def _has(self, name: str) -> bool:
        shown = os.path.join(self.path, RESUME_NOTES, name)
        try:
            os.close(open_file(name, os.O_RDONLY, self._notes, shown))
        except FileNotFoundError:
            return False
        return True

    def note_run(self, job_id: str, token: Optional[str], attempt: int, name: str, job_dir: str) -> None:
        """Write down that this run is the latest one here, and what it is configured to do.

        Raises: Refused: it cannot be written.
        """
        note: Json = {
            "schema_version": SCHEMA_VERSION,
            "job_id": job_id,
            "submission_token": token,
            "attempt": attempt,
            "name": name,
            "job_dir": job_dir,
            "updated_at": time.time(),
            "config_sha256": self._rules.get("config_sha256"),
            "config": self._rules.get("config"),
        }
        for file in self._names:
            temporary = ".{}.{}.{}.tmp".format(file, job_id, attempt)  # other jobs write here too, on other nodes
            try:
                write_new(temporary, json_line(note), self._notes)
                os.replace(temporary, file, src_dir_fd=self._notes, dst_dir_fd=self._notes)
                os.fsync(self._notes)
            except OSError as error:
                shown = os.path.join(self.path, RESUME_NOTES, file)
                text = "x-slurm.resume: {} cannot be written: {}"
                raise Refused(text.format(shown, os.strerror(error.errno or 0))) from None


def open_shared_folder(path: str) -> int:
    """A descriptor of a folder that the user chose, made when it is missing; links on the way there are the user's.

    Raises: Refused: it cannot be made or written, or is somebody else's.
    """
    try:
        os.makedirs(path, 0o700, exist_ok=True)
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except (FileExistsError, NotADirectoryError):
        raise Refused("x-slurm.resume: {} is no folder: name another one".format(path)) from None
    except OSError as error:
        text = "x-slurm.resume: {} cannot be used on this node: {}; name a folder of yours on shared storage"
        raise Refused(text.format(path, os.strerror(error.errno or 0))) from None
    owner = os.fstat(descriptor).st_uid
    problem = ""
    if owner not in (os.geteuid(), 0):
        problem = "x-slurm.resume: {} belongs to user id {}, not to you: name a folder of your own".format(path, owner)
    elif not os.access(path, os.W_OK | os.X_OK):
        problem = _cannot_be_written(path)
    if problem:
        os.close(descriptor)
        raise Refused(problem)
    return descriptor


def _cannot_be_written(path: str) -> str:
    return "x-slurm.resume: {} cannot be written: name a folder of yours on shared storage".format(path)
