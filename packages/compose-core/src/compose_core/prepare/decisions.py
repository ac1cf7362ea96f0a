"""What has to be done for each image, and why: decided from what is planned and what is there, touching nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from compose_core.plan.model import PlannedImage
from compose_core.prepare.found import Found

Action = Literal["import", "build", "reuse", "missing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One image file, and what becomes of it."""

    action: Action
    kind: Literal["base", "prepared", "local"]
    path: str
    reference: str
    """The image that the compose file names."""
    services: tuple[str, ...]
    reason: str
    key: str | None = None
    """None: a local image, which is in no cache."""
    is_renewal: bool = False
    """The file is there and whole, and is made anew nevertheless."""

    @property
    def is_work(self) -> bool:
        """Something has to be made."""
        return self.action in ("import", "build")

    def as_json(self) -> dict[str, Any]:
        """The fields of the reports."""
        return {
            "action": self.action,
            "kind": self.kind,
            "path": self.path,
            "image": self.reference,
            "services": list(self.services),
            "reason": self.reason,
            "key": self.key,
        }


def decide(images: Iterable[PlannedImage], found: Mapping[str, Found], *, force: bool = False) -> tuple[Decision, ...]:
    """The decisions for these images, each file once, a base before what is built on it."""
    decisions: dict[str, Decision] = {}
    for image in images:
        for decision in image_decisions(image, found, force=force):
            known = decisions.get(decision.path)
            if known is not None:
                decision = _of_both(known, decision)
            decisions[decision.path] = decision
    return tuple(decisions.values())


def image_decisions(image: PlannedImage, found: Mapping[str, Found], *, force: bool) -> Iterator[Decision]:
    """The decisions for one image: its base as far as it is needed, then what is built on it."""
    build = _prepared(image, found, force=force)
    if image.base is None:
        yield _local(image, found[image.source])
    elif build is None or build.is_work:
        yield _base(image, found[image.base.path], force=force)
    if build is not None:
        yield build


def _base(image: PlannedImage, found: Found, *, force: bool) -> Decision:
    assert image.base is not None
    action: Action = "import"
    if force:
        reason = "a new import is asked for"
    elif found.state == "complete":
        action, reason = "reuse", "it is in the cache"
    else:
        reason = _reason(found)
    return _decision(image, action, "base", image.base.path, reason, key=image.base.key, found=found)


def _prepared(image: PlannedImage, found: Mapping[str, Found], *, force: bool) -> Decision | None:
    if image.prepared is None:
        return None
    there = found[image.prepared.path]
    action: Action = "build"
    if force:
        reason = "a new build is asked for"
    elif image.is_always_built:
        reason = "`prepare.mounts` shows it host folders, whose content nobody watches: it is built every time"
    elif there.state == "complete":
        action, reason = "reuse", "base, commands and variables are the same as when it was built"
    else:
        reason = _reason(there)
    return _decision(image, action, "prepared", image.prepared.path, reason, key=image.prepared.key, found=there)


def _local(image: PlannedImage, found: Found) -> Decision:
    if found.state == "complete":
        return _decision(image, "reuse", "local", image.source, "a local file is used as it is", found=found)
    reason = "there is no such file" if found.state == "absent" else found.why
    return _decision(image, "missing", "local", image.source, reason, found=found)


def _reason(found: Found) -> str:
    return "it is not in the cache" if found.state == "absent" else f"what is in the cache cannot be used: {found.why}"


def _decision(
    image: PlannedImage,
    action: Action,
    kind: Literal["base", "prepared", "local"],
    path: str,
    reason: str,
    *,
    found: Found,
    key: str | None = None,
) -> Decision:
    return Decision(
        action=action,
        kind=kind,
        path=path,
        reference=image.reference,
        services=image.services,
        reason=reason,
        key=key,
        is_renewal=found.state == "complete" and action in ("import", "build"),
    )


def _of_both(one: Decision, other: Decision) -> Decision:
    """Two images share a file: the services of both, and the one that is work if one is."""
    chosen = other if other.is_work and not one.is_work else one
    return replace(chosen, services=tuple(dict.fromkeys((*one.services, *other.services))))
