"""Folders and files of the host that the job needs: there, writable, shared."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from compose_core.cluster.site import Site
from compose_core.errors import RecordError
from compose_core.plan.model import Literally, Mount, Plan
from compose_core.preflight.finding import Finding, ok
from compose_core.records.atomic import remove_file, replace_file
from compose_core.records.our_path import OurPath

NODE_LOCAL = ("/tmp", "/var/tmp", "/private/tmp", "/dev/shm")  # noqa: S108 - the folders that are warned of
_LITTLE_BYTES = 2 * 1024**3


def cache_place(plan: Plan, site: Site) -> Iterator[Finding]:
    """The cache is seen by the nodes too; a link is looked through."""
    if not _uses_cache(plan):
        return
    real = os.path.realpath(plan.cache_dir)
    local = node_local(real)
    if local and site.engine_name == "slurm":
        through = "" if real == plan.cache_dir else f" (through a link: {real})"
        yield Finding(
            check="cache-place",
            level="error",
            message=f"the image cache {plan.cache_dir}{through} lies in {local}, which the nodes do not share",
            remedy="Set x-slurm.cache_dir to a folder on a shared file system.",
        )
    elif Path(real).is_relative_to(os.path.realpath(site.home)) and site.engine_name == "slurm":
        yield Finding(
            check="cache-place",
            level="warning",
            message=f"the image cache {plan.cache_dir} lies in your home, which is small or slow on some clusters",
            remedy="Set x-slurm.cache_dir to a shared folder of your project.",
        )
    else:
        yield ok("cache-place", f"the image cache is {plan.cache_dir}")


def cache_writable(plan: Plan, site: Site) -> Iterator[Finding]:
    """A file can be made there."""
    if not _uses_cache(plan):
        return
    probe = OurPath(Path(plan.cache_dir)) / f".preflight-{os.getpid()}-{os.urandom(4).hex()}"
    try:
        replace_file(probe, b"")
        remove_file(probe)
    except RecordError as error:
        yield Finding(check="cache-writable", level="error", message=error.message, remedy=error.remedy)
    else:
        yield ok("cache-writable", "the image cache can be written")


def cache_space(plan: Plan, site: Site) -> Iterator[Finding]:
    """Room for an image."""
    if not _uses_cache(plan):
        return
    folder = next((above for above in (Path(plan.cache_dir), *Path(plan.cache_dir).parents) if above.exists()), None)
    if folder is None:
        return
    found = os.statvfs(folder)
    free = found.f_bavail * found.f_frsize
    if free < _LITTLE_BYTES:
        yield Finding(
            check="cache-space",
            level="warning",
            message=f"the file system of the image cache has {free / 1024**3:.1f} GiB left",
            remedy="Free some with `hpcc cache prune`, or set x-slurm.cache_dir to a larger file system.",
        )
    else:
        yield ok("cache-space", f"{free / 1024**3:.0f} GiB are free for images")


def _uses_cache(plan: Plan) -> bool:
    """Some image lies there; local ones that nothing is built on do not."""
    return any(image.base is not None or image.prepared is not None for image in plan.images)


def job_place(plan: Plan, site: Site) -> Iterator[Finding]:
    """The folder that the job writes to is seen by the nodes."""
    for what, folder in (
        ("the job folder", plan.runtime_root or plan.project_dir),
        ("resume.path", _resume_path(plan)),
    ):
        local = node_local(os.path.realpath(folder)) if folder else ""
        if local and site.engine_name == "slurm":
            yield Finding(
                check="shared-folders",
                level="warning",
                message=f"{what} {folder} lies in {local}, which the nodes of most clusters do not share",
                remedy="Use a folder on a shared file system.",
            )


def mount_sources(plan: Plan, site: Site) -> Iterator[Finding]:
    """What containers are to see exists, also behind links."""
    seen: set[str] = set()
    mounts = [(step.service, mount) for step in plan.steps for mount in step.mounts]
    mounts += [(image.services[0], mount) for image in plan.images if image.prepare for mount in image.prepare.mounts]
    for service, mount in mounts:
        source = _path(mount)
        if source is None or source in seen:
            continue
        seen.add(source)
        yield from _source(service, source)


def _source(service: str, source: str) -> Iterator[Finding]:
    path = Path(source)
    if path.is_symlink() and not path.exists():
        message = f"{source} of service {service!r} is a link to {path.readlink()}, which does not exist"
        yield Finding(check="mounts", level="error", message=message, remedy="Mend the link.")
    elif not path.exists():
        message = f"{source} of service {service!r} does not exist here"
        yield Finding(
            check="mounts", level="error", message=message, remedy="Make it, or correct the path in `volumes`."
        )
    elif path.is_symlink():
        yield Finding(
            check="mounts",
            level="info",
            message=f"{source} of service {service!r} is a link to {path.readlink()}",
            remedy="The nodes need to see that, too.",
        )
    else:
        yield ok("mounts", f"{source} exists")


def node_local(path: str) -> str:
    """The folder of the node itself that the path lies in; empty when it lies in none."""
    return next((folder for folder in NODE_LOCAL if path == folder or path.startswith(f"{folder}/")), "")


def _resume_path(plan: Plan) -> str:
    return plan.resume.path if plan.resume is not None else ""


def _path(mount: Mount) -> str | None:
    """The host path; None for one that only the node knows."""
    texts = [part.text for part in mount.source if isinstance(part, Literally)]
    return "".join(texts) if len(texts) == len(mount.source) else None


CHECKS = (cache_place, cache_writable, cache_space, job_place, mount_sources)
