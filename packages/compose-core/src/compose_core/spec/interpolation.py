"""Pass 3: variables are filled into every scalar that is not shell text, integers and readiness included, once and before typing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from compose_core.spec.findings import Findings
from compose_core.spec.nodes import BrokenNode, KeyPath, ListNode, MapNode, Node, ScalarNode, shortened
from compose_core.spec.placeholders import PlaceholderError, Reference, Template, fill, parse_template, references
from compose_core.spec.variables import Variables, sweep_examples
from compose_core.spec.yaml_tree import MAX_TEXT

Rule = Literal["fill", "shell", "keep-job-variables"]

KEPT_IN_EXPORT_DIR = frozenset({"SLURM_JOB_ID", "SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID"})
"""Known only when the job exists: `hpcc artifacts` fills them in."""

_RULES: tuple[tuple[str, Rule], ...] = (
    (r"services\.[^/]+\.(command|entrypoint)", "shell"),
    (r"services\.[^/]+\.script", "shell"),
    (r"services\.[^/]+\.x-slurm\.(prologue|epilogue)(\.script)?", "shell"),
    (r"services\.[^/]+\.x-slurm\.hooks\.\*\.script", "shell"),
    (r"services\.[^/]+\.x-(enroot|runtime)\.prepare\.commands\.\*", "shell"),
    (r"x-slurm\.setup(\.\*)?", "shell"),
    (r"x-slurm\.artifacts\.export_dir", "keep-job-variables"),
)
"""Key path to rule, for scalars; everything else is filled in. A command in list form is no shell text: its items have longer paths."""
_SURROGATE = re.compile("[\ud800-\udfff]")
_PATTERNS = tuple((re.compile(pattern.replace(r"\.", "/")), rule) for pattern, rule in _RULES)


def rule_of(path: KeyPath) -> Rule:
    """What happens to the `$` of the scalar at this key path."""
    text = "/".join("*" if isinstance(part, int) else part.replace("/", "|") for part in path)
    return next((rule for pattern, rule in _PATTERNS if pattern.fullmatch(text)), "fill")


def interpolate(root: MapNode, variables: Variables, findings: Findings, *, strict: bool = False) -> MapNode:
    """The tree with all variables filled in; `strict` makes it an error when a default stood in for an absent variable."""
    pass_ = _Interpolation(variables, findings, strict=strict)
    items: dict[str, Node] = {}
    if "sweep" in root.items:  # first, because its own values may stand in for its parameters in the rest
        items["sweep"] = pass_.node(root.items["sweep"], ("sweep",))
        variables.examples = sweep_examples(items["sweep"])
    items = {key: items[key] if key in items else pass_.node(value, (key,)) for key, value in root.items.items()}
    return MapNode(items, root.mark, root.key_marks)


def names_referred_to(root: MapNode) -> frozenset[str]:
    """Every variable that some scalar asks for, and every word of shell text and arguments: what a sweep parameter may be used by.

    Empty without a sweep, when nobody asks.
    """
    if "sweep" not in root.items:
        return frozenset()
    return frozenset(name for key, node in root.items.items() if key != "sweep" for name in _names(node, (key,)))


_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def _names(node: Node, path: KeyPath) -> Iterator[str]:
    if isinstance(node, MapNode):
        for key, value in node.items.items():
            yield from _names(value, (*path, key))
    elif isinstance(node, ListNode):
        for position, value in enumerate(node.items):
            yield from _names(value, (*path, position))
    elif isinstance(node, ScalarNode):
        if rule_of(path) == "shell":
            yield from _WORD.findall(node.text)
        elif "$" in node.text:
            yield from _referred_to(node.text)


def _referred_to(text: str) -> list[str]:
    try:
        return [reference.name for reference in references(parse_template(text))]
    except PlaceholderError:
        return []


class _Interpolation:
    def __init__(self, variables: Variables, findings: Findings, *, strict: bool) -> None:
        self._variables = variables
        self._findings = findings
        self._strict = strict
        self._characters = 0

    def node(self, node: Node, path: KeyPath) -> Node:
        if isinstance(node, MapNode):
            return MapNode(
                {key: self.node(value, (*path, key)) for key, value in node.items.items()}, node.mark, node.key_marks
            )
        if isinstance(node, ListNode):
            return ListNode(
                tuple(self.node(value, (*path, position)) for position, value in enumerate(node.items)), node.mark
            )
        if isinstance(node, ScalarNode) and "$" in node.text and (rule := rule_of(path)) != "shell":
            return self._scalar(node, path, KEPT_IN_EXPORT_DIR if rule == "keep-job-variables" else frozenset())
        return node

    def _scalar(self, node: ScalarNode, path: KeyPath, kept: frozenset[str]) -> Node:
        try:
            template = parse_template(node.text)
        except PlaceholderError as error:
            message = f"invalid variable expression in {shortened(node.text)}: {error}"
            return self._findings.error(
                "invalid-placeholder", message, node.mark, path, "Write ${NAME}, or $$ for a literal dollar sign."
            )
        text = fill(template, lambda reference: self._value(reference, node, path, kept))
        if text is None:
            return BrokenNode(node.mark)
        if _SURROGATE.search(text):
            names = ", ".join(sorted({part.name for part in template if isinstance(part, Reference)}))
            return self._findings.error(
                "not-utf-8", f"the value of {names} is not UTF-8", node.mark, path, "Set it to text in UTF-8."
            )
        self._characters += len(text)
        if self._characters > MAX_TEXT:
            message = f"the variables fill in more than {MAX_TEXT} characters"
            return self._findings.error("file-too-complex", message, node.mark, path, "Pass large values as files.")
        return ScalarNode(
            text, node.mark, plain=node.plain, interpolated=any(isinstance(part, Reference) for part in template)
        )

    def _value(self, reference: Reference, node: ScalarNode, path: KeyPath, kept: frozenset[str]) -> str | None:
        """The text for a placeholder; None, and recorded, when there is none."""
        name = reference.name
        if name in kept:
            return f"${{{name}}}"
        value = self._variables.look_up(name)
        if reference.accepts(value):
            return value
        if reference.operator in (":-", "-"):
            return self._default(reference, node, path, kept, absent=value is None)
        if not reference.operator and name in self._variables.examples:
            self._variables.used[name] = "sweep-example"
            return self._variables.examples[name]
        self._report_missing(reference, node, path, empty=value is not None)
        return None

    def _default(
        self, reference: Reference, node: ScalarNode, path: KeyPath, kept: frozenset[str], *, absent: bool
    ) -> str | None:
        if absent:
            self._variables.used.setdefault(reference.name, "default")
        if absent and self._strict:
            message = f"the variable {reference.name} is not set, and its default is not allowed to stand in (strict)"
            self._findings.error(
                "default-used", message, node.mark, path, f"Set {reference.name} in the environment or in .env."
            )
        return fill(reference.argument, lambda inner: self._value(inner, node, path, kept))

    def _report_missing(self, reference: Reference, node: ScalarNode, path: KeyPath, *, empty: bool) -> None:
        name = reference.name
        state = "empty" if empty else "not set"
        if reference.operator:
            text = message_text(reference.argument) or f"{name} is required"
            self._findings.error(
                "required-variable", f"{text} (the variable {name} is {state})", node.mark, path, f"Set {name}."
            )
            return
        remedy = f"Set it, add it to .env, or give a default: ${{{name}:-value}}."
        self._findings.error(
            "missing-variable", f"the variable {name} is {state} and has no default", node.mark, path, remedy
        )


def message_text(argument: Template) -> str:
    """The message of `:?` as written."""
    texts = [part if isinstance(part, str) else f"${{{part.name}}}" for part in argument]
    return "".join(character if character.isprintable() else " " for character in "".join(texts))[:200]
