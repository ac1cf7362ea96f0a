"""Which job may run for a submission, and the folder that it runs in."""

import errno
import os
import re
import socket
import time
from typing import Callable, Optional

from compose_core.supervisor.attempts import earlier_state
from compose_core.supervisor.files import (
    SCHEMA_VERSION,
    JobFolder,
    create_once,
    json_line,
    open_folder,
    read_json,
    write_new,
)
from compose_core.supervisor.talk import Refused, say

NO_HARD_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
"""What a file system without hard links answers."""
FOLDER_LATE_S = 5.0
"""How long a file server may take to show a folder that a client has made."""


def claim(submit_dir: str, token: str, job_id: str) -> str:
    """`ours`, `twin` (another job has the token; its marker is written) or `cancelled`.

    The claim is linked from a finished file, so of two jobs one wins and nobody reads half a claim. It is made before
    `cancel_requested` is looked at, and a client asks in the other order, so one of the two sees the other.
    """
    path = submit_dir
    descriptors = [os.open(submit_dir, os.O_RDONLY | os.O_DIRECTORY)]
    try:
        for name in (".hpc-compose", "submissions", token):
            path = os.path.join(path, name)
            descriptors.append(_open_there(name, descriptors[-1], path))
        return _claim_in(descriptors[-1], path, token, job_id)
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def _open_there(name: str, parent: int, path: str) -> int:
    """A descriptor of a folder that the client made; one that a file server shows late is waited for.

    Raises: Refused: it is not there.
    """
    deadline = time.monotonic() + FOLDER_LATE_S
    while True:
        try:
            return open_folder(name, parent, create=False, shown=path)
        except FileNotFoundError:
            if time.monotonic() >= deadline:
                raise Refused("{} is gone: this submission was removed, and nothing is started".format(path)) from None
        os.listdir(parent)  # makes a file server's client look again
        time.sleep(0.2)


def _claim_in(folder: int, path: str, token: str, job_id: str, link: Callable[..., None] = os.link) -> str:
    own = {
        "schema_version": SCHEMA_VERSION,
        "token": token,
        "job_id": job_id,
        "host": socket.gethostname(),
        "at": time.time(),
        "pid": os.getpid(),
    }
    temporary = ".claim.{}.{}.{}.tmp".format(job_id, own["host"], os.getpid())
    write_new(temporary, json_line(own), folder)
    try:
        link(temporary, "claim", src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    except FileExistsError:
        pass  # a twin, this job after a requeue, or our own link whose answer a file server repeated
    except OSError as error:
        if error.errno not in NO_HARD_LINKS:
            raise
        create_once("claim", json_line(own), folder)  # a twin that reads half of it starts nothing either
    finally:
        os.unlink(temporary, dir_fd=folder)
    os.fsync(folder)
    holder = str(read_json("claim", folder).get("job_id", ""))
    if not holder:
        raise Refused("{}/claim cannot be read, so it is not known which job may run".format(path))
    if holder != job_id:
        write_new(temporary, json_line(own), folder)  # a name of this host: the tasks of an array write it at once
        os.replace(temporary, "duplicate." + job_id, src_dir_fd=folder, dst_dir_fd=folder)
        say("job " + job_id, "job {} runs for this submission already; nothing is started".format(holder))
        return "twin"
    try:
        os.lstat("cancel_requested", dir_fd=folder)
    except FileNotFoundError:
        return "ours"
    return "cancelled"


def open_job_folder(root: str, job_id: str, token: Optional[str], attempt: int) -> JobFolder:
    """The folder of this job; one that an earlier job with the same id left is renamed.

    Raises: Refused: a link or somebody else's folder stands there.
    """
    os.makedirs(root, 0o700, exist_ok=True)
    parent = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    path = os.path.join(root, job_id)
    try:
        descriptor = open_folder(job_id, parent, shown=path)
        state = earlier_state(descriptor)
        if state:
            earlier = state.get("submission_token")
            if earlier != token or (token is None and attempt == 0):
                mtime = format(int(os.fstat(descriptor).st_mtime) & 0xFFFFFFFF, "08x")
                os.close(descriptor)
                _set_aside(parent, job_id, str(earlier)[:8] if earlier else mtime)
                descriptor = open_folder(job_id, parent, shown=path)
        return JobFolder(path, descriptor)
    finally:
        os.close(parent)


def _set_aside(parent: int, job_id: str, mark: str) -> None:
    mark = re.sub(r"[^0-9A-Za-z]", "_", mark)
    for number in range(1, 1000):
        name = "{}~{}{}".format(job_id, mark, "" if number == 1 else ".{}".format(number))
        try:
            os.lstat(name, dir_fd=parent)
        except FileNotFoundError:
            os.rename(job_id, name, src_dir_fd=parent, dst_dir_fd=parent)
            return
    raise Refused("there are too many folders {}~{}*: remove some".format(job_id, mark))
