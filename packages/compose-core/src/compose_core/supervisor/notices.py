"""What Slurm and srun write into a job's logs when something ends, and what it means."""

import os
import re
import signal
import stat
from typing import Optional

from compose_core.supervisor.files import JobFolder
from compose_core.supervisor.service import Service
from compose_core.supervisor.talk import Refused

NOTICE_LIMIT = 64 * 1024
JOB_NOTICE = r"\*\*\* JOB {} [^\n]*?CANCELLED AT [^\n]*?(?:DUE TO ([A-Z ]+)[^\n]*)?\*\*\*"
JOB_CAUSES = {
    "TIME LIMIT": "time_limit",
    "PREEMPTION": "preempted",
    "JOB REQUEUE": "requeued",
    "NODE FAILURE": "node_failed",
}
TASK_NOTICE = re.compile(r"^srun: error: ([A-Za-z0-9_.-]{1,255}): tasks? ([0-9]{1,9})[-,0-9]*: [A-Z]", re.MULTILINE)
MEMORY_NOTICE = re.compile(
    r"^(?:slurmstepd|srun)[^\n]*(?:oom[-_]kill event|: Out Of Memory|exceeded (?:job |step )?memory limit)",
    re.MULTILINE | re.IGNORECASE,
)
STEP_LIMIT_NOTICE = re.compile(r"^slurmstepd[^\n]*\*\*\* STEP [^\n]* DUE TO TIME LIMIT", re.MULTILINE)


class BatchLog:
    """The file that stderr goes to, where slurmstepd says why it ends a job before it sends TERM.

    Source: slurmstepd's handling of signals for a container; read on 22.05.
    """

    def __init__(self, slurm_job_id: str, descriptor: int = 2) -> None:
        self._form = re.compile(JOB_NOTICE.format(re.escape(slurm_job_id)))
        self._path = "/proc/self/fd/{}".format(descriptor)
        self._begin = file_size(descriptor)

    def cause(self) -> str:
        """Why the job is ended: `time_limit`, `preempted`, `requeued`, `node_failed`, `cancelled`; empty when it is not said."""
        try:
            log = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK)  # ours is open for writing only
        except OSError:
            return ""
        try:
            found = list(self._form.finditer(tail(log, self._begin)))
        finally:
            os.close(log)
        if not found:
            return ""
        return JOB_CAUSES.get((found[-1].group(1) or "").strip(), "cancelled")


class StepStory:
    """What a service's log tells of the end of its step, from `begin` on."""

    def __init__(self, text: str) -> None:
        task = TASK_NOTICE.search(text)
        self.node: Optional[str] = task.group(1) if task else None
        self.rank: Optional[int] = int(task.group(2)) if task else None
        self.ran_out_of_memory = MEMORY_NOTICE.search(text) is not None
        self.reached_its_limit = STEP_LIMIT_NOTICE.search(text) is not None


def step_story(folder: JobFolder, service: Service, code: int, is_step: bool) -> StepStory:
    """What the log of a service that ended with `code` tells of its step, besides what the service printed itself."""
    if code == 0 or not is_step:
        return StepStory("")
    try:
        log = folder.open("logs", service.log_name, os.O_RDONLY)
        try:
            return StepStory(tail(log, service.log_begin))
        finally:
            os.close(log)
    except (OSError, Refused):
        return StepStory("")  # the exit status stands for itself


def explained(how: str, code: int, story: StepStory, told: str, warning: str) -> str:
    """`how` with what is known about why.

    `told` is why it was told to stop, `warning` the name of the early warning that it got; both may be empty.
    """
    if told == "time_limit" or (story.reached_its_limit and not told):
        return "its time limit was reached ({})".format(how)
    if story.ran_out_of_memory:
        return "it ran out of memory ({}): ask for more with x-slurm.mem, or use less".format(how)
    if warning and code == 128 + getattr(signal, warning):
        return "{}: nothing in it handles the early warning of x-slurm.signal".format(how)
    if code == 137 and not told:
        return "{} from outside, as when memory runs out".format(how)
    return how


def file_size(descriptor: int) -> int:
    """The size of an open regular file; 0 for anything else."""
    try:
        found = os.fstat(descriptor)
    except OSError:
        return 0
    return found.st_size if stat.S_ISREG(found.st_mode) else 0


def tail(descriptor: int, begin: int) -> str:
    """The last part of an open file of text, from `begin` on; empty when it is no regular file or cannot be read."""
    size = file_size(descriptor)
    start = max(begin if begin <= size else 0, size - NOTICE_LIMIT)  # it may have been cut meanwhile
    try:
        return os.pread(descriptor, NOTICE_LIMIT, start).decode("utf-8", "replace") if size else ""
    except OSError:
        return ""
