"""The images that services run in: what is imported, what is built on top, and the file that a step starts from."""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
from collections.abc import Mapping
from dataclasses import field, replace
from typing import Literal

from compose_core.frozen import Frozen
from compose_core.plan.absolute_path import absolute_path
from compose_core.plan.model import Backend, CachedFile, Mount, PlannedImage, PlannedPrepare, literal, shown
from compose_core.spec.models import Prepare, Service

CACHE_FORMAT = "1"
"""Part of every cache key; raised when the content of cached images changes for the same inputs, so that an upgrade
alone keeps the cache."""

_LOCAL = re.compile(r".*\.(?:sqsh|squashfs|sif)$")
_LABEL = re.compile(r"[^A-Za-z0-9_.-]+")


class ImageSite(Frozen, kw_only=True):
    """What image files depend on besides the compose file."""

    backend: Backend
    project_dir: str
    home: str
    cache_dir: str
    machine: str = ""
    """The processor's architecture as `uname -m` says it: a registry gives each another image."""
    digests: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of the local image files that are customised, by absolute path."""

    @property
    def suffix(self) -> str:
        """What the files of this backend are called."""
        return ".sif" if self.backend == "apptainer" else ".sqsh"

    @property
    def tool(self) -> Literal["enroot", "apptainer"]:
        """The program that makes them: Pyxis and Enroot share their images."""
        return "apptainer" if self.backend == "apptainer" else "enroot"


def planned_images(services: Mapping[str, Service], site: ImageSite) -> tuple[PlannedImage, ...]:
    """The images of these services, each once with all that run in it; none on the host backend."""
    if site.backend == "host":
        return ()
    images: dict[str, PlannedImage] = {}
    for name, service in services.items():
        if service.image is not None:
            image = planned_image(service.image, service.prepare, site, services=(name,))
            known = images.get(image.runtime_path)
            images[image.runtime_path] = image if known is None else replace(known, services=(*known.services, name))
    return tuple(images.values())


def planned_image(
    image: str, prepare: Prepare | None, site: ImageSite, *, services: tuple[str, ...] = ()
) -> PlannedImage:
    """What becomes of one image: a local file is taken as it is, any other is imported into the cache."""
    planned_prepare = _planned_prepare(prepare, site)
    path = local_image_path(image, project_dir=site.project_dir, home=site.home)
    if path is not None:
        content = site.digests.get(path, f"unread {path}")
        return PlannedImage(
            services=services,
            kind="local",
            reference=path,
            source=path,
            prepare=planned_prepare,
            prepared=_prepared_file(f"local {content}", path, planned_prepare, site),
            tool=site.tool,
            reason="a local image file",
        )
    uri = image if "://" in image else f"docker://{image}"
    base = _base_file(uri, site)
    return PlannedImage(
        services=services,
        kind="remote",
        reference=uri,
        source=enroot_uri(uri) if site.tool == "enroot" else uri.replace("#", "/", 1),
        base=base,
        prepare=planned_prepare,
        prepared=_prepared_file(base.key, uri, planned_prepare, site),
        tool=site.tool,
        reason="no scheme given: docker:// is meant" if "://" not in image else "as written",
    )


def local_image_path(image: str, *, project_dir: str, home: str) -> str | None:
    """The absolute path of an image that is a file; None for one of a registry or daemon."""
    if "://" in image or not _LOCAL.fullmatch(image):
        return None
    return absolute_path(image, project_dir, home)


def enroot_uri(uri: str) -> str:
    """`docker://HOST#IMAGE`: Enroot wants `#` between registry and image, and knows none in a daemon's images.

    Source: enroot import(1).
    """
    scheme, rest = uri.split("://", 1)
    first, slash, image = rest.partition("/")
    is_registry = (
        scheme == "docker" and slash and "#" not in rest and ("." in first or ":" in first or first == "localhost")
    )
    return f"{scheme}://{first}#{image}" if is_registry else uri


def _base_file(uri: str, site: ImageSite) -> CachedFile:
    key = _key("base", site.tool, site.machine, uri)
    return CachedFile(key=key, path=posixpath.join(site.cache_dir, "base", f"{key}-{_label(uri)}{site.suffix}"))


def _prepared_file(base: str, reference: str, prepare: PlannedPrepare | None, site: ImageSite) -> CachedFile | None:
    """Its key changes with all that goes into it; what lies in mounted host folders cannot be seen beforehand."""
    if prepare is None:
        return None
    mounts = [[shown(mount.source), mount.target, mount.read_only] for mount in prepare.mounts]
    key = _key("prepared", site.tool, base, list(prepare.commands), mounts, sorted(prepare.environment), prepare.root)
    return CachedFile(
        key=key, path=posixpath.join(site.cache_dir, "prepared", f"{key}-{_label(reference)}{site.suffix}")
    )


def _key(*inputs: object) -> str:
    """16 hexadecimal digits; the inputs are told apart by JSON's own syntax."""
    return hashlib.sha256(json.dumps([CACHE_FORMAT, *inputs]).encode()).hexdigest()[:16]


def _label(reference: str) -> str:
    """What a person recognises in a listing of the cache."""
    name = reference.split("://", 1)[1] if "://" in reference else posixpath.basename(reference).rsplit(".", 1)[0]
    return _LABEL.sub("-", name).strip("-")[:60] or "image"


def _planned_prepare(prepare: Prepare | None, site: ImageSite) -> PlannedPrepare | None:
    if prepare is None:
        return None
    return PlannedPrepare(
        commands=prepare.commands,
        mounts=tuple(
            Mount(
                source=literal(absolute_path(mount.source, site.project_dir, site.home)),
                target=mount.target,
                read_only=mount.read_only,
                reason="prepare.mounts",
            )
            for mount in prepare.mounts
        ),
        environment=tuple(prepare.env.items()),
        root=prepare.root,
    )
