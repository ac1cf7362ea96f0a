"""`image`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from compose_core.errors import Problem
from compose_core.spec.nodes import shortened
from compose_core.spec.rules.look import Look

_SCHEMES = ("docker", "dockerd", "podman")
_SCHEME = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://")
_SQUASHFS = (".sqsh", ".squashfs")


def containers_have_an_image(look: Look) -> Iterator[Problem]:
    """Only the host backend and the batch step do without; what a service failed to inherit is not missed a second time."""
    if look.spec.runtime.backend == "host" or not look.is_sound("runtime"):
        return
    for name, service in look.spec.services.items():
        inherits = look.has("services", name, "extends") or service.x_slurm.launch == "batch"
        if service.image is None and not inherits and look.is_sound("services", name, "image"):
            message = f"service '{name}' has no `image`"
            remedy = "Add `image:`, or set `runtime: {backend: host}` to run on the node itself."
            yield look.error("image-required", message, ("services", name), remedy)


def images_are_ignored_on_the_host(look: Look) -> Iterator[Problem]:
    """One line, the backend, can turn containers off; then the images have no effect."""
    if look.spec.runtime.backend != "host":
        return
    for name, service in look.spec.services.items():
        if service.image is not None:
            message = f"`image` of service '{name}' is ignored: the host backend runs the command on the node itself"
            yield look.warning(
                "image-on-host", message, ("services", name, "image"), "Remove it, or choose another backend."
            )


def images_can_be_fetched(look: Look) -> Iterator[Problem]:
    """A known scheme, a file of the backend's kind, no folder, no password."""
    for name, service in look.spec.services.items():
        if service.image is None:
            continue
        problem = (
            _scheme(service.image, look.spec.runtime.backend)
            or _user_info(service.image)
            or _file(service.image, look.spec.runtime.backend)
        )
        if problem:
            code, message, remedy = problem
            yield look.error(code, f"`image` of service '{name}': {message}", ("services", name, "image"), remedy)


def _scheme(image: str, backend: str | None) -> tuple[str, str, str] | None:
    match = _SCHEME.match(image)
    if match and backend == "apptainer" and match["scheme"] in ("dockerd", "podman"):
        return (
            "image-scheme",
            f"apptainer does not fetch from {match['scheme']}://",
            "Push the image to a registry and name it with docker://, or save it as a .sif file.",
        )
    if not match or match["scheme"] in _SCHEMES:
        return None
    allowed = ", ".join(f"{scheme}://" for scheme in _SCHEMES)
    return (
        "image-scheme",
        f"the scheme {match['scheme']}:// is not supported; allowed are {allowed}",
        "Write it without a scheme for docker://.",
    )


def _user_info(image: str) -> tuple[str, str, str] | None:
    reference = _SCHEME.sub("", image).split("/", 1)[0]
    before, at, _ = reference.partition("@")
    if not at or "/" not in _SCHEME.sub("", image):
        return None
    if ":" not in before and "://" not in image:
        return None
    return (
        "image-credentials",
        "it holds a user name or password",
        "Put credentials into ~/.config/enroot/.credentials (mode 0600).",
    )


def _file(image: str, backend: str | None) -> tuple[str, str, str] | None:
    if "://" in image:
        return None
    if image.endswith(".sif"):
        if backend == "apptainer":
            return None
        return (
            "image-format",
            f"a .sif file runs on apptainer only; the backend is {backend or 'pyxis'}",
            "Set `runtime: {backend: apptainer}`.",
        )
    if image.endswith(_SQUASHFS):
        if backend != "apptainer":
            return None
        return "image-format", "a .sqsh file cannot be run by apptainer", "Use a .sif file, or another backend."
    if image.startswith(("/", "./", "../", "~")) or image in (".", "..") or image.endswith("/"):
        message = f"{shortened(image)} is a path, and looks like a build context"
        return (
            "image-path",
            message,
            "Name an image such as python:3.11, or a local .sqsh file; customise it with x-runtime.prepare.",
        )
    return None


RULES = (containers_have_an_image, images_are_ignored_on_the_host, images_can_be_fetched)
