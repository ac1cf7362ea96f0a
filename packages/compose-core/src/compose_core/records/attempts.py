"""The attempts of a job with `x-slurm.resume`: each has a folder of its own, and a link tells which one is the newest."""

from __future__ import annotations

import errno
import os
import re
from dataclasses import replace

from compose_core.records.atomic import names_in
from compose_core.records.our_path import opened_folder, refuse
from compose_core.records.paths import ATTEMPTS_FOLDER, JobPaths

_LINK = re.compile(rf"{ATTEMPTS_FOLDER}/(0|[1-9][0-9]{{0,8}})/state\.json")
_NUMBER = re.compile(r"0|[1-9][0-9]{0,8}")


def newest_attempt(paths: JobPaths) -> int | None:
    """The attempt that the job's `state.json` leads to; None: the job has no such folders, or no link of ours is there.

    The link is read, never followed: any other text than `attempts/<n>/state.json` counts for nothing.

    Raises: RecordError: the job folder cannot be read, or is not ours.
    """
    link = replace(paths, attempt=None).state
    try:
        with opened_folder(link.folder) as folder:
            found = _LINK.fullmatch(os.readlink(link.name, dir_fd=folder))
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno == errno.EINVAL:  # a file, as every job without `resume` has one
            return None
        refuse(link, error)
    return int(found[1]) if found else None


def attempts_of(paths: JobPaths) -> tuple[int, ...]:
    """The attempts whose folders are there, the first one first; none when the job has no such folders.

    Raises: RecordError: the folder cannot be read, or is not ours.
    """
    names = names_in(replace(paths, attempt=None).attempts)
    return tuple(sorted(int(entry.name) for entry in names if entry.kind == "folder" and _NUMBER.fullmatch(entry.name)))


def of_newest_attempt(paths: JobPaths) -> JobPaths:
    """The paths of the newest attempt; those of the job folder itself when it has no attempts.

    Raises: RecordError: the job folder cannot be read, or is not ours.
    """
    return replace(paths, attempt=newest_attempt(paths))
