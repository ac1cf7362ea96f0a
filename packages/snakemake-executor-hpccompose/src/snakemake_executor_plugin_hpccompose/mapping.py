"""The mapping file (`--hpccompose-config`): what rules get beside what the Snakefile says, by the names of rules.

    defaults: {x-slurm: {cache_dir: /shared/cache}}
    rules:
      "embed*": {compose: stacks/vllm.yaml, main: client}
      align: {services: {redis: {image: "redis:7", readiness: {type: tcp, port: "@{redis.port.tcp}"}, x-slurm: {ports: [tcp]}}}}
      trim: {pack: 50}
    services: {vllm: {compose: stacks/vllm-server.yaml}}
    images: {"docker://python:3.12": {prepare: {commands: [pip install numpy]}}}

Paths are relative to the file. Where several patterns match a rule, later ones win key by key. What a rule says itself wins over all.
"""

from __future__ import annotations

from collections.abc import Mapping as Map
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from compose_core import (
    Choice,
    Document,
    Entry,
    Flag,
    Integer,
    ListOf,
    Location,
    MapNode,
    MapOf,
    Node,
    Section,
    SpecError,
    Text,
    Verbatim,
    did_you_mean,
    read_document,
)
from snakemake_executor_plugin_hpccompose.errors import RuleError

__all__ = ["EMPTY", "ContainerOptions", "Mapping", "RuleEntry", "ServiceEntry", "SpecError", "read_mapping"]


@dataclass(frozen=True, kw_only=True)
class ContainerOptions:
    """How `container:` images of rules run."""

    runtime: str | None = None
    mounts: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RuleEntry:
    """What the file says of one rule; None: nothing."""

    compose: Path | None = None
    compose_at: Location | None = None
    main: str | None = None
    main_at: Location | None = None
    needs: tuple[str, ...] | None = None
    pack: int | None = None
    share_sidecars: bool | None = None
    container: ContainerOptions | None = None
    services: tuple[MapNode, ...] = ()
    """Written in the file itself, as it has them."""
    slurm: tuple[MapNode, ...] = ()
    """The sections `x-slurm`, the one that wins last."""


@dataclass(frozen=True, kw_only=True)
class ServiceEntry:
    """A service of the whole workflow."""

    name: str
    compose: Path
    service: str | None = None
    variables: Map[str, str] = field(default_factory=dict)
    where: Location | None = None


@dataclass(frozen=True, kw_only=True)
class Mapping:
    """The whole file."""

    path: Path | None = None
    shown: str = ""
    defaults: RuleEntry = field(default_factory=RuleEntry)
    rules: tuple[tuple[str, RuleEntry], ...] = ()
    services: Map[str, ServiceEntry] = field(default_factory=dict)
    images: Map[str, Node] = field(default_factory=dict)
    """The section `prepare` of each image of `container:`, as the file has it."""
    places: Map[str, Location] = field(default_factory=dict)
    """Where the patterns of rules are written."""

    def entry(self, rule: str) -> RuleEntry:
        """What holds for the rule: defaults, then every pattern that matches, in the order of the file."""
        found = self.defaults
        for pattern, entry in self.rules:
            if fnmatchcase(rule, pattern):
                found = _over(entry, found)
        return found

    def unmatched(self, rules: Sequence[str]) -> list[str]:
        """A remark on each pattern that means none of these rules, which is most often a mistake; without rules none."""
        lost = [pattern for pattern, _ in self.rules if rules and not any(fnmatchcase(rule, pattern) for rule in rules)]
        return [
            f"{self.places[pattern]}: no rule of this workflow is called {pattern}. {did_you_mean(pattern, rules)}".rstrip()
            for pattern in lost
        ]

    def check_needs(self, needs: Sequence[str], rule: str) -> None:
        """Every service that a rule waits for is in the file.

        Raises: RuleError: one is not.
        """
        for name in needs:
            if name not in self.services:
                known = ", ".join(self.services) or "none"
                near = did_you_mean(name, list(self.services)) or f"Services of the workflow: {known}."
                what = f"the rule needs {name!r}, which is no service of the workflow."
                where = Location(file=self.shown, line=0) if self.shown else None
                remedy = near if self.shown else "Describe it under `services:` in the file of --hpccompose-config."
                raise RuleError(rule, what, where=where, remedy=remedy)


EMPTY = Mapping()


def read_mapping(path: Path | str) -> Mapping:
    """The mapping file.

    Raises: SpecError: with every problem of the file.
    """
    document = read_document(path, _FILE)
    value: dict[str, Any] = document.value
    rules = value.get("rules", {})
    return Mapping(
        path=document.path,
        shown=str(path),
        defaults=_entry(value.get("defaults", {}), ("defaults",), document),
        rules=tuple((pattern, _entry(entry, ("rules", pattern), document)) for pattern, entry in rules.items()),
        services={name: _service(name, entry, document) for name, entry in value.get("services", {}).items()},
        images={url: entry["prepare"] for url, entry in value.get("images", {}).items()},
        places={pattern: document.locate(("rules", pattern)) for pattern in rules},
    )


def _entry(value: dict[str, Any], path: tuple[str, ...], document: Document) -> RuleEntry:
    services, slurm, container = value.get("services"), value.get("x_slurm"), value.get("container")
    compose = value.get("compose")
    return RuleEntry(
        compose=document.path.parent / compose if compose else None,
        compose_at=document.locate((*path, "compose")) if compose else None,
        main=value.get("main"),
        main_at=document.locate((*path, "main")) if value.get("main") else None,
        needs=value.get("needs"),
        pack=value.get("pack"),
        share_sidecars=value.get("share_sidecars"),
        container=ContainerOptions(**container) if container is not None else None,
        services=(services,) if services is not None else (),
        slurm=(slurm,) if slurm is not None else (),
    )


def _over(entry: RuleEntry, below: RuleEntry) -> RuleEntry:
    """The one on top of the other."""
    given = {
        name: value
        for name in ("compose", "compose_at", "main", "main_at", "needs", "pack", "share_sidecars", "container")
        if (value := getattr(entry, name)) is not None
    }
    return replace(below, **given, services=(*below.services, *entry.services), slurm=(*below.slurm, *entry.slurm))


def _service(name: str, value: dict[str, Any], document: Document) -> ServiceEntry:
    return ServiceEntry(
        name=name,
        compose=document.path.parent / value["compose"],
        service=value.get("service"),
        variables=value.get("variables", {}),
        where=document.locate(("services", name, "compose")),
    )


_NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}"
_NAMES = ListOf(Text("a service of the workflow", _NAME, example="vllm"), unique=True)
_CONTAINER = Section(
    "container",
    dict,
    {
        "runtime": Entry(Choice(("enroot", "pyxis", "apptainer")), "What runs images of rules."),
        "mounts": Entry(ListOf(Text("a folder", example="/data")), "Further folders that containers see."),
    },
)
_ENTRIES = {
    "compose": Entry(Text("a compose file", example="stacks/redis.yaml"), "Services that run beside the rule."),
    "main": Entry(Text("a service", _NAME, example="client"), "The service in whose place the rule runs."),
    "needs": Entry(_NAMES, "Services of the workflow that have to be ready first."),
    "pack": Entry(Integer(1), "So many jobs of the rule share one task."),
    "share_sidecars": Entry(Flag(), "Jobs of a pack share the services."),
    "container": Entry(_CONTAINER, "How `container:` images run."),
    "services": Entry(Verbatim(), "Services, as in a compose file."),
    "x-slurm": Entry(Verbatim(), "As in a compose file; what the rule asks for wins.", attribute="x_slurm"),
}
_RULE = Section("rule", dict, _ENTRIES)
_DEFAULTS = Section("defaults", dict, {key: _ENTRIES[key] for key in ("x-slurm", "container", "pack", "needs")})
_SERVICE = Section(
    "service",
    dict,
    {
        "compose": Entry(Text("a compose file", example="stacks/vllm.yaml"), "The services.", required=True),
        "service": Entry(Text("a service", _NAME), "The one that jobs talk to."),
        "variables": Entry(
            MapOf(Text("a value", may_be_empty=True), r"[A-Za-z_][A-Za-z0-9_]*", "a variable", "letters, digits and _"),
            "Variables for the compose file.",
        ),
        "scope": Entry(Choice(("workflow",)), "How long it lives."),
    },
)
_IMAGE = Section(
    "image", dict, {"prepare": Entry(Verbatim(), "How it is customised, as in a compose file.", required=True)}
)
_FILE = Section(
    "mapping",
    dict,
    {
        "defaults": Entry(_DEFAULTS, "What holds for all rules."),
        "rules": Entry(MapOf(_RULE, r"\S.*", "a rule or a pattern", "it is empty"), "By name or pattern of a rule."),
        "services": Entry(
            MapOf(_SERVICE, _NAME, "a service", "letters, digits, _, . and - are allowed"), "Of the whole workflow."
        ),
        "images": Entry(MapOf(_IMAGE, r"\S+", "an image", "blanks are not allowed"), "By the URL of `container:`."),
    },
)
