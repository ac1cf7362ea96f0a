"""One service of a docker-compose file as a service of a job."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from compose_core.migrate import probes, requests
from compose_core.migrate.build import Build, build_of
from compose_core.migrate.hosts import HERE, HostNames
from compose_core.migrate.nodes import child, map_of, nodes_of, pairs_of, text_of, texts_of, words_of
from compose_core.migrate.notes import Notes
from compose_core.migrate.volumes import Volumes
from compose_core.spec.nodes import KeyPath, MapNode, Node, found
from compose_core.spec.unsupported_keys import docker_advice
from compose_core.units import counted

_PLAIN_COMMAND = re.compile(r"[\w@%+=:,./ -]+", re.ASCII)
"""A string that a shell and a mere split read alike, and that no variable is filled into."""

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)

_MEANT_FOR_DOCKER = frozenset(
    (
        "annotations",
        "attach",
        "container_name",
        "domainname",
        "expose",
        "external_links",
        "hostname",
        "init",
        "labels",
        "links",
        "logging",
        "network_mode",
        "networks",
        "ports",
        "platform",
        "pull_policy",
        "stdin_open",
        "tty",
        "stop_signal",
        "stop_grace_period",
        "dns",
        "dns_search",
        "extra_hosts",
    )
)
"""Keys without which the service does the same."""

_KEYS = (
    "image",
    "entrypoint",
    "command",
    "environment",
    "env_file",
    "volumes",
    "working_dir",
    "depends_on",
    "readiness",
    "x-slurm",
    "x-runtime",
)
_MOST_RESTARTS = 3


@dataclass
class Surroundings:
    """What a service needs to know of its file."""

    folder: Path
    shown: Path
    to: Path
    hosts: HostNames
    volumes: Volumes
    secrets: MapNode | None
    configs: MapNode | None
    notes: Notes


@dataclass
class Converted:
    """A service so far; what depends on the others is settled when all are there."""

    name: str
    path: KeyPath
    node: MapNode
    spec: dict[str, Any] = field(default_factory=dict)
    ports: list[int] = field(default_factory=list)
    waits_for: dict[str, tuple[str, Node]] = field(default_factory=dict)


def convert_service(name: str, service: MapNode, around: Surroundings) -> Converted:
    """Everything of a service that can be said without the other ones."""
    made = Converted(name=name, path=("services", name), node=service)
    reader = _Reader(made, around)
    reader.read()
    made.spec = {key: made.spec[key] for key in _KEYS if made.spec.get(key)}
    return made


class _Reader:
    def __init__(self, made: Converted, around: Surroundings) -> None:
        self._made, self._around, self._notes = made, around, around.notes
        self._spec = made.spec
        self._slurm: dict[str, Any] = {}
        self._build: Build | None = None

    def read(self) -> None:
        """Image and ports first: other keys look at them."""
        self._image()
        self._made.ports = self._ports()
        own: dict[str, Callable[[Node, KeyPath], None]] = {
            "command": self._command,
            "entrypoint": self._command,
            "environment": self._environment,
            "env_file": self._env_file,
            "volumes": self._volumes,
            "working_dir": self._working_dir,
            "depends_on": self._depends_on,
            "healthcheck": self._healthcheck,
            "restart": self._restart,
            "secrets": lambda node, path: self._mounted_files(node, path, self._around.secrets, "/run/secrets/"),
            "configs": lambda node, path: self._mounted_files(node, path, self._around.configs, "/"),
            "ports": self._published,
            "extends": self._extends,
        }
        for key, node in self._made.node.items.items():
            path = (*self._made.path, key)
            if key in own:
                own[key](node, path)
            elif key not in requests.KEYS and key not in {"image", "build"}:
                self._left_out(key, path)
        self._from_build()
        self._slurm |= requests.service_requests(self._made.node, self._made.path, self._notes)
        requests.deploy_leftovers(self._made.node, self._made.path, self._notes)
        self._restart_policy()
        self._spec["x-slurm"] = self._slurm
        if "working_dir" in self._spec and not {"command", "entrypoint"} & set(self._spec):
            mark = self._made.node.key_mark("working_dir")
            self._notes.manual(mark, (*self._made.path, "working_dir"), "left out: it needs a command beside it")
            del self._spec["working_dir"]

    # ---- image

    def _image(self) -> None:
        service, image = self._made.node, text_of(self._made.node.items.get("image"))
        if "build" in service.items:
            around = self._around
            path = (*self._made.path, "build")
            node = service.items["build"]
            self._build = build_of(node, image, path, around.folder, around.shown, self._notes, around.to)
            self._spec["image"] = self._build.image
            if image is not None and image != self._build.image:
                message = (
                    f"{image} is what Docker would call the build; if a registry has it, name it and drop x-runtime"
                )
                self._notes.changed(service.items["image"].mark, (*self._made.path, "image"), message)
            if self._build.prepare:
                self._spec["x-runtime"] = {"prepare": self._build.prepare}
        elif image is not None:
            self._spec["image"] = image
            self._notes.converted(service.items["image"].mark, (*self._made.path, "image"), image)
        elif "extends" not in service.items:
            self._spec["image"] = "docker://registry.example.com/replace-me:latest"
            self._notes.manual(service.mark, self._made.path, "it has no image: name one")

    def _from_build(self) -> None:
        """What the image's Dockerfile says and the service does not."""
        build = self._build
        if build is None:
            return
        recipe = build.recipe
        self._spec["environment"] = {
            **{name: value.replace("$", "$$") for name, value in build.environment.items()},
            **self._spec.get("environment", {}),
        }
        given = {str(one).split(":")[1] for one in self._spec.get("volumes", ())}
        self._spec["volumes"] = [
            *(one for one in build.volumes if one.split(":")[1] not in given),
            *self._spec.get("volumes", ()),
        ]
        for key, value in (("entrypoint", recipe.entrypoint), ("command", recipe.command)):
            if value and key not in self._spec and not (key == "command" and "entrypoint" in self._made.node.items):
                self._spec[key] = [part.replace("$", "$$") for part in value] if isinstance(value, list) else value
        if recipe.working_dir and "working_dir" not in self._spec:
            self._spec["working_dir"] = recipe.working_dir

    # ---- what runs

    def _command(self, node: Node, path: KeyPath) -> None:
        """Docker runs no shell for a string; a string that needs none stays one."""
        key = str(path[-1])
        text, words = text_of(node), words_of(node)
        if not words:
            if text is not None:
                self._notes.manual(node.mark, path, f"an empty {key} overrides that of the image; here it is left out")
            return
        rewritten = [self._around.hosts.rewritten(word) for word in words]
        if rewritten != words:
            self._notes.changed(node.mark, path, f"names of services became {HERE}")
        if text is not None and _PLAIN_COMMAND.fullmatch(" ".join(text.split())):
            self._spec[key] = " ".join(rewritten)
        else:
            self._spec[key] = rewritten
        self._notes.converted(node.mark, path, shlex.join(rewritten)[:80])

    def _environment(self, node: Node, path: KeyPath) -> None:
        variables: dict[str, str] = {}
        for name, value, mark in pairs_of(node):
            key = (*path, name)
            if not _VARIABLE.fullmatch(name):
                self._notes.manual(
                    mark, key, "left out: no shell can hand it on; start the command with `env NAME=value`"
                )
                continue
            if value is None:
                variables[name] = f"${{{name}:-}}"
                self._notes.changed(
                    mark, key, "taken from the environment of whoever submits, empty when it is not set"
                )
                continue
            variables[name] = self._around.hosts.variable(name, value)
            if variables[name] != value:
                self._notes.changed(
                    mark, key, f"{value} became {variables[name]}: services of one node share its network"
                )
            elif self._around.hosts.is_named(value):
                self._notes.manual(
                    mark, key, f"{value!r} is also the name of a service; write {HERE} if a host is meant"
                )
        self._spec["environment"] = variables
        self._notes.converted(node.mark, path, counted(len(variables), "variable"))

    def _env_file(self, node: Node, path: KeyPath) -> None:
        files: list[str] = []
        for item in nodes_of(node):
            name = text_of(item) or text_of(child(item, "path"))
            if name is None:
                continue
            if text_of(child(item, "required")) == "false" and not (self._around.folder / name).exists():
                self._notes.changed(item.mark, path, f"{name} is left out: it is not there, and need not be")
                continue
            files.append(self._around.volumes.host_path(name))
            if not (self._around.folder / name).is_file():
                self._notes.manual(item.mark, path, f"{name} is not there now; make it before the file is used")
        self._spec["env_file"] = files
        self._notes.converted(node.mark, path, ", ".join(files))

    def _working_dir(self, node: Node, path: KeyPath) -> None:
        if text := text_of(node):
            self._spec["working_dir"] = text
            self._notes.converted(node.mark, path, text)

    # ---- files

    def _volumes(self, node: Node, path: KeyPath) -> None:
        mounts = [
            mount
            for at, item in enumerate(nodes_of(node))
            if (mount := self._around.volumes.mount(item, (*path, at))) is not None
        ]
        self._spec["volumes"] = [*self._spec.get("volumes", ()), *mounts]

    def _mounted_files(self, node: Node, path: KeyPath, known: MapNode | None, folder: str) -> None:
        for item in nodes_of(node):
            source = text_of(item) or text_of(child(item, "source"))
            target = text_of(child(item, "target")) or source
            file = text_of(child(known, source, "file")) if source is not None else None
            if source is None or target is None or file is None:
                self._notes.manual(
                    item.mark, path, f"{source}: only what comes from a file can be mounted; see `secrets:`"
                )
                continue
            target = target if target.startswith("/") else f"{folder}{target}"
            mount = f"{self._around.volumes.host_path(file)}:{target}:ro"
            self._spec.setdefault("volumes", []).append(mount)
            self._notes.changed(
                item.mark, path, f"{source} became the mount {mount}: keep the file readable for you alone"
            )

    # ---- other services

    def _depends_on(self, node: Node, path: KeyPath) -> None:
        waits = self._made.waits_for
        if isinstance(node, MapNode):
            for name, how in node.items.items():
                waits[name] = (text_of(child(how, "condition")) or "service_started", how)
        else:
            waits |= {name: ("service_started", node) for name, _ in texts_of(node)}

    def _healthcheck(self, node: Node, path: KeyPath) -> None:
        if readiness := probes.readiness_of(node, path, self._made.ports, self._notes):
            self._spec["readiness"] = readiness

    def _ports(self) -> list[int]:
        """The ports in the container, the likeliest first."""
        service, ports = self._made.node, []
        for item in (*nodes_of(service.items.get("ports")), *nodes_of(service.items.get("expose"))):
            text = text_of(item) or text_of(child(item, "target")) or ""
            last = text.partition("/")[0].rpartition(":")[2].partition("-")[0]
            if last.isdecimal():
                ports.append(int(last))
        ports += self._build.recipe.ports if self._build else []
        image = str(self._spec.get("image", "")).rpartition("/")[2].partition(":")[0].partition("@")[0]
        if image in probes.PORT_OF_IMAGE:
            ports.append(probes.PORT_OF_IMAGE[image])
        return list(dict.fromkeys(ports))

    def _published(self, node: Node, path: KeyPath) -> None:
        inside = ", ".join(map(str, self._made.ports)) or "its port"
        self._notes.changed(node.mark, path, f"nothing is published: the service is at {inside} of its node itself")
        for port in self._made.ports:
            if port < 1024:
                self._notes.manual(
                    node.mark, path, f"port {port} is not for ordinary users: let the service listen above 1023"
                )

    # ---- restarts

    def _restart(self, node: Node, path: KeyPath) -> None:
        mode, _, most = (text_of(node) or "no").partition(":")
        if mode in {"no", "false"}:
            self._notes.converted(node.mark, path, "no restart: the job ends with its first failure")
            return
        self._policy(int(most) if most.isdecimal() else _MOST_RESTARTS, 5)
        if mode == "on-failure":
            self._notes.converted(node.mark, path, "x-slurm.failure_policy: restart_on_failure")
        else:
            self._notes.changed(
                node.mark, path, f"restarted after a failure, at most {_MOST_RESTARTS} times; a good end is an end"
            )

    def _restart_policy(self) -> None:
        policy = map_of(child(self._made.node, "deploy", "restart_policy"))
        if policy is None:
            return
        path = (*self._made.path, "deploy", "restart_policy")
        condition, most = text_of(policy.items.get("condition")) or "any", text_of(policy.items.get("max_attempts"))
        if condition == "none":
            self._notes.converted(policy.mark, path, "no restart")
            return
        self._policy(int(most) if most and most.isdecimal() else _MOST_RESTARTS, 5)
        self._notes.changed(policy.mark, path, "x-slurm.failure_policy: restart_on_failure")

    def _policy(self, most: int, backoff_s: int) -> None:
        policy = {"mode": "restart_on_failure", "max_restarts": most, "backoff_seconds": backoff_s}
        self._slurm["failure_policy"] = policy

    # ---- the rest

    def _extends(self, node: Node, path: KeyPath) -> None:
        self._notes.manual(node.mark, path, "migrate what it extends, and take it over with `extends` of the new file")
        if "image" not in self._spec:
            self._spec["image"] = "docker://registry.example.com/replace-me:latest"

    def _left_out(self, key: str, path: KeyPath) -> None:
        mark = self._made.node.key_mark(key)
        if key.startswith("x-"):
            self._notes.changed(mark, path, "left out: an extension of Docker Compose")
            return
        advice = docker_advice(key)
        if advice is not None:
            advice = advice.removeprefix("Remove it: ")
            advice = f"left out: {advice[0].lower()}{advice[1:].removesuffix('.')}"
        if key in _MEANT_FOR_DOCKER:
            value = self._made.node.items[key]
            self._notes.changed(mark, path, advice or f"left out ({found(value)}): a job has no use for it")
        else:
            self._notes.manual(mark, path, advice or "not known here, and left out")
