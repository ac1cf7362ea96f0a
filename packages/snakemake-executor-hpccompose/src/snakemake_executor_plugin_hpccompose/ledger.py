"""Which job of the workflow went where, over all runs: appended to before and after each submission, and read when a run begins.

One JSON object a line. An `intent` is on disk before the scheduler is asked, so a unit whose job was never written down is still
found, by its run key. A line that was torn by a crash is skipped.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

SCHEMA_VERSION = 1
_LARGE = 8 * 1024 * 1024
"""From this size on the file is written anew when a run begins, with what can still matter."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One member of a unit."""

    key: str
    attempt: int
    fingerprint: str
    request: str
    task: int
    result: str
    log: str
    title: str = ""


@dataclass(frozen=True, kw_only=True)
class Unit:
    """What was submitted at once."""

    run: str
    unit: str
    run_key: str
    members: tuple[Entry, ...] = ()
    at: float = 0.0
    array: bool = False
    """Its job is an array, and the members' task numbers say where they are in it."""
    job_id: str | None = None
    """None: nobody wrote down what became of the submission."""
    token: str | None = None
    closed: bool = False
    """It came to nothing, or was given up."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a member was sent last."""

    unit: Unit
    entry: Entry


@dataclass
class Ledger:
    """The file, and what it says of earlier runs."""

    path: Path
    _units: dict[str, Unit] = field(default_factory=dict)
    _last: dict[str, str] = field(default_factory=dict)
    """The run key of the last unit of each member."""
    _seen: set[tuple[str, str]] = field(default_factory=set)
    """Members and the run keys of the units in which they ended."""

    def read(self) -> None:
        """All that is written there; what another release or a crash left behind is skipped."""
        self._units, self._last, self._seen = {}, {}, set()
        try:
            lines = self.path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return
        for line in lines:
            said = _parsed(line)
            if said is not None:
                self._take(said)

    def shrink(self) -> None:
        """Write a large file anew, without the runs whose folders are gone."""
        if not self.path.exists() or self.path.stat().st_size < _LARGE:
            return
        kept = [unit for unit in self._units.values() if (self.path.parent / unit.run).is_dir() and not unit.closed]
        lines = [line for unit in kept for line in _lines_of(unit)]
        keys = sorted(key for key, run_key in self._seen if run_key == self._last.get(key))
        text = "".join(_line(line) for line in [*lines, {"what": "seen", "keys": keys}])
        temporary = self.path.with_name(f".tmp-{os.getpid()}-{self.path.name}")
        with _opened(temporary) as file:
            file.write(text.encode())
            os.fsync(file.fileno())
        temporary.replace(self.path)

    def places(self) -> dict[str, Place]:
        """The last place of each member whose end nobody has seen, by key; units that came to nothing are left out."""
        found: dict[str, Place] = {}
        for unit in self._units.values():
            if not unit.closed:
                found |= {entry.key: Place(unit=unit, entry=entry) for entry in unit.members}
        return {key: place for key, place in found.items() if (key, place.unit.run_key) not in self._seen}

    def logs(self) -> set[Path]:
        """The logs of all members of earlier runs."""
        return {Path(entry.log) for unit in self._units.values() for entry in unit.members}

    def open_runs(self) -> set[str]:
        """Earlier runs with members whose end nobody has seen."""
        return {place.unit.run for place in self.places().values()}

    def intend(self, unit: Unit) -> None:
        """This is about to be submitted."""
        self._append(_lines_of(replace(unit, job_id=None, token=None)))

    def submitted(self, unit: Unit, *, job_id: str, token: str) -> None:
        """It became this job."""
        self._append([{"what": "submitted", "run_key": unit.run_key, "job_id": job_id, "token": token}])

    def seen(self, keys: Sequence[str]) -> None:
        """How these members ended is known to Snakemake: their results are not waited for any more."""
        self._append([{"what": "seen", "keys": list(keys)}], sync=False)

    def close(self, unit: Unit) -> None:
        """There is no such job, or it does not count any more."""
        self._append([{"what": "closed", "run_key": unit.run_key}])

    def _append(self, lines: Iterable[Mapping[str, Any]], *, sync: bool = True) -> None:
        """One write, on disk when this returns."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        data = "".join(_line(line) for line in lines).encode()
        with _opened(self.path, os.O_APPEND) as file:
            # A torn last line of an earlier process must not swallow this one.
            file.write(b"\n" + data if _is_torn(self.path) else data)
            file.flush()
            if sync:
                os.fsync(file.fileno())

    def _take(self, said: Mapping[str, Any]) -> None:
        if said.get("what") == "seen":
            self._seen |= {(key, self._last.get(key, "")) for key in map(str, said.get("keys", ()))}
            return
        run_key = str(said.get("run_key"))
        known = self._units.get(run_key)
        match said.get("what"):
            case "intent":
                self._units.pop(run_key, None)
                unit = self._units[run_key] = _unit(said)
                self._last |= {entry.key: run_key for entry in unit.members}
            case "submitted" if known is not None:
                self._units[run_key] = replace(known, job_id=str(said["job_id"]), token=str(said["token"]))
            case "closed" if known is not None:
                self._units[run_key] = replace(known, closed=True)


def _lines_of(unit: Unit) -> Sequence[dict[str, Any]]:
    members = [asdict(entry) for entry in unit.members]
    said = {
        "run": unit.run,
        "unit": unit.unit,
        "run_key": unit.run_key,
        "at": unit.at,
        "array": unit.array,
        "members": members,
    }
    lines = [{"what": "intent", **said}]
    if unit.job_id is not None:
        lines.append({"what": "submitted", "run_key": unit.run_key, "job_id": unit.job_id, "token": unit.token})
    return lines


def _line(said: Mapping[str, Any]) -> str:
    return json.dumps({"schema_version": SCHEMA_VERSION, **said}, separators=(",", ":")) + "\n"


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        said = json.loads(line)
        if isinstance(said, dict) and said.get("schema_version") == SCHEMA_VERSION:
            if said.get("what") == "intent":
                _unit(said)
            return said
    except (ValueError, KeyError, TypeError):
        pass  # torn: the line after it is whole again
    return None


def _unit(said: Mapping[str, Any]) -> Unit:
    return Unit(
        run=str(said["run"]),
        unit=str(said["unit"]),
        run_key=str(said["run_key"]),
        at=float(said["at"]),
        array=bool(said["array"]),
        members=tuple(Entry(**member) for member in said["members"]),
    )


def _is_torn(path: Path) -> bool:
    with path.open("rb") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return False
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"


def _opened(path: Path, how: int = os.O_TRUNC) -> Any:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | how, 0o600), "wb")
