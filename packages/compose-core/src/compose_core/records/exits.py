"""The exits of a service: `service-exits/<token of service>.jsonl`, one line each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from compose_core.records.line_stream import json_rows
from compose_core.records.our_path import OurPath

_READ_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ServiceExit:
    """One line."""

    at: float
    exit_code: int | None = None
    signal: int | None = None
    attempt: int | None = None
    node: str | None = None


def service_exits(path: OurPath) -> Iterator[ServiceExit]:
    """The exits of one service in the order in which they were written, the last ones of a very large file.

    Raises: RecordError: the file cannot be read, or is not a regular file of ours.
    """
    for row in json_rows(path, last_bytes=_READ_BYTES):
        at, node = row.get("at_unix"), row.get("node")
        if isinstance(at, int | float) and not isinstance(at, bool):
            yield ServiceExit(
                float(at),
                exit_code=_whole(row.get("exit_code")),
                signal=_whole(row.get("signal")),
                attempt=_whole(row.get("attempt")),
                node=node if isinstance(node, str) else None,
            )


def _whole(value: Any) -> int | None:
    return value if type(value) is int else None
