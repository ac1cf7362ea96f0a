"""What a node tells the supervisor: one line of JSON for each row and each state of a collector."""

import os
import time
from typing import Any, Dict

from compose_core.supervisor.files import Json, json_line, write_all

LINE_BYTES = 1000
"""srun passes lines of up to 1024 bytes on whole; parts of longer ones may mix with those of other nodes.

Source: slurm/src/common/io_hdr.h, SLURM_IO_MAX_MSG_LEN.
"""
STDOUT = 1


def now_s() -> float:
    """The time of a sample, to the millisecond."""
    return round(time.time(), 3)


def fitted(message: Json) -> bytes:
    """The message as one line that srun keeps whole; the longest texts give way."""
    line = json_line(message)
    while len(line) > LINE_BYTES:
        holder = message["row"] if "row" in message else message
        key = max(holder, key=lambda name: len(holder[name]) if isinstance(holder[name], str) else 0)
        if not isinstance(holder[key], str) or not holder[key]:
            return b""
        holder[key] = holder[key][: len(holder[key]) // 2]
        line = json_line(message)
    return line


class Reporter:
    """Standard output, as the supervisor reads it."""

    def __init__(self, node: str, descriptor: int = STDOUT) -> None:
        self.node = node
        self._descriptor = descriptor

    def hello(self, **fields: Any) -> None:
        """This node samples."""
        self._tell(dict(fields, node=self.node))

    def row(self, file: str, at: float, fields: Dict[str, Any]) -> None:
        """One line for a file of metrics/."""
        row: Json = {"sampled_at": at, "node": self.node}
        row.update(fields)
        self._tell({"to": file, "row": row})

    def state(self, collector: str, at: float, state: str, note: str, every_s: float) -> None:
        """How a collector did: ok, degraded, failed, or unavailable."""
        message: Json = {"collector": collector, "node": self.node, "at": at, "state": state, "note": note}
        message["every_s"] = round(every_s, 1)
        self._tell(message)

    def _tell(self, message: Json) -> None:
        write_all(self._descriptor, fitted(message))


def complain_here(text: str) -> None:
    """One line for sampler.log."""
    os.write(2, (text + "\n").encode("utf-8", "backslashreplace"))
