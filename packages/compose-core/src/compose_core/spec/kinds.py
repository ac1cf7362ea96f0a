"""What a field may hold: each kind reads a node into a typed value, and says in JSON Schema what a user may write."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import Any, Final, Protocol

from compose_core.frozen import Frozen
from compose_core.spec.findings import Findings
from compose_core.spec.models import ExecCommand, ShellCommand
from compose_core.spec.nodes import (
    BrokenNode,
    KeyPath,
    ListNode,
    MapNode,
    Node,
    ScalarNode,
    found,
    is_null,
    scalar_type,
    shortened,
)
from compose_core.units import format_slurm_time, parse_duration_s, parse_memory_mib, parse_slurm_time_s

JsonSchema = dict[str, Any]

INVALID: Final = object()
"""What a kind reads when the value was wrong and that is already recorded."""

CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
"""Characters that start a new line or hide text somewhere: refused in every value that is not a text of several lines."""

HOLDS_VARIABLE: JsonSchema = {"type": "string", "pattern": r"\$"}
"""A string with a `$`, allowed in a schema wherever a variable may be filled in."""

_MAX_DIGITS = 15


class Kind(Protocol):
    """One kind of value."""

    def read(self, node: Node, path: KeyPath, findings: Findings) -> Any:
        """The typed value; INVALID when it was wrong."""
        ...

    def schema(self) -> JsonSchema:
        """What may be written, apart from shorthand."""
        ...


class Text(Frozen):
    """Text; an unquoted number or word keeps the characters that were written."""

    what: str = "text"
    pattern: str = ""
    """The whole text has to match."""
    lines: bool = False
    """Several lines are fine: the value becomes shell text, an argument or an environment variable, never a directive."""
    may_be_empty: bool = False
    example: str = ""

    def read(self, node: Node, path: KeyPath, findings: Findings) -> Any:
        if not isinstance(node, ScalarNode) or is_null(node):
            return _wrong_type(self.what, node, path, findings)
        if not node.text.strip() and not self.may_be_empty:
            findings.error("empty", f"{self.what} is expected; the value is empty", node.mark, path, self._remedy())
            return INVALID
        if not self.lines and (bad := CONTROL.search(node.text)):
            message = f"the value contains the control character U+{ord(bad[0]):04X} (a line break or the like), which is not allowed here"
            findings.error(
                "control-character", message, node.mark, path, "Write it on one line, without special characters."
            )
            return INVALID
        if self.pattern and not re.fullmatch(self.pattern, node.text):
            findings.error(
                "format", f"{self.what} is expected; {found(node)} was found", node.mark, path, self._remedy()
            )
            return INVALID
        return node.text

    def _remedy(self) -> str:
        return f"Write it as in {self.example}." if self.example else "Give a value, or remove the key."

    def schema(self) -> JsonSchema:
        schema: JsonSchema = {"type": ["string", "number", "boolean"]}
        if self.pattern:
            schema["pattern"] = rf"^(?:{self.pattern})$|\$"
        elif not self.may_be_empty:
            schema["pattern"] = r"\S"
        return schema


class Integer(Frozen):
    """A whole number within bounds."""

    minimum: int = 1
    maximum: int | None = None

    def read(self, node: Node, path: KeyPath, findings: Findings) -> Any:
        if not isinstance(node, ScalarNode) or scalar_type(node) != "integer":
            quoted = isinstance(node, ScalarNode) and node.text.isdecimal()
            return _wrong_type("an integer", node, path, findings, "Remove the quotes." if quoted else "")
        value = (
            int(node.text, 0)
            if node.text[:2] in ("0x", "0o")
            else int(node.text)
            if len(node.text) <= _MAX_DIGITS
            else None
        )
        if value is None or value < self.minimum or (self.maximum is not None and value > self.maximum):
            message = f"the value must be {self._allowed()}; {shortened(node.text, 30)[1:-1]} was found"
            findings.error("out-of-range", message, node.mark, path, "Correct the number.")
            return INVALID
        return value

    def _allowed(self) -> str:
        return f"at least {self.minimum}" if self.maximum is None else f"{self.minimum}-{self.maximum}"

    def schema(self) -> JsonSchema:
        number: JsonSchema = {"type": "integer", "minimum": self.minimum}
        if self.maximum is not None:
            number["maximum"] = self.maximum
        return {"anyOf": [number, HOLDS_VARIABLE]}


class Number(Frozen):
    """A finite number."""

    def read(self, node: Node, path: KeyPath, findings: Findings) -> Any:
        if not isinstance(node, ScalarNode) or scalar_type(node) not in ("integer", "number"):
            return _wrong_type("a number", node, path, findings)
        if not re.fullmatch(r"[-+0-9.eE]{1,40}", node.text) or abs(float(node.text)) > 1e300:
            findings.error("out-of-range", "a finite number is expected", node.mark, path, "Correct the number.")
            return INVALID
        return float(node.text)

    def schema(self) -> JsonSchema:
        return {"anyOf": [{"type": "number"}, HOLDS_VARIABLE]}


class Flag(Frozen):
    """True or false."""

    def read(self, node: Node, path: KeyPath, findings: Findings) -> Any:
        if not isinstance(node, ScalarNode) or scalar_type(node) != "bool":
            return _wrong_type("true or false", node, path, findings, "Write true or false, without quotes.")
        return node.text.lower() == "true"

    def schema(self) -> JsonSchema:
        return {"anyOf": [{"type": "boolean"}, HOLDS_VARIABLE]}


class Choice(Frozen):
    """One of a few words."""

    values: tuple[str, ...]

    def read(self, node: Node, path: KeyPath, findings: Findings) -> Any:
        allowed = ", ".join(self.values)
        if not isinstance(node, ScalarNode) or is_null(node):
            return _wrong_type(f"one of {allowed}", node, path, findings)
        if node.text not in self.values:
            message = f"one of {allowed} is expected; {shortened(node.text)} was found"
            findings.error(
                "choice", message, node.mark, path, did_you_mean(node.text, self.values) or "Write one of them."
            )
            return INVALID
        return node.text

    def schema(self) -> JsonSchema:
        return {"anyOf": [{"enum": list(self.values)}, HOLDS_VARIABLE]}


class Parsed(Frozen):
    """Text that a parser of `compose_core.units` understands; the text itself is kept."""

    parse: Callable[[str], object]
    code: str
    suggest: Callable[[str], str]
    pattern: str

    def read(self, node: Node, path: KeyPath, findings: Findings) -> Any:
        text = Text().read(node, path, findings)
        if text is INVALID:
            return INVALID
        try:
            self.parse(text)
        except ValueError as error:
            findings.error(self.code, str(error), node.mark, path, self.suggest(text))
            return INVALID
        return text

    def schema(self) -> JsonSchema:
        return {"type": ["string", "integer"], "pattern": rf"^(?:{self.pattern})$|\$", "minimum": 0}


class Command(Frozen):
    """A string (shell form) or a list (exec form)."""

    def read(self, node: Node, path: KeyPath, findings: Findings) -> Any:
        if isinstance(node, ListNode):
            words = ListOf(Text("an argument", lines=True, may_be_empty=True), at_least=1).read(node, path, findings)
            if words is not INVALID and not words[0].strip():
                findings.error(
                    "empty",
                    "the first item is the program; it is empty",
                    node.mark,
                    path,
                    "Write the program's name first.",
                )
                return INVALID
            return INVALID if words is INVALID else ExecCommand(words)
        if not isinstance(node, ScalarNode) or is_null(node):
            return _wrong_type("a string (shell form) or a list of strings (exec form)", node, path, findings)
        text = Text("a command", lines=True).read(node, path, findings)
        return INVALID if text is INVALID else ShellCommand(text)

    def schema(self) -> JsonSchema:
        words = {"type": "array", "minItems": 1, "items": {"type": ["string", "number", "boolean"]}}
        return {"anyOf": [{"type": ["string", "number", "boolean"], "pattern": r"\S"}, words]}


class ListOf(Frozen):
    """A list of one kind."""

    item: Kind
    at_least: int = 0
    unique: bool = False

    def read(self, node: Node, path: KeyPath, findings: Findings) -> Any:
        if not isinstance(node, ListNode):
            remedy = f"Write [{node.text}]." if isinstance(node, ScalarNode) and len(node.text) < 40 else ""
            return _wrong_type("a list", node, path, findings, remedy)
        if len(node.items) < self.at_least:
            findings.error(
                "empty",
                "the list is empty; at least one item is expected",
                node.mark,
                path,
                "Add an item, or remove the key.",
            )
            return INVALID
        values = [self.item.read(item, (*path, position), findings) for position, item in enumerate(node.items)]
        if any(value is INVALID or isinstance(value, _Partial) for value in values):
            return INVALID
        return INVALID if self.unique and self._has_repeats(values, node, path, findings) else tuple(values)

    @staticmethod
    def _has_repeats(values: Sequence[Any], node: ListNode, path: KeyPath, findings: Findings) -> bool:
        seen: set[Any] = set()
        for position, value in enumerate(values):
            if value in seen:
                message = f"{shortened(str(value))} is listed twice"
                findings.error("repeated", message, node.items[position].mark, (*path, position), "Keep one of them.")
                return True
            seen.add(value)
        return False

    def schema(self) -> JsonSchema:
        schema: JsonSchema = {"type": "array", "items": self.item.schema()}
        if self.at_least:
            schema["minItems"] = self.at_least
        if self.unique:
            schema["uniqueItems"] = True
        return schema


class MapOf(Frozen):
    """A mapping from names to one kind."""

    value: Kind
    names: str
    """Regular expression of a name."""
    what: str
    """What a name is, for messages: `a service name`."""
    rule: str
    """The rule of names in words."""
    code: str = "name"
    at_least: int = 0
    reserved: Mapping[str, str] = field(default_factory=dict)
    """Names that are taken, with the reason."""

    def read(self, node: Node, path: KeyPath, findings: Findings) -> Any:
        if not isinstance(node, MapNode):
            return _wrong_type("a mapping", node, path, findings)
        if len(node.items) < self.at_least:
            findings.error("empty", f"at least one entry ({self.what}) is expected", node.mark, path, "Add one.")
            return INVALID
        sound = [self._check_name(name, node, path, findings) for name in node.items]
        values = {name: self.value.read(value, (*path, name), findings) for name, value in node.items.items()}
        read = {name: value for name, value in values.items() if value is not INVALID}
        return read if all(sound) and len(read) == len(values) else _partial(read)

    def _check_name(self, name: str, node: MapNode, path: KeyPath, findings: Findings) -> bool:
        reason = self.reserved.get(name, "")
        if not reason and re.fullmatch(self.names, name):
            return True
        message = f"{shortened(name)} cannot be {self.what}: {reason or self.rule}"
        findings.error(self.code, message, node.key_mark(name), (*path, name), "Choose another name.")
        return False

    def schema(self) -> JsonSchema:
        names: JsonSchema = {"pattern": f"^(?:{self.names})$"}
        if self.reserved:
            names["not"] = {"enum": list(self.reserved)}
        schema: JsonSchema = {"type": "object", "additionalProperties": self.value.schema(), "propertyNames": names}
        if self.at_least:
            schema["minProperties"] = self.at_least
        return schema


class Either(Frozen):
    """One kind for scalars and lists, another for mappings."""

    plain: Kind
    mapping: Kind

    def read(self, node: Node, path: KeyPath, findings: Findings) -> Any:
        return (self.mapping if isinstance(node, MapNode) else self.plain).read(node, path, findings)

    def schema(self) -> JsonSchema:
        return {"anyOf": [self.plain.schema(), self.mapping.schema()]}


class Entry(Frozen):
    """One key of a section."""

    kind: Kind
    doc: str
    attribute: str = ""
    """The field of the model; empty: the key itself."""
    required: bool = False
    default: Any = None
    """For the reader of the schema; the model has the real one."""
    shorthand: tuple[JsonSchema, ...] = ()
    """Other shapes that may be written."""
    written: bool = True
    """False: only a pass writes it."""
    canonical: bool = True
    """False: a pass replaces it before values are read."""
    example: Any = None


class Section(Frozen):
    """A mapping with fixed keys."""

    name: str
    build: Callable[..., Any]
    entries: Mapping[str, Entry]
    finish: Callable[[dict[str, Any], MapNode, KeyPath, Findings], bool] | None = None
    """Completes and checks the values; False when they cannot be used."""
    constraints: tuple[JsonSchema, ...] = ()
    """Rules between keys that a schema can tell."""

    def read(self, node: Node, path: KeyPath, findings: Findings) -> Any:
        if not isinstance(node, MapNode):
            return _wrong_type(f"a mapping ({', '.join(self.written_keys()[:4])} …)", node, path, findings)
        values: dict[str, Any] = {}
        usable = True
        for key, entry in self.entries.items():
            if not entry.canonical:
                continue
            value = self._value(key, entry, node, path, findings)
            if value is INVALID:
                usable = usable and not entry.required
            elif value is not None:
                values[entry.attribute or key.replace("-", "_")] = value
        if self.finish and usable:
            usable = self.finish(values, node, path, findings)
        return self.build(**values) if usable else INVALID

    def _value(self, key: str, entry: Entry, node: MapNode, path: KeyPath, findings: Findings) -> Any:
        """The value; None when it is not written."""
        child = node.items.get(key)
        if child is None or (is_null(child) and not entry.required):
            if entry.required:
                what = f"`{key}` is missing"
                findings.error("required", what, node.mark, path, f"Add `{key}:`. {entry.doc}")
                return INVALID
            if child is not None:
                remedy = "Give a value, or remove the key."
                findings.warning(
                    "empty-value", f"`{key}` has no value and is ignored", node.key_mark(key), (*path, key), remedy
                )
            return None
        value = entry.kind.read(child, (*path, key), findings)
        return value.values if isinstance(value, _Partial) else value

    def written_keys(self) -> list[str]:
        """The keys that a user may write."""
        return [key for key, entry in self.entries.items() if entry.written]

    def schema(self) -> JsonSchema:
        return {"$ref": f"#/$defs/{self.name}"}

    def definition(self) -> JsonSchema:
        """The schema behind `schema()`'s reference."""
        entries = {key: entry for key, entry in self.entries.items() if entry.written}
        schema: JsonSchema = {
            "type": "object",
            "additionalProperties": False,
            "properties": {key: _entry_schema(entry) for key, entry in entries.items()},
        }
        if required := [key for key, entry in entries.items() if entry.required]:
            schema["required"] = required
        if self.constraints:
            schema["allOf"] = list(self.constraints)
        return schema


class Typed(Frozen):
    """One of several sections, told apart by the key `type`."""

    sections: Mapping[str, Section]

    def read(self, node: Node, path: KeyPath, findings: Findings) -> Any:
        if not isinstance(node, MapNode):
            return _wrong_type("a mapping with `type`", node, path, findings)
        allowed = ", ".join(self.sections)
        if "type" not in node.items:
            findings.error("required", "`type` is missing", node.mark, path, f"Add `type:` with one of {allowed}.")
            return INVALID
        name = Choice(tuple(self.sections)).read(node.items["type"], (*path, "type"), findings)
        return INVALID if name is INVALID else self.sections[name].read(node, path, findings)

    def section_of(self, node: MapNode) -> Section | None:
        """The section that the node's `type` names."""
        kind = node.items.get("type")
        return self.sections.get(kind.text) if isinstance(kind, ScalarNode) else None

    def schema(self) -> JsonSchema:
        choose = [
            {"if": {"properties": {"type": {"const": name}}, "required": ["type"]}, "then": section.schema()}
            for name, section in self.sections.items()
        ]
        return {
            "type": "object",
            "required": ["type"],
            "properties": {"type": {"enum": list(self.sections)}},
            "allOf": choose,
        }


class _Partial(Frozen):
    """The sound part of a mapping: rules still look at it, although the file is refused."""

    values: dict[str, Any]


def _partial(values: dict[str, Any]) -> Any:
    return _Partial(values)


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """`Did you mean x?`; empty when nothing is near."""
    from difflib import get_close_matches

    near = get_close_matches(word[:64], known[:100], n=1, cutoff=0.6)
    return f"Did you mean {near[0]}?" if near else ""


def suggest_time(text: str) -> str:
    """How to write a duration such as `1h` as Slurm reads it."""
    try:
        return f"Write {format_slurm_time(parse_duration_s(text))}."
    except ValueError:
        return "Write minutes, HH:MM:SS or D-HH:MM:SS, such as 01:30:00."


def _slurm_time(text: str) -> int | None:
    seconds = parse_slurm_time_s(text)
    if seconds == 0:
        raise ValueError(f"{text!r} is no time limit: Slurm reads 0 as unlimited")
    return seconds


def _suggest_time(text: str) -> str:
    return "Write UNLIMITED, or the time that is needed." if text.strip("0:-") == "" else suggest_time(text)


SLURM_TIME = Parsed(
    _slurm_time,
    "slurm-time",
    _suggest_time,
    r"[0-9]+|[0-9]+:[0-5]?[0-9]|[0-9]+:[0-5]?[0-9]:[0-5]?[0-9]|[0-9]+-[0-9]+(?::[0-5]?[0-9]){0,2}|[Uu][Nn][Ll][Ii][Mm][Ii][Tt][Ee][Dd]|[Ii][Nn][Ff][Ii][Nn][Ii][Tt][Ee]",
)
MEMORY = Parsed(
    parse_memory_mib,
    "memory-size",
    lambda _: "Write a whole number with K, M, G or T, such as 4G.",
    r"[0-9]+[KMGTkmgt]?[Bb]?",
)


def _wrong_type(expected: str, node: Node, path: KeyPath, findings: Findings, remedy: str = "") -> Any:
    if not isinstance(node, BrokenNode):
        findings.error(
            "type", f"{expected} is expected; {found(node)} was found", node.mark, path, remedy or "Correct the value."
        )
    return INVALID


def _entry_schema(entry: Entry) -> JsonSchema:
    schema = entry.kind.schema()
    if entry.shorthand:
        schema = {"anyOf": [schema, *entry.shorthand]}
    schema = {"description": entry.doc, **schema}
    if entry.default is not None:
        schema["default"] = entry.default
    if entry.example is not None:
        schema["examples"] = [entry.example]
    return schema
