"""Where the value of a variable comes from: sweep, environment, `.env`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from compose_core.errors import Location, Problem
from compose_core.spec.findings import Findings
from compose_core.spec.loaded import Origin
from compose_core.spec.nodes import ListNode, MapNode, Mark, Node, ScalarNode
from compose_core.spec.redaction import is_secret_value
from compose_core.spec.source_file import SourceFileError, read_source

MAX_DOTENV = 1024 * 1024


@dataclass(kw_only=True)
class Variables:
    """All variables of one load, by precedence, and which of them were used."""

    sweep: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    dotenv: Mapping[str, str] = field(default_factory=dict)
    examples: Mapping[str, str] = field(default_factory=dict)
    """First values of sweep parameters, for a spec that is looked at outside a sweep: used where else a variable would be missing."""
    used: dict[str, Origin] = field(default_factory=dict)

    def look_up(self, name: str) -> str | None:
        """The value; None when it is set nowhere."""
        places: tuple[tuple[Origin, Mapping[str, str]], ...] = (
            ("sweep", self.sweep),
            ("environment", self.environment),
            (".env", self.dotenv),
        )
        for origin, values in places:
            if name in values:
                self.used[name] = origin
                return values[name]
        return None

    def secrets(self) -> dict[str, str]:
        """The values from outside the file that were used and look secret."""
        outside = (name for name, origin in self.used.items() if origin in ("environment", ".env"))
        found = {name: self.environment.get(name) or self.dotenv.get(name, "") for name in outside}
        return {name: value for name, value in found.items() if is_secret_value(name, value)}


def read_project_dotenv(folder: Path, shown: str, findings: Findings) -> tuple[dict[str, str], Path | None]:
    """The variables of `.env` beside the compose file, and its path; none when there is no such file."""
    path = folder / ".env"
    try:
        data = read_source(path, limit=MAX_DOTENV)
    except SourceFileError as error:
        if "does not exist" not in str(error):
            findings.warning("env-file", f"the file {error} and is left out", Mark(shown, 0, 0))
        return {}, None
    return dict(read_entries(data, shown, findings)), path


def read_entries(data: bytes, shown: str, findings: Findings) -> dict[str, str]:
    """The variables of a `.env` or `env_file`; faults are recorded, and a later line wins."""
    if len(data) > MAX_DOTENV:
        findings.add(_fault("file-too-large", f"the file has more than {MAX_DOTENV} bytes", shown, 0))
        return {}
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        findings.add(
            _fault(
                "not-utf-8", f"byte 0x{data[error.start]:02x} is not UTF-8", shown, data[: error.start].count(b"\n") + 1
            )
        )
        return {}
    from compose_core.spec.dotenv import DotenvEntry, read_dotenv

    entries: dict[str, str] = {}
    for entry in read_dotenv(text):
        if isinstance(entry, DotenvEntry):
            entries[entry.name] = entry.value
        else:
            findings.add(_fault(entry.code, entry.message, shown, entry.line))
    return entries


def sweep_examples(sweep: Node) -> dict[str, str]:
    """The first value of every parameter of the `sweep` block, as the spec of some trial would see it."""
    parameters = sweep.items.get("parameters") if isinstance(sweep, MapNode) else None
    if not isinstance(parameters, MapNode):
        return _first_trial(sweep)
    return {
        **_first_trial(sweep),
        **{name: value for name, node in parameters.items.items() if (value := _first(node)) is not None},
    }


def _first_trial(sweep: Node) -> dict[str, str]:
    trials = sweep.items.get("trials") if isinstance(sweep, MapNode) else None
    trial = trials.items[0] if isinstance(trials, ListNode) and trials.items else None
    if not isinstance(trial, MapNode):
        return {}
    return {name: node.text for name, node in trial.items.items() if isinstance(node, ScalarNode)}


def _first(node: Node) -> str | None:
    if isinstance(node, ListNode) and node.items:
        node = node.items[0]
    elif isinstance(node, MapNode):
        node = node.items.get("from", node)
    return node.text if isinstance(node, ScalarNode) else None


def _fault(code: str, message: str, shown: str, line: int) -> Problem:
    remedy = "Write KEY=VALUE, one on a line." if code.startswith("env") else ""
    return Problem(code=code, message=message, where=Location(file=shown, line=line), remedy=remedy)
