"""Pass 4: keys that mean nothing here are reported with what to write instead, and taken out of the tree."""

from __future__ import annotations

from collections.abc import Mapping

from compose_core.spec.findings import Findings
from compose_core.spec.grammar import COMPOSE, JOB_SLURM, SERVICE, SERVICE_SLURM
from compose_core.spec.kinds import Either, Kind, ListOf, MapOf, Section, Typed, did_you_mean
from compose_core.spec.nodes import KeyPath, ListNode, MapNode, Node, path_text, shortened

_DOCKER_SERVICE: Mapping[str, str] = {
    "build": "Use `image:` with `x-runtime: {prepare: {commands: […]}}` (or x-enroot.prepare) to customise it.",
    "ports": "Remove it: services on one node share the host network, 127.0.0.1. For free ports, name them in x-slurm.ports.",
    "expose": "Remove it: services on one node share the host network, 127.0.0.1.",
    "networks": "Remove it: there are no Docker networks; services on one node share 127.0.0.1.",
    "network_mode": "Remove it: every service has the host's network.",
    "links": "Remove it: use 127.0.0.1, or @{service.host} and depends_on.",
    "external_links": "Remove it: use the other machine's name.",
    "dns": "Remove it: services use the node's name service.",
    "hostname": "Remove it: the node's name is kept.",
    "container_name": "Remove it: the service's name is used.",
    "restart": "Use `x-slurm: {failure_policy: {mode: restart_on_failure}}`.",
    "deploy": "Use `x-slurm` for resources: nodes, cpus_per_task, mem, gpus.",
    "cpus": "Use `x-slurm: {cpus_per_task: …}`.",
    "cpu_count": "Use `x-slurm: {cpus_per_task: …}`.",
    "mem_limit": "Use `x-slurm: {mem: …}`.",
    "mem_reservation": "Use `x-slurm: {mem: …}`.",
    "shm_size": "Remove it: /dev/shm is the node's.",
    "gpus": "Use `x-slurm: {gpus: …}`.",
    "devices": "Use `x-slurm: {gres: …}`.",
    "scale": "Write a service for each copy, or use x-slurm.ntasks.",
    "user": "Remove it: everything runs as the user who submits.",
    "group_add": "Remove it: everything runs with the groups of the user who submits.",
    "privileged": "Remove it: a job has no more rights than its user.",
    "cap_add": "Remove it: a job has no more rights than its user.",
    "cap_drop": "Remove it: a job has no more rights than its user.",
    "security_opt": "Remove it: a job has no more rights than its user.",
    "sysctls": "Remove it: the node's kernel settings belong to the site.",
    "ulimits": "Use `ulimit` in the command or in x-slurm.setup.",
    "logging": "Remove it: logs are kept per service; see x-slurm.logs.",
    "labels": "Remove it, or keep it as a comment.",
    "annotations": "Remove it, or keep it as a comment.",
    "stop_signal": "Remove it: services are stopped with TERM, then KILL.",
    "stop_grace_period": "Use the top-level `x-slurm: {stop_grace_seconds: …}`.",
    "tmpfs": "Use a folder of the node, such as $TMPDIR, or a volume.",
    "configs": "Mount the file with `volumes:`.",
    "profiles": "Write a file for each profile, with `extends` for what they share.",
    "pull_policy": "Remove it: Pyxis and Apptainer look for the image when the step starts.",
    "platform": "Remove it: the node's architecture decides.",
    "init": "Remove it: the supervisor reaps processes.",
    "tty": "Remove it: a job has no terminal.",
    "stdin_open": "Remove it: a service reads from /dev/null.",
    "runtime": "Set `runtime: {backend: …}` at the top of the file.",
    "modules": "Use the top-level `x-slurm: {modules: […]}`.",
    "x-env": "Use the top-level `x-slurm: {modules: […]}` or `setup`.",
}
_DOCKER_ROOT: Mapping[str, str] = {
    "networks": "Remove it: there are no Docker networks; services on one node share 127.0.0.1.",
    "volumes": "Remove it: mount host folders in the services' `volumes:`.",
    "configs": "Mount files with the services' `volumes:`.",
    "include": "Use `extends: other.yaml`.",
    "profiles": "Write a file for each profile, with `extends` for what they share.",
    "modules": "Use `x-slurm: {modules: […]}`.",
    "x-env": "Use `x-slurm: {modules: […]}` or `setup`.",
    "image": "Put it under `services:` and the name of a service.",
    "command": "Put it under `services:` and the name of a service.",
}
_DEPENDENCY = {
    "required": "Remove it: every dependency is required.",
    "restart": "Remove it: use `x-slurm: {failure_policy: …}` of the service.",
}
_VOLUME = {
    "bind": "Remove it: mounts have no further options.",
    "volume": "Remove it: mounts have no further options.",
    "tmpfs": "Remove it: mounts have no further options.",
    "consistency": "Remove it: it has no meaning here.",
}
_SECRET = {
    "environment": "Use `env:`: the name of the variable, as it is set where you submit.",
    "external": "Name where it comes from: `file:` or `env:`.",
    "name": "Remove it: services ask for the secret by its key.",
}
_OBJECTIVE = dict.fromkeys(("goal", "mode"), "Use `direction: minimize` or `direction: maximize`.")
_SWEEP = {"spec": "Remove it: the sweep applies to the file it stands in."}
_ONCE_A_SECOND = "Remove it: probes run once a second, until the `timeout`."
_HEALTHCHECK = dict.fromkeys(("interval", "retries", "start_period", "start_interval"), _ONCE_A_SECOND)

_INSTEAD: Mapping[str, Mapping[str, str]] = {
    "compose": _DOCKER_ROOT,
    "service": _DOCKER_SERVICE,
    "dependency": _DEPENDENCY,
    "volume": _VOLUME,
    "secret": _SECRET,
    "sweep": _SWEEP,
    "sweep-objective": _OBJECTIVE,
    "healthcheck": _HEALTHCHECK,
}


def docker_advice(key: str) -> str | None:
    """What to do about a key of a Docker service that has no meaning here; None when the table does not know it."""
    return _DOCKER_SERVICE.get(key)


def drop_unsupported(root: MapNode, findings: Findings) -> MapNode:
    """The tree with known keys only."""
    pruned = _prune(root, COMPOSE, (), findings)
    assert isinstance(pruned, MapNode)
    return pruned


def _prune(node: Node, kind: Kind, path: KeyPath, findings: Findings) -> Node:
    if isinstance(kind, ListOf) and isinstance(node, ListNode):
        return ListNode(
            tuple(_prune(item, kind.item, (*path, at), findings) for at, item in enumerate(node.items)), node.mark
        )
    if not isinstance(node, MapNode):
        return node
    if isinstance(kind, Typed):
        kind = kind.section_of(node) or kind
    if isinstance(kind, Either):
        kind = kind.mapping
    if isinstance(kind, MapOf):
        items = {key: _prune(value, kind.value, (*path, key), findings) for key, value in node.items.items()}
        return MapNode(items, node.mark, node.key_marks)
    return _prune_section(node, kind, path, findings) if isinstance(kind, Section) else node


def _prune_section(node: MapNode, section: Section, path: KeyPath, findings: Findings) -> MapNode:
    items: dict[str, Node] = {}
    for key, value in node.items.items():
        entry = section.entries.get(key)
        if entry is None or not entry.written:
            _report(key, section, node, path, findings)
        else:
            items[key] = _prune(value, entry.kind, (*path, key), findings)
    return MapNode(items, node.mark, node.key_marks)


def _report(key: str, section: Section, node: MapNode, path: KeyPath, findings: Findings) -> None:
    if findings.is_full:
        return
    mark, where = node.key_mark(key), (*path, key)
    if (instead := _INSTEAD.get(section.name, {}).get(key)) is not None:
        findings.error("unsupported-key", f"the key '{key}' of {_owner(path)} is not supported", mark, where, instead)
    elif section is SERVICE_SLURM and key in JOB_SLURM.entries:
        message = f"`{key}` of {_owner(path[:-1])} cannot differ from the job's: one allocation holds all services"
        findings.error("job-key-on-service", message, mark, where, f"Set it at the top level: `x-slurm: {{{key}: …}}`.")
    else:
        known = section.written_keys()
        remedy = _elsewhere(key, section) or did_you_mean(key, known) or f"Known keys: {', '.join(known)}."
        findings.error("unknown-key", f"unsupported key {shortened(key)} in {_owner(path)}", mark, where, remedy)


def _owner(path: KeyPath) -> str:
    if not path:
        return "the file"
    if len(path) == 2 and path[0] == "services":
        return f"service '{path[1]}'"
    return f"`{path_text(path)}`"


def _elsewhere(key: str, section: Section) -> str:
    """Where a key that is known in another place belongs; empty when it is known nowhere."""
    places = ((JOB_SLURM, "under the top-level `x-slurm:`"), (SERVICE, "under `services:` and the name of a service"))
    if section is SERVICE:
        places = ((SERVICE_SLURM, "under the service's `x-slurm:`"), (JOB_SLURM, "under the top-level `x-slurm:`"))
    return next(
        (f"Put it {place}." for other, place in places if other is not section and key in other.written_keys()), ""
    )
