"""Paths on the host."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from compose_core.errors import Problem
from compose_core.spec.nodes import shortened
from compose_core.spec.rules.look import Look

NODE_LOCAL = ("/tmp", "/var/tmp", "/private/tmp", "/dev/shm")  # noqa: S108 - the folders that are refused


def log_paths_stay_below(look: Look) -> Iterator[Problem]:
    """Slurm's own logs do not climb out of the folder that they are named in."""
    for key, value in (("output", look.spec.x_slurm.output), ("error", look.spec.x_slurm.error)):
        if value is not None and ".." in value.split("/"):
            message = f"`{key}` must not contain `..`; {shortened(value)} was found"
            yield look.error(
                "path-traversal",
                message,
                ("x-slurm", key),
                "Write a path below the compose file's folder, or an absolute one.",
            )


def the_cache_is_shared(look: Look) -> Iterator[Problem]:
    """Images are prepared on one machine and used on others; symbolic links are looked through by preflight."""
    cache_dir = look.spec.x_slurm.cache_dir
    if cache_dir is None:
        return
    expanded = look.home + cache_dir[1:] if cache_dir == "~" or cache_dir.startswith("~/") else cache_dir
    path = "/" + posixpath.normpath(posixpath.join(str(look.project_dir), expanded)).lstrip("/")
    for folder in NODE_LOCAL:
        if path == folder or path.startswith(f"{folder}/"):
            seen = f" ({path})" if path != cache_dir else ""
            message = (
                f"`cache_dir` is {cache_dir}{seen}; {folder} is not shared between the login node and the compute nodes"
            )
            yield look.error(
                "cache-dir",
                message,
                ("x-slurm", "cache_dir"),
                "Choose a folder on a shared file system, such as /shared/$USER/cache.",
            )


def resume_is_shared_storage(look: Look) -> Iterator[Problem]:
    """The resume folder is an absolute path of the host."""
    resume = look.spec.x_slurm.resume
    if resume is None:
        return
    problem = ""
    if not resume.path.startswith("/"):
        problem = f"must be an absolute host path; {shortened(resume.path)} was found"
    elif ".." in resume.path.split("/"):
        problem = f"must not contain `..`; {shortened(resume.path)} was found"
    elif (posixpath.normpath(resume.path) + "/").startswith(("/hpc-compose/", "//hpc-compose/")):
        problem = "must be a path of the host; /hpc-compose/… exists in containers only"
    if problem:
        yield look.error(
            "resume-path", f"`resume.path` {problem}", ("x-slurm", "resume", "path"), "Name a folder on shared storage."
        )


RULES = (log_paths_stay_below, the_cache_is_shared, resume_is_shared_storage)
