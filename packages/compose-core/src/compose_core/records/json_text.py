"""JSON as we write it and as we dare to read it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from compose_core.errors import RecordError
from compose_core.records.our_path import OurPath, open_file, opened_folder, refuse

JsonObject = dict[str, Any]


def json_bytes(value: Mapping[str, Any]) -> bytes:
    """The object as one line, ASCII, with a newline at the end."""
    return json.dumps(value, allow_nan=False, separators=(",", ":")).encode() + b"\n"


def json_object(data: bytes) -> JsonObject:
    """The object that the bytes spell.

    Raises: ValueError: they spell none, or something that no JSON writer of ours makes (NaN, depth without end).
    """
    try:
        value = _DECODER.decode(data.decode("utf-8"))
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - the text is wrong, not the caller's type
    return value


def parse_object(data: bytes, path: OurPath) -> JsonObject:
    """The object that the file's bytes spell.

    Raises: RecordError: they spell none.
    """
    try:
        return json_object(data)
    except ValueError as error:
        raise RecordError(
            f"{path} does not hold a JSON object: {error}", remedy="Look at it and move it away; nothing was changed."
        ) from error


@dataclass(frozen=True, slots=True)
class JsonLines:
    """What could be read of a JSON Lines file."""

    rows: tuple[JsonObject, ...]
    bad_lines: int = 0
    """Lines that are no JSON object; counted, never fatal."""
    torn_tail: bool = False
    """The last line has no end yet: its writer is at work, or died."""
    cut: bool = False
    """The file is larger than the limit: the beginning was left out."""


def read_json_lines(path: OurPath, *, max_bytes: int = 64 * 1024 * 1024) -> JsonLines:
    """The objects of the file, of its last `max_bytes` when it is larger; none when there is no file.

    Raises: RecordError: it cannot be read, or is not a regular file of ours.
    """
    try:
        with opened_folder(path.folder) as folder, os.fdopen(open_file(folder, path, os.O_RDONLY), "rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(0, size - max_bytes))
            data = stream.read(max_bytes)
    except FileNotFoundError:
        return JsonLines(())
    except OSError as error:
        refuse(path, error)
    return parse_json_lines(data, cut=size > max_bytes)


def parse_json_lines(data: bytes, *, cut: bool = False) -> JsonLines:
    """The objects of the lines; a last line without an end is left out, and so is a first one that was cut."""
    lines = data.split(b"\n")
    tail = lines.pop()
    rows: list[JsonObject] = []
    bad = 0
    for line in lines[1:] if cut else lines:
        if not line.strip():
            continue
        try:
            rows.append(json_object(line))
        except ValueError:
            bad += 1
    return JsonLines(tuple(rows), bad_lines=bad, torn_tail=bool(tail), cut=cut)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


_DECODER = json.JSONDecoder(parse_constant=_no_constant)
"""Made once: files of samples have a hundred thousand lines and more."""
