"""What is known of one job of the workflow, as plain data: whoever decides something of it needs no Snakemake.

`facts_of(job)` reads it from Snakemake's job, which may be a group; anything with the same attributes does for tests.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

_NOT_ASKED_FOR = frozenset({"_cores", "_nodes", "tmpdir"})
_CODE = ("shellcmd", "script", "notebook", "wrapper", "template_engine", "run_func_src", "cwl", "container_img")
"""Attributes of a rule that say what it computes."""


@dataclass(frozen=True, kw_only=True)
class Member:
    """One rule of a job with its wildcards; a group has several."""

    rule: str
    wildcards: Mapping[str, str] = field(default_factory=dict)
    threads: int = 1


@dataclass(frozen=True, kw_only=True)
class RuleFacts:
    """One job of the workflow, or a group of them."""

    name: str
    """Of the rule, or of the group."""
    rules: tuple[str, ...]
    """Of all members, each once, sorted."""
    wildcards: Mapping[str, str] = field(default_factory=dict)
    """Empty for a group."""
    input: tuple[str, ...] = ()
    output: tuple[str, ...] = ()
    log: tuple[str, ...] = ()
    params: Mapping[str, Any] | None = None
    """As JSON can say them; None: a group, or they hold something that JSON cannot say."""
    threads: int = 1
    attempt: int = 1
    resources: Mapping[str, int | str] = field(default_factory=dict)
    """As the attempt has them; those that are known only on the node are left out, and so is `tmpdir`."""
    is_group: bool = False
    members: tuple[Member, ...] = ()
    """A single job is its own only member."""
    key: str = ""
    """The same for the same rules and wildcards in every run: 32 hexadecimal digits."""
    fingerprint: str = ""
    """Changes with what the job computes: code, input, output, params."""
    snakefile: str = ""
    """Where the rule is written; of a group nothing is said."""
    line: int = 0
    request: str = ""
    """Changes with what it asks of the scheduler: threads and resources."""

    @property
    def title(self) -> str:
        """For messages: `align(sample=a)`."""
        said = ", ".join(f"{name}={value}" for name, value in self.wildcards.items())
        return f"{self.name}({said})" if said else self.name


def facts_of(job: Any) -> RuleFacts:
    """The facts of Snakemake's job."""
    is_group = bool(job.is_group())
    members = _members(job)
    properties = _properties(job)
    resources = _resources(job)
    wildcards = {} if is_group else dict(members[0].wildcards)
    return RuleFacts(
        name=str(job.name),
        rules=tuple(sorted({member.rule for member in members})),
        wildcards=wildcards,
        input=_texts(job.input),
        output=_texts(job.output),
        log=_texts(job.log),
        params=properties.get("params"),
        threads=max(1, int(job.threads)),
        attempt=int(job.attempt),
        resources=resources,
        is_group=is_group,
        members=members,
        key=member_key((member.rule, member.wildcards) for member in members),
        fingerprint=_digest([_computed(properties), _texts(job.input), _texts(job.output), _code(job)]),
        request=_digest([int(job.threads), sorted(resources.items())]),
        **({} if is_group else _place(getattr(job, "rule", None))),
    )


def member_key(targets: Iterable[tuple[str, Mapping[str, str]]]) -> str:
    """What tells a job from all others, in every run: 32 hexadecimal digits of rules and wildcards."""
    return _digest(sorted((rule, sorted(wildcards.items())) for rule, wildcards in targets))[:32]


def _members(job: Any) -> tuple[Member, ...]:
    threads = {}
    if job.is_group():
        threads = {_target(one): max(1, int(one.threads)) for one in job.jobs}
    found = []
    for target in job.get_target_spec():
        wildcards = {str(name): str(value) for name, value in dict(target.wildcards_dict or {}).items()}
        one = (str(target.rulename), tuple(sorted(wildcards.items())))
        found.append(Member(rule=one[0], wildcards=wildcards, threads=threads.get(one, max(1, int(job.threads)))))
    return tuple(sorted(found, key=lambda member: (member.rule, sorted(member.wildcards.items()))))


def _target(job: Any) -> tuple[str, tuple[tuple[str, str], ...]]:
    [target] = job.get_target_spec()
    return str(target.rulename), tuple(sorted((str(k), str(v)) for k, v in dict(target.wildcards_dict or {}).items()))


def _place(rule: Any) -> dict[str, Any]:
    """The rule's file, as seen from here if it lies below, and its line: Snakemake keeps that of the Python code that it makes of it."""
    file, line = getattr(rule, "snakefile", None), getattr(rule, "lineno", None)
    if not isinstance(line, int) or not file:
        return {}
    lines = getattr(getattr(rule, "workflow", None), "linemaps", {}).get(file, {})
    near = os.path.relpath(str(file))
    return {"snakefile": str(file) if near.startswith("..") else near, "line": int(lines.get(line, 0))}


def _properties(job: Any) -> dict[str, Any]:
    """What Snakemake says of the job; its numbers, which change from run to run, are left out."""
    said = job.properties()
    properties: dict[str, Any] = json.loads(said) if isinstance(said, str) else dict(said)
    for name in ("jobid", "groupid", "resources", "threads", "local"):
        properties.pop(name, None)
    return properties


def _computed(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {name: properties.get(name) for name in ("rule", "wildcards", "params", "log")}


def _resources(job: Any) -> dict[str, int | str]:
    """Those that can be said now; Snakemake marks those that only the node knows by the text `<TBD>`."""
    found: dict[str, int | str] = {}
    for name, value in dict(job.resources.items()).items():
        if name in _NOT_ASKED_FOR or value is None or str(value) == "<TBD>":
            continue
        found[str(name)] = int(value) if isinstance(value, (int, float)) else str(value)
    return found


def _code(job: Any) -> list[Any]:
    """What the rules do, as far as Snakemake shows it: a changed command makes another job."""
    rules = [getattr(one, "rule", None) for one in (job.jobs if job.is_group() else [job])]
    said = [[str(getattr(rule, "name", "")), *(_text(getattr(rule, name, None)) for name in _CODE)] for rule in rules]
    return sorted(said)


def _text(value: Any) -> str:
    """Functions have an address in their text, which says nothing."""
    return "" if value is None or callable(value) else str(value)


def _texts(values: Iterable[Any] | None) -> tuple[str, ...]:
    return tuple(str(value) for value in values or ())


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()
