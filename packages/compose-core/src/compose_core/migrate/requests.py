"""CPUs, memory and GPUs of Docker's keys as requests of a job's services."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from compose_core.migrate.nodes import child, map_of, nodes_of, text_of, texts_of
from compose_core.migrate.notes import Notes
from compose_core.spec.nodes import KeyPath, MapNode, Node

_SIZE = re.compile(r"(?P<number>[0-9]+(?:\.[0-9]+)?)\s*(?P<unit>[bkmgt]?)i?b?", re.IGNORECASE)
_BYTES = {"": 1, "b": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}
_GUESSED_MEMORY_MIB = 2048
KEYS = frozenset({"cpus", "cpu_count", "mem_limit", "mem_reservation", "gpus", "runtime", "deploy"})
"""The keys of a Docker service that are read here."""


def memory_mib(text: str) -> int | None:
    """Docker's sizes (`512m`, `1.5gb`, bytes) in MiB, rounded up; None when it is none."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        return None
    return max(1, math.ceil(float(match["number"]) * _BYTES[match["unit"].lower()] / 1024**2))


def slurm_size(mib: int) -> str:
    """A size without a fraction, as Slurm wants it."""
    return f"{mib // 1024}G" if mib % 1024 == 0 else f"{mib}M"


def service_requests(service: MapNode, path: KeyPath, notes: Notes) -> dict[str, Any]:
    """The `x-slurm` keys of a service for what its Docker service was given."""
    found: dict[str, Any] = {}
    resources = child(service, "deploy", "resources")
    _cpus(service, resources, path, notes, found)
    _memory(service, resources, path, notes, found)
    _gpus(service, resources, path, notes, found)
    return found


def _cpus(service: MapNode, resources: Node | None, path: KeyPath, notes: Notes, found: dict[str, Any]) -> None:
    for keys in (("cpus",), ("cpu_count",), ("limits", "cpus"), ("reservations", "cpus")):
        node = child(resources if len(keys) > 1 else service, *keys)
        text = text_of(node)
        if node is None or text is None:
            continue
        key = (*path, *(("deploy", "resources") if len(keys) > 1 else ()), *keys)
        try:
            count = max(1, math.ceil(float(text)))
        except (ValueError, OverflowError):
            notes.manual(node.mark, key, f"{text!r} is no number of CPUs; set x-slurm.cpus_per_task")
            continue
        found["cpus_per_task"] = count
        notes.converted(node.mark, key, f"x-slurm.cpus_per_task: {count}; Slurm gives whole CPUs")
        return


def _memory(service: MapNode, resources: Node | None, path: KeyPath, notes: Notes, found: dict[str, Any]) -> None:
    places = (("mem_limit",), ("limits", "memory"), ("reservations", "memory"), ("mem_reservation",))
    for keys in places:
        node = child(resources if len(keys) > 1 else service, *keys)
        text = text_of(node)
        if node is None or text is None:
            continue
        key = (*path, *(("deploy", "resources") if len(keys) > 1 else ()), *keys)
        size = memory_mib(text)
        if size is None:
            notes.manual(node.mark, key, f"{text!r} is no size; set x-slurm.mem")
            continue
        found["mem"] = slurm_size(size)
        notes.converted(node.mark, key, f"x-slurm.mem: {found['mem']}")
        return


def _gpus(service: MapNode, resources: Node | None, path: KeyPath, notes: Notes, found: dict[str, Any]) -> None:
    devices = child(resources, "reservations", "devices")
    for at, device in enumerate(nodes_of(devices)):
        capabilities = [text for text, _ in texts_of(child(device, "capabilities"))]
        key = (*path, "deploy", "resources", "reservations", "devices", at)
        if "gpu" in capabilities:
            _count(device, key, notes, found)
        else:
            notes.manual(device.mark, key, "a device that is no GPU; name it in x-slurm.gres")
    asked = service.items.get("gpus")
    if asked is not None:
        text = text_of(asked)
        count = int(text) if text is not None and text.isdecimal() else 1
        _note_gpus(asked, (*path, "gpus"), notes, found, count, is_exact=text is not None and text.isdecimal())
    elif "gpus" not in found and text_of(service.items.get("runtime")) == "nvidia":
        _note_gpus(service.items["runtime"], (*path, "runtime"), notes, found, 1, is_exact=False)


def _count(device: Node, key: KeyPath, notes: Notes, found: dict[str, Any]) -> None:
    listed = nodes_of(child(device, "device_ids"))
    text = text_of(child(device, "count"))
    count = len(listed) or (int(text) if text is not None and text.isdecimal() else 1)
    _note_gpus(device, key, notes, found, count, is_exact=bool(listed) or text not in {None, "all"})


def _note_gpus(node: Node, key: KeyPath, notes: Notes, found: dict[str, Any], count: int, *, is_exact: bool) -> None:
    found["gpus"] = found.get("gpus", 0) + count
    if is_exact:
        notes.converted(node.mark, key, f"x-slurm.gpus: {found['gpus']}; Slurm says which")
    else:
        notes.changed(
            node.mark, key, f"`all` GPUs of a machine became x-slurm.gpus: {count}; ask for as many as it uses"
        )


def job_requests(services: Iterable[Mapping[str, Any]]) -> tuple[dict[str, Any], bool]:
    """What the whole job asks for, as the sum of its services, and whether some of it is a guess."""
    asked = [dict(service.get("x-slurm", {})) for service in services]
    sizes = [memory_mib(str(one["mem"])) if "mem" in one else None for one in asked]
    total = sum(_GUESSED_MEMORY_MIB if size is None else size for size in sizes)
    found: dict[str, Any] = {
        "cpus_per_task": sum(one.get("cpus_per_task", 1) for one in asked),
        "mem": slurm_size(total),
    }
    if gpus := sum(one.get("gpus", 0) for one in asked):
        found["gpus"] = gpus
    return found, any(size is None for size in sizes)


def deploy_leftovers(service: MapNode, path: KeyPath, notes: Notes) -> None:
    """The keys of `deploy` that are neither resources nor a restart policy."""
    deploy = map_of(service.items.get("deploy"))
    for key, node in (deploy.items if deploy is not None else {}).items():
        if key in {"replicas", "mode"}:
            text = text_of(node)
            if key == "replicas" and text not in {None, "1"}:
                notes.manual(
                    node.mark,
                    (*path, "deploy", key),
                    f"one copy runs instead of {text}: write a service for each, or use x-slurm.ntasks",
                )
        elif key not in {"resources", "restart_policy"}:
            notes.changed(node.mark, (*path, "deploy", key), "left out: it is for Swarm")
