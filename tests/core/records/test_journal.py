"""The journal of all submissions of a user."""

from __future__ import annotations

from pathlib import Path

from compose_core.records.journal import JournalEntry, append_journal, read_journal
from compose_core.records.paths import StatePaths


def test_entries_are_read_in_order(tmp_path: Path) -> None:
    """The state folder is made when it is first needed; foreign lines are left out."""
    path = StatePaths(tmp_path / "state" / "hpc-compose").journal
    entries = [
        JournalEntry(
            at=float(number), token=str(number), engine="slurm", project_dir="/p", compose_file="/p/c", name="n"
        )
        for number in range(3)
    ]
    for entry in entries:
        append_journal(path, entry)
    with path.path.open("a") as stream:
        stream.write('{"at": 1, "token": 7}\nnonsense\n')
    assert read_journal(path) == tuple(entries)
