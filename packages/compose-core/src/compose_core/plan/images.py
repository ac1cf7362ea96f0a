"""Image references: what is asked for, and the file or URI that a step starts from."""

from __future__ import annotations

import hashlib
import posixpath
import re

from compose_core.plan.model import Backend, ImageReference

CACHE_FORMAT = "1"
"""Part of every cache key; raised when the layout of cached images changes, so that an upgrade alone keeps the cache."""

_LOCAL = re.compile(r".*\.(?:sqsh|squashfs|sif)$")
_LABEL = re.compile(r"[^A-Za-z0-9_.-]+")


def image_reference(image: str, *, backend: Backend, project_dir: str, cache_dir: str) -> ImageReference:
    """The image of a service on a container backend: remote ones by URI, local ones by absolute path."""
    if "://" not in image and _LOCAL.fullmatch(image):
        path = posixpath.normpath(posixpath.join(project_dir, image))
        return ImageReference(
            kind="local",
            reference=path,
            runtime_path=path,
            through_pyxis=backend == "pyxis",
            reason="a local image file",
        )
    uri = image if "://" in image else f"docker://{image}"
    reason = "no scheme given: docker:// is meant" if "://" not in image else "as written"
    runtime = _enroot_uri(uri) if backend in ("pyxis", "enroot") else uri
    return ImageReference(
        kind="remote",
        reference=uri,
        runtime_path=runtime,
        through_pyxis=backend == "pyxis",
        cache_path=base_artifact(cache_dir, uri),
        reason=f"{reason}; fetched when the step starts",
    )


def base_artifact(cache_dir: str, uri: str) -> str:
    """Where the imported image lies once it is cached: `<cache>/base/<key>-<label>.sqsh`."""
    key = hashlib.sha256(f"base\0{CACHE_FORMAT}\0{uri}".encode()).hexdigest()[:16]
    label = _LABEL.sub("-", uri.split("://", 1)[1]).strip("-")[:60]
    return posixpath.join(cache_dir, "base", f"{key}-{label}.sqsh")


def _enroot_uri(uri: str) -> str:
    """`docker://HOST#IMAGE`: Enroot wants `#` between registry and image.  Source: enroot import(1)."""
    scheme, rest = uri.split("://", 1)
    first, slash, image = rest.partition("/")
    is_registry = slash and "#" not in rest and ("." in first or ":" in first or first == "localhost")
    return f"{scheme}://{first}#{image}" if is_registry else uri
