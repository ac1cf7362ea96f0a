"""One answer of the scheduler in a file, for the processes of one user on one host.

A line that says when it was asked for, then a line with the answer. What is torn, foreign, of another boot or of another
release is no answer: it is asked for anew.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from compose_core.errors import RecordError
from compose_core.records.atomic import replace_file
from compose_core.records.json_text import json_bytes, json_object
from compose_core.records.our_path import OurPath, open_file, opened_folder

FORMAT = 1
_HEAD_BYTES = 4096
_BODY_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What the first line says; times of the host's monotonic clock."""

    boot_id: str
    asked_at: float
    """Before the program was started: whatever happened later may be missing from the answer."""
    ended_at: float
    epoch_s: float
    """The end on the wall clock: both clocks must agree on how long ago that was, else one was set or stood still."""
    sha256: str
    """Of the second line, which also tells one answer from the next."""


def write_answer(
    file: OurPath, *, boot_id: str, asked_at: float, ended_at: float, epoch_s: float, body: Mapping[str, Any]
) -> None:
    """The file holds this answer afterwards; other processes see the old one or this one.

    Raises: RecordError: it cannot be written.
    """
    text = json_bytes(body)
    head = {
        "schema_version": FORMAT,
        "boot_id": boot_id,
        "asked_at": asked_at,
        "ended_at": ended_at,
        "epoch_s": epoch_s,
        "sha256": hashlib.sha256(text).hexdigest(),
    }
    replace_file(file, json_bytes(head) + text)


def read_head(file: OurPath, *, boot_id: str) -> Head | None:
    """When the answer in the file was asked for; None: there is none that can be used."""
    head, _ = _read(file, boot_id, 0)
    return head


def read_answer(file: OurPath, *, boot_id: str) -> tuple[Head, dict[str, Any]] | None:
    """The answer in the file; None: there is none that can be used."""
    head, text = _read(file, boot_id, _BODY_BYTES)
    if head is None or hashlib.sha256(text).hexdigest() != head.sha256:
        return None
    try:
        return head, json_object(text)
    except ValueError:
        return None


@contextmanager
def only_asker(lock: OurPath) -> Iterator[bool]:
    """True: no other process asks while the block runs. The lock goes with its holder, also when that is killed.

    Where files cannot be locked, or the lock cannot be made, everybody asks for himself.
    """
    try:
        with opened_folder(lock.folder, create=True) as folder:
            descriptor = open_file(folder, lock, os.O_RDWR | os.O_CREAT)
    except (OSError, RecordError):
        yield True
        return
    try:
        yield _is_locked(descriptor)
    finally:
        os.close(descriptor)


def _is_locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # no locks here
    return True


def _read(file: OurPath, boot_id: str, body_bytes: int) -> tuple[Head | None, bytes]:
    try:
        with opened_folder(file.folder) as folder, os.fdopen(open_file(folder, file, os.O_RDONLY), "rb") as stream:
            first = stream.readline(_HEAD_BYTES)
            return _head(first, boot_id), stream.read(body_bytes)
    except (OSError, RecordError):
        return None, b""


def _head(line: bytes, boot_id: str) -> Head | None:
    try:
        fields = json.loads(line)
        head = Head(
            boot_id=str(fields["boot_id"]),
            asked_at=float(fields["asked_at"]),
            ended_at=float(fields["ended_at"]),
            epoch_s=float(fields["epoch_s"]),
            sha256=str(fields["sha256"]),
        )
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None
    is_ours = fields.get("schema_version") == FORMAT and head.boot_id == boot_id and head.asked_at <= head.ended_at
    return head if is_ours else None
