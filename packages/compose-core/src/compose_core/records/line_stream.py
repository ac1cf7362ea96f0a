"""The lines of a file that somebody may still be appending to, one at a time, however large it is."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from contextlib import closing

from compose_core.records.json_text import JsonObject, json_object
from compose_core.records.our_path import OurPath, open_file, opened_folder, refuse

LINE_LIMIT = 1024 * 1024
_BLOCK = 256 * 1024


def whole_lines(path: OurPath, *, last_bytes: int | None = None) -> Generator[bytes]:
    """Its lines, of its last bytes alone with `last_bytes`; without a file there are none.

    Left out are a last line that has no end yet, one of more than 1 MiB, and with `last_bytes` a first one that was cut.

    Raises: RecordError: the file cannot be read, or is not a regular file of ours.
    """
    lines = placed_lines(path, last_bytes=last_bytes)
    with closing(lines):
        for _, line in lines:
            yield line


def placed_lines(path: OurPath, *, last_bytes: int | None = None) -> Generator[tuple[int, bytes]]:
    """Its lines, each with the offset where it begins, of its last bytes alone with `last_bytes`; without a file there are none.

    Left out are a last line that has no end yet, one of more than 1 MiB, and with `last_bytes` a first one that was cut.

    Raises: RecordError: the file cannot be read, or is not a regular file of ours.
    """
    try:
        with opened_folder(path.folder) as folder:
            descriptor = open_file(folder, path, os.O_RDONLY)
    except FileNotFoundError:
        return
    with os.fdopen(descriptor, "rb", buffering=_BLOCK) as stream:
        try:
            begin = max(0, stream.seek(0, os.SEEK_END) - last_bytes) if last_bytes is not None else 0
            stream.seek(begin)
            is_whole = begin == 0
            while line := stream.readline(LINE_LIMIT):
                if line.endswith(b"\n"):
                    if is_whole:
                        yield begin, line
                    is_whole = True
                else:
                    is_whole = False
                begin += len(line)
        except OSError as error:
            refuse(path, error)


def json_rows(path: OurPath, *, last_bytes: int | None = None) -> Iterator[JsonObject]:
    """The JSON objects of its lines; a line that holds none is left out.

    Raises: RecordError: the file cannot be read, or is not a regular file of ours.
    """
    lines = whole_lines(path, last_bytes=last_bytes)
    with closing(lines):
        for line in lines:
            try:
                row = json_object(line)
            except ValueError:
                continue
            yield row
