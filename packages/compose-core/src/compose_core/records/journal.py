"""The journal: one line per submission of this user, in whatever folder."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from compose_core.records.atomic import append_line
from compose_core.records.json_text import JsonObject, json_bytes, read_json_lines
from compose_core.records.our_path import OurPath


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalEntry:
    """One line of `journal.jsonl`."""

    at: float
    token: str
    run_key: str | None = None
    engine: str
    project_dir: str
    compose_file: str
    name: str


def append_journal(path: OurPath, entry: JournalEntry) -> None:
    """The journal has one more line afterwards.

    Raises: RecordError: it cannot be written.
    """
    append_line(path, json_bytes({"schema_version": 1, **asdict(entry)}))


def append_removal(path: OurPath, token: str, *, at: float) -> None:
    """The journal says that the files of this submission were removed.

    Raises: RecordError: it cannot be written.
    """
    append_line(path, json_bytes({"schema_version": 1, "at": at, "token": token, "removed": True}))


def read_journal(path: OurPath) -> tuple[JournalEntry, ...]:
    """The entries, oldest first, of the last 16 MiB, without those that were removed; lines of another shape are left out.

    Raises: RecordError: the file cannot be read, or is not a regular file of ours.
    """
    rows = read_json_lines(path, max_bytes=16 * 1024 * 1024).rows
    removed = {row.get("token") for row in rows if row.get("removed") is True and isinstance(row.get("token"), str)}
    entries = (entry for row in rows if (entry := _entry(row)))
    return tuple(entry for entry in entries if entry.token not in removed)


def _entry(row: JsonObject) -> JournalEntry | None:
    texts = {name: row.get(name) for name in ("token", "engine", "project_dir", "compose_file", "name")}
    at, run_key = row.get("at"), row.get("run_key")
    if not isinstance(at, int | float) or not all(isinstance(text, str) for text in texts.values()):
        return None
    return JournalEntry(
        at=float(at), run_key=run_key if isinstance(run_key, str) else None, **{k: str(v) for k, v in texts.items()}
    )
