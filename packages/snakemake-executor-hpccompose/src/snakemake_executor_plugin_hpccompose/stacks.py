"""Services that run beside a rule: compose files and services of the mapping file, put together into one spec.

Every service becomes a sidecar of the job; the rule's own command takes the place of the service that `compose_main` names, or runs as
one more. The parts keep the places that they come from, so the core's errors name the line that a person wrote.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from compose_core import (
    ListNode,
    LoadedSpec,
    Location,
    MapNode,
    Node,
    Problem,
    ScalarNode,
    SpecError,
    compose_tree,
    did_you_mean,
    load_spec,
    same_tree,
    tree_of,
)
from snakemake_executor_plugin_hpccompose.errors import RuleError
from snakemake_executor_plugin_hpccompose.job_variables import NAME as _VARIABLE
from snakemake_executor_plugin_hpccompose.mapping import RuleEntry
from snakemake_executor_plugin_hpccompose.unit_paths import MAIN_SERVICE

_DROPPED = frozenset({"job_name", "output", "error"})
_REFUSED: Mapping[str, str] = {
    "array": "the executor makes arrays of jobs of the same shape",
    "chdir": "jobs run in the folder of the workflow",
    "after_job": "Snakemake decides when a job may start",
    "dependency": "Snakemake decides when a job may start",
    "resume": "Snakemake runs a job again from its beginning",
}
_KEPT_OF_MAIN = frozenset({"environment", "env_file", "depends_on", "secrets", "x-slurm"})
_KEPT_OF_MAIN_STEP = frozenset({"ports", "hooks", "prologue", "epilogue"})
_RULE = "the rule"


@dataclass(frozen=True, kw_only=True)
class Part:
    """One compose file, or the services of one place in the mapping file."""

    tree: MapNode
    path: Path
    """What relative paths start from is its folder."""
    shown: str


@dataclass(frozen=True, kw_only=True)
class Stack:
    """All that runs beside a rule, checked, without what the rule asks of Slurm."""

    loaded: LoadedSpec
    names: frozenset[str]
    """Words of the services, shell text included: which variables of the job they ask for."""
    texts: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """The same by service."""

    @property
    def sidecars(self) -> tuple[str, ...]:
        return tuple(name for name in self.loaded.spec.services if name != MAIN_SERVICE)


def parts_of(rule: str, compose: str | None, entries: Sequence[RuleEntry], workdir: Path, shown: str) -> list[Part]:
    """The files and sections that the services of a job come from; `shown` is the mapping file.

    Raises: RuleError: a file cannot be read.
    """
    if compose is not None:
        files: dict[Path, Location | None] = {workdir / compose: None}
    else:
        files = {entry.compose: entry.compose_at for entry in entries if entry.compose is not None}
    parts = [_file(rule, path, named_at, workdir) for path, named_at in files.items()]
    inline: list[MapNode] = []
    for node in (node for entry in entries for node in entry.services):
        if not any(node is other for other in inline):
            inline.append(node)
    base = Path(shown)
    return parts + [Part(tree=MapNode({"services": node}, node.mark), path=base, shown=shown) for node in inline]


def _file(rule: str, path: Path, named_at: Location | None, workdir: Path) -> Part:
    """A compose file, called as seen from the folder of the workflow where Snakemake runs there."""
    relative = os.path.relpath(path, workdir)
    shown = relative if os.path.abspath(relative) == os.path.abspath(path) else str(path)  # noqa: PTH100 - no link is followed
    if not path.is_file():
        start = "the workflow" if named_at is None else "the mapping file"
        what = f"there is no compose file {shown}."
        raise RuleError(rule, what, where=named_at, remedy=f"Relative paths start from the folder of {start}.")
    return Part(tree=told(rule, lambda: compose_tree(shown)), path=path, shown=shown)


def stack_of(
    rule: str,
    parts: Sequence[Part],
    *,
    main: str | None,
    main_at: Location | None,
    slurm: Sequence[MapNode],
    variables: Mapping[str, str],
    base: Path,
) -> Stack:
    """The services of these parts as one checked spec whose main service is the rule's; `base` is the mapping file.

    Raises: RuleError: they cannot run together, or something in them is wrong; with its place.
    """
    tree = _merged(rule, parts)
    path, shown = (parts[0].path, parts[0].shown) if parts else (base, str(base))
    services = tree.items.get("services", MapNode({}, tree.mark))
    if not isinstance(services, MapNode):
        told(rule, lambda: load_spec(shown, tree=tree, variables=variables, project_dir=path.parent))
        raise RuleError(rule, "`services` is no mapping.", where=tree.mark.at(("services",)))
    host = _host(rule, services, main, main_at, parts)
    changed: dict[str, Node] = {MAIN_SERVICE: _main_node(rule, services.items.get(host) if host else None)}
    changed |= {name: _sidecar(node) for name, node in services.items.items() if name != host}
    items = {
        **tree.items,
        "services": MapNode(changed, services.mark, services.key_marks),
        "x-slurm": _slurm(rule, [tree.items.get("x-slurm"), *slurm]),
    }
    whole = MapNode(items, tree.mark, tree.key_marks)
    loaded = told(rule, lambda: load_spec(shown, tree=whole, variables=variables, project_dir=path.parent))
    _check_secrets(rule, loaded)
    texts = {name: frozenset(_words(node)) for name, node in changed.items()}
    return Stack(loaded=loaded, names=frozenset().union(*texts.values()), texts=texts)


def told(rule: str, attempt: Any) -> Any:
    """What the call gives.

    Raises: RuleError: for a SpecError, with all its problems.
    """
    try:
        return attempt()
    except SpecError as error:
        raise rule_error(rule, [problem for problem in error.problems if problem.severity == "error"]) from None


def rule_error(rule: str, problems: Sequence[Problem]) -> RuleError:
    """The first problem as the rule's error, the others as its details."""
    first = problems[0]
    more = "\n".join(f"  {problem}" for problem in problems[1:])
    return RuleError(rule, f"{first.message} [{first.code}].", where=first.where, remedy=first.remedy, details=more)


def _merged(rule: str, parts: Sequence[Part]) -> MapNode:
    """One tree of all; what two of them define has to be the same."""
    items: dict[str, Node] = {}
    marks = {}
    for part in parts:
        for key, node in part.tree.items.items():
            if key in ("name", "version"):
                continue
            if key == "sweep":
                what = "a compose file beside a rule has no `sweep`: each job of the rule is one trial."
                raise RuleError(
                    rule, what, where=part.tree.key_mark(key).at((key,)), remedy="Use wildcards of the rule."
                )
            items[key] = _both(rule, items[key], node, key) if key in items else node
            marks[key] = part.tree.key_mark(key)
    mark = parts[0].tree.mark if parts else MapNode({}, tree_of("", _RULE).mark).mark
    return MapNode(items, mark, marks)


def _both(rule: str, one: Node, other: Node, key: str) -> Node:
    if not (isinstance(one, MapNode) and isinstance(other, MapNode)):
        return one if same_tree(one, other) else _conflict(rule, key, other)
    items, marks = dict(one.items), dict(one.key_marks)
    for name, node in other.items.items():
        if name in items and not same_tree(items[name], node):
            _conflict(rule, f"{key}.{name}", node, where=other.key_mark(name).at((key, name)))
        items.setdefault(name, node)
        marks.setdefault(name, other.key_mark(name))
    return MapNode(items, one.mark, marks)


def _conflict(rule: str, what: str, node: Node, *, where: Location | None = None) -> Node:
    message = f"`{what}` is defined twice, and differently."
    raise RuleError(rule, message, where=where or node.mark.at((what,)), remedy="Rename one, or make them the same.")


def _host(
    rule: str, services: MapNode, main: str | None, main_at: Location | None, parts: Sequence[Part]
) -> str | None:
    """The service in whose place the rule runs; None: it is one more."""
    if main is not None and main not in services.items:
        names = list(services.items)
        where = main_at or (services.mark.at(("services",)) if parts else None)
        remedy = did_you_mean(main, names) or f"Services there: {', '.join(names) or 'none'}."
        raise RuleError(rule, f"there is no service {main!r} to run the rule in.", where=where, remedy=remedy)
    if MAIN_SERVICE in services.items and main not in (None, MAIN_SERVICE):
        where = services.key_mark(MAIN_SERVICE).at(("services", MAIN_SERVICE))
        raise RuleError(
            rule, f"the name {MAIN_SERVICE!r} is taken: it is the rule's.", where=where, remedy="Rename the service."
        )
    return main if main is not None else MAIN_SERVICE if MAIN_SERVICE in services.items else None


def _main_node(rule: str, written: Node | None) -> Node:
    """The rule's service: environment and dependencies as written, the command to come."""
    command, launch = tree_of(["true"], _RULE), tree_of("batch", _RULE)
    if written is None:
        return tree_of({"command": command, "x-slurm": {"launch": launch}}, _RULE)
    if not isinstance(written, MapNode):
        return written
    if "image" in written.items:
        what = "the service in whose place the rule runs has an `image`, but rules run on the node itself."
        remedy = "Remove it, and give the rule a `container:` (with --sdm apptainer)."
        raise RuleError(rule, what, where=written.key_mark("image").at(("services", "…", "image")), remedy=remedy)
    kept = {key: node for key, node in written.items.items() if key in _KEPT_OF_MAIN}
    step = kept.get("x-slurm", MapNode({}, written.mark))
    if isinstance(step, MapNode):
        slurm = {key: node for key, node in step.items.items() if key in _KEPT_OF_MAIN_STEP}
        step = step._replace(items={**slurm, "launch": launch})
    return written._replace(items={**kept, "command": command, "x-slurm": step})


def _sidecar(node: Node) -> Node:
    """The service with `lifecycle: sidecar`; what is no mapping is reported by the core."""
    if not isinstance(node, MapNode):
        return node
    step = node.items.get("x-slurm", MapNode({}, node.mark))
    if not isinstance(step, MapNode):
        return node
    lifecycle = ScalarNode("sidecar", step.key_mark("lifecycle"))
    return node._replace(items={**node.items, "x-slurm": step._replace(items={**step.items, "lifecycle": lifecycle})})


def _slurm(rule: str, sections: Iterable[Node | None]) -> Node:
    """The sections `x-slurm`, later ones over earlier ones."""
    items: dict[str, Node] = {}
    marks = {}
    for section in sections:
        if section is None:
            continue
        if not isinstance(section, MapNode):
            return section
        for key, node in section.items.items():
            if key in _REFUSED:
                where = section.key_mark(key).at(("x-slurm", key))
                raise RuleError(rule, f"`{key}` cannot be set here: {_REFUSED[key]}.", where=where, remedy="Remove it.")
            if key not in _DROPPED:
                items[key], marks[key] = node, section.key_mark(key)
    return MapNode(items, tree_of("", _RULE).mark, marks)


def _check_secrets(rule: str, loaded: LoadedSpec) -> None:
    """Values of secret-looking variables would stand in the files of every job."""
    for name in loaded.secret_values:
        if _VARIABLE.fullmatch(name):
            continue  # a wildcard may be called author
        what = f"the variable {name} looks secret, and would stand in the files of the job."
        remedy = f"Declare it: `secrets: {{{name}: {{env: {name}}}}}`, and name it in `secrets:` of the service."
        raise RuleError(rule, what, where=loaded.locate("services"), remedy=remedy)


def _words(node: Node) -> Iterable[str]:
    if isinstance(node, ScalarNode):
        yield from _VARIABLE.findall(node.text)
    elif isinstance(node, MapNode):
        for key, value in node.items.items():
            yield from _VARIABLE.findall(key)
            yield from _words(value)
    elif isinstance(node, ListNode):
        for item in node.items:
            yield from _words(item)
