"""Images: local ones are there, registries that want a login have one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from compose_core.cluster.site import Site
from compose_core.plan.model import Plan
from compose_core.preflight.finding import Finding, ok
from compose_core.prepare.found import found_images, local_image
from compose_core.records.paths import CachePaths

_DOCKER_HUB = "registry-1.docker.io"
_ALWAYS_WITH_LOGIN = {"nvcr.io": "$oauthtoken"}
_MAX_BYTES = 1024 * 1024


def local_images(plan: Plan, site: Site) -> Iterator[Finding]:
    """Image files of the user."""
    for image in plan.images:
        if image.kind != "local":
            continue
        found = local_image(image.source)
        if found.state == "complete":
            yield ok("local-images", f"{image.source} exists")
        else:
            why = "it is not there" if found.state == "absent" else found.why
            yield Finding(
                check="local-images",
                level="error",
                message=f"the image {image.source} of {', '.join(image.services)} cannot be used: {why}",
                remedy="Correct the path, or name an image of a registry.",
            )


def registry_logins(plan: Plan, site: Site) -> Iterator[Finding]:
    """Registries whose images have still to be imported, and whether Enroot knows a login for them."""
    found = found_images(plan.images, CachePaths(Path(plan.cache_dir)))
    wanted = {
        _registry(image.source)
        for image in plan.images
        if image.base is not None
        and image.source.startswith("docker://")
        and found[image.base.path].state != "complete"
    }
    known, problem = _logins(site)
    if problem is not None and wanted:
        yield problem
    for registry in sorted(wanted):
        if registry in known:
            yield ok("registry-login", f"there is a login for {registry}")
        elif registry == _DOCKER_HUB:
            yield Finding(
                check="registry-login",
                level="info",
                message="images of Docker Hub are imported without a login, which is limited to some a day",
                remedy=f"Put a line `machine {_DOCKER_HUB} login NAME password TOKEN` into {_credentials(site)}.",
            )
        elif registry in _ALWAYS_WITH_LOGIN:
            login = _ALWAYS_WITH_LOGIN[registry]
            yield Finding(
                check="registry-login",
                level="warning",
                message=f"there is no login for {registry}",
                remedy=f"Put a line `machine {registry} login {login} password KEY` into {_credentials(site)}.",
            )
        else:
            yield Finding(
                check="registry-login",
                level="info",
                message=f"images of {registry} are imported without a login",
                remedy=f"If it wants one: `machine {registry} login NAME password TOKEN` in {_credentials(site)}.",
            )


def ready_images(plan: Plan, site: Site) -> Iterator[Finding]:
    """Which images would be made by `prepare`, and so could not be skipped."""
    found = found_images(plan.images, CachePaths(Path(plan.cache_dir)))
    for image in plan.images:
        if image.kind == "local" and image.prepared is None:
            continue
        state = found[image.runtime_path]
        services = ", ".join(image.services)
        if state.state == "complete" and not image.is_always_built:
            yield ok("image-ready", f"the image of {services} is in the cache")
        else:
            why = "`prepare.mounts` makes it anew every time" if image.is_always_built else state.why or "not there yet"
            yield Finding(
                check="image-ready",
                level="info",
                message=f"the image of {services} has to be made: {why}",
                remedy="`hpcc prepare` or `hpcc up` does; --skip-prepare would refuse."
                if not image.is_always_built
                else "",
            )


def _registry(source: str) -> str:
    name = source.removeprefix("docker://").partition("#")
    return name[0].rpartition("@")[2] if name[1] else _DOCKER_HUB


def _credentials(site: Site) -> Path:
    """Source: enroot import(1)."""
    chosen = site.environment.get("ENROOT_CONFIG_PATH")
    return (Path(chosen) if chosen else site.home / ".config" / "enroot") / ".credentials"


def _logins(site: Site) -> tuple[set[str], Finding | None]:
    """Machines that the credentials name; nothing else of the file is looked at."""
    path = _credentials(site)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return set(), None
    except OSError as error:
        return set(), Finding(
            check="registry-login", level="warning", message=f"{path}: {os.strerror(error.errno or 0)}"
        )
    with os.fdopen(descriptor, "rb") as stream:
        mode = os.fstat(stream.fileno()).st_mode
        words = stream.read(_MAX_BYTES).decode("utf-8", "replace").split()
    machines = {after for word, after in pairwise(words) if word == "machine"}
    if mode & 0o077:
        return machines, Finding(
            check="registry-login",
            level="warning",
            message=f"{path} can be read by others (mode {mode & 0o777:04o})",
            remedy=f"chmod 600 {path}",
        )
    return machines, None


CHECKS = (local_images, registry_logins, ready_images)
