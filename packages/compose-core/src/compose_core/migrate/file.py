"""A whole docker-compose file as a compose file of a job."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compose_core.migrate import probes, requests
from compose_core.migrate.hosts import HostNames
from compose_core.migrate.local_extends import with_inherited
from compose_core.migrate.nodes import child, map_of, nodes_of, text_of, texts_of
from compose_core.migrate.notes import Note, Notes
from compose_core.migrate.on_host import to_host
from compose_core.migrate.service import Converted, Surroundings, convert_service
from compose_core.migrate.volumes import Volumes
from compose_core.spec.findings import Findings
from compose_core.spec.nodes import MapNode, Mark
from compose_core.spec.source_file import SourceFileError, read_source
from compose_core.spec.yaml_tree import MAX_BYTES, read_yaml

_TIME = "01:00:00"
_HEAD = """\
# Converted from {source} by `hpcc migrate`. What it could not know:
#   - x-slurm.time, mem and cpus_per_task are to be checked; partition and account may be asked for by your site;
#   - x-slurm.cache_dir has to be on a file system that the nodes share.
"""


@dataclass(frozen=True, kw_only=True)
class Migration:
    """The new file and the account of what became of the old one."""

    spec: dict[str, Any]
    notes: tuple[Note, ...]
    folders: tuple[str, ...]
    """Folders beside the new file that take the place of named volumes: they have to exist."""
    source: str

    def text(self) -> str:
        """The new file."""
        import yaml

        body = yaml.safe_dump(self.spec, sort_keys=False, allow_unicode=True, width=120)
        by_hand = [note for note in self.notes if note.kind == "manual"]
        todo = "".join(f"#   - {note.file}:{note.line}: {note.key_path}: {note.message}\n" for note in by_hand)
        head = _HEAD.format(source=self.source)
        return f"{head}# By hand:\n{todo}{body}"


def migrate_file(path: Path, *, shown: str, to: Path, has_containers: bool = True) -> Migration:
    """The docker-compose file as a file that lies in the folder `to`; without containers for the host backend.

    Raises: SpecError: it cannot be read, or has no services.
    """
    source = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow a link, and relative paths start from its folder
    findings, notes = Findings(), Notes()
    root = _root(source, shown, findings)
    services = map_of(root.items.get("services"))
    if services is None or not services.items:
        findings.error("no-services", "the file has no services", root.mark, remedy="Name a docker-compose file.")
        findings.raise_errors()
    assert services is not None
    services = with_inherited(services, notes)
    volumes = Volumes(map_of(root.items.get("volumes")), source.parent, to, notes)
    around = Surroundings(
        folder=source.parent,
        shown=Path(shown).parent,
        to=to,
        hosts=HostNames(_names(services)),
        volumes=volumes,
        secrets=map_of(root.items.get("secrets")),
        configs=map_of(root.items.get("configs")),
        notes=notes,
    )
    made = [convert_service(name, node, around) for name, node in services.items.items() if isinstance(node, MapNode)]
    for one in () if has_containers else made:
        to_host(one, to, notes)
    _settle(made, notes)
    _root_keys(root, notes)
    spec = _spec(root, source, made, notes)
    if not has_containers:
        spec = {"name": spec["name"], "runtime": {"backend": "host"}, **spec}
    return Migration(spec=spec, notes=notes.in_order(), folders=tuple(volumes.folders), source=shown)


def _root(source: Path, shown: str, findings: Findings) -> MapNode:
    try:
        data = read_source(source, limit=MAX_BYTES)
    except SourceFileError as error:
        findings.error("file-not-found", f"the file {error}", Mark(shown, 0, 0), remedy="Name a docker-compose file.")
        data = b""
        findings.raise_errors()
    root = read_yaml(data, shown, findings)
    findings.raise_errors()
    assert root is not None
    return root


def _names(services: MapNode) -> list[str]:
    """Everything by which a service is reached."""
    names = list(services.items)
    for service in services.items.values():
        names += [text for key in ("container_name", "hostname") if (text := text_of(child(service, key)))]
        networks = map_of(child(service, "networks"))
        for network in networks.items.values() if networks is not None else ():
            names += [text for text, _ in texts_of(child(network, "aliases"))]
    return names


def _settle(made: Sequence[Converted], notes: Notes) -> None:
    """What one service says about the others: who waits for whom, and whose end ends the job."""
    by_name = {one.name: one for one in made}
    needed = _needed(made)
    for one in made:
        if waits := {name: _condition(one, by_name[name], notes) for name in one.waits_for if name in by_name}:
            one.spec["depends_on"] = {name: {"condition": condition} for name, condition in waits.items()}
        for name in one.waits_for:
            if name not in by_name:
                notes.manual(one.node.mark, (*one.path, "depends_on", name), "there is no such service")
    for one in made:
        if needed.get(one.name):
            one.spec.setdefault("x-slurm", {})["lifecycle"] = "sidecar"
            notes.changed(
                one.node.mark,
                one.path,
                f"lifecycle: sidecar, because {needed[one.name]} needs it: it ends with the others",
            )
        one.spec = {key: value for key, value in one.spec.items() if value}
    _tell_shared_ports(made, notes)


def _needed(made: Sequence[Converted]) -> dict[str, str]:
    """The services that others use while they run, each with one that does."""
    found: dict[str, str] = {}
    for one in made:
        for name, (condition, _) in one.waits_for.items():
            if condition != "service_completed_successfully":
                found.setdefault(name, one.name)
    finished = {
        name for one in made for name, (how, _) in one.waits_for.items() if how == "service_completed_successfully"
    }
    return {name: user for name, user in found.items() if name not in finished}


def _condition(one: Converted, other: Converted, notes: Notes) -> str:
    condition, node = one.waits_for[other.name]
    path = (*one.path, "depends_on", other.name)
    if condition == "service_healthy" and not other.spec.get("readiness"):
        if not other.ports:
            notes.manual(node.mark, path, f"{other.name} has no readiness yet: this waits only until it is started")
            return "service_started"
        other.spec["readiness"] = {**probes.tcp(other.ports[0]), "timeout_seconds": 60}
        notes.changed(node.mark, path, f"{other.name} is ready once port {other.ports[0]} takes connections")
    elif condition not in {"service_started", "service_healthy", "service_completed_successfully"}:
        notes.manual(node.mark, path, f"{condition!r} is no condition")
        return "service_started"
    else:
        notes.converted(node.mark, path, condition)
    return condition


def _tell_shared_ports(made: Sequence[Converted], notes: Notes) -> None:
    """On one network no two services can have one port."""
    user_of: dict[int, str] = {}
    for one in made:
        for port in one.ports[:1]:
            if port in user_of:
                message = (
                    f"{user_of[port]} listens on port {port}, too: give one of them another port, or x-slurm.ports"
                )
                notes.manual(one.node.mark, one.path, message)
            user_of.setdefault(port, one.name)


def _root_keys(root: MapNode, notes: Notes) -> None:
    for key, node in root.items.items():
        mark = root.key_mark(key)
        if key == "include":
            for item in nodes_of(node):
                notes.manual(item.mark, (key,), "migrate the included file, and take it over with `extends`")
        elif key == "version":
            notes.converted(mark, (key,), "left out: it says nothing any more")
        elif key == "networks":
            notes.changed(mark, (key,), "left out: services of one node share its network")
        elif key not in {"name", "services", "volumes", "secrets", "configs"} and not key.startswith("x-"):
            notes.manual(mark, (key,), "not known, and left out")


def _spec(root: MapNode, source: Path, made: Sequence[Converted], notes: Notes) -> dict[str, Any]:
    name = text_of(root.items.get("name")) or source.parent.name
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-.") or "migrated"
    asked, is_guess = requests.job_requests([one.spec for one in made])
    notes.manual(root.mark, ("x-slurm", "time"), f"{_TIME} is a guess: say how long the job may run")
    if is_guess:
        notes.manual(root.mark, ("x-slurm", "mem"), f"{asked['mem']} counts 2G for each service that asked for nothing")
    return {
        "name": name,
        "x-slurm": {"time": _TIME, **asked},
        "services": {one.name: one.spec for one in made},
    }
