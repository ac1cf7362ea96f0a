"""Log lines of a job's services in the log of its task, within a budget, so that no service floods Airflow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_hpccompose.doors import LogChunk

BYTES_PER_LOOK = 64 * 1024
LINES_PER_LOOK = 200
_LONGEST_LINE = 2000
_DIRECTIONS = (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_UNSEEN = dict.fromkeys((*range(9), *range(11, 32), *range(127, 160), 0x2028, 0x2029, *_DIRECTIONS))
"""Control characters other than tabs: they would move the cursor of whoever reads the log in a terminal. What turns the direction
of text could make a line read as another one."""


@dataclass(slots=True)
class LogStream:
    """What was shown of a job's logs, and how the next part is shown."""

    write: Callable[[str], None]
    offsets: dict[str, int] = field(default_factory=dict)
    """Where each log was read up to."""

    def show(self, chunk: LogChunk) -> int:
        """Write the lines of one look, `service | text`, and say what was left out; how many were written."""
        shown = chunk.lines[:LINES_PER_LOOK]
        for line in shown:
            self.write(f"{line.get('service', '')} | {printable(line.get('text', ''))}")
        if len(chunk.lines) > len(shown):
            self.write(f"… {len(chunk.lines) - len(shown)} lines skipped")
        self._say_skipped(chunk.skipped)
        self.offsets.update(chunk.offsets)
        return len(shown)

    def _say_skipped(self, skipped: Mapping[str, int]) -> None:
        for service, size in skipped.items():
            if size:
                self.write(f"{service} | … {size} bytes skipped; the whole log is in the job's folder")


def printable(text: str) -> str:
    """One line that can do nothing to a terminal, cut where it is too long to be read."""
    clean = text.rstrip("\r\n").translate(_UNSEEN).replace("\n", " ")
    return (
        clean if len(clean) <= _LONGEST_LINE else f"{clean[:_LONGEST_LINE]} … {len(clean) - _LONGEST_LINE} characters"
    )
