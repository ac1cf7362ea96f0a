"""A part of a file of ours."""

from __future__ import annotations

import os

from compose_core.records.our_path import OurPath, open_file, opened_folder, refuse


def byte_range(path: OurPath, begin: int, end: int) -> bytes:
    """The bytes between two offsets, as far as they are there.

    Raises: RecordError: the file cannot be read, or is not a regular file of ours.
    """
    try:
        with opened_folder(path.folder) as folder:
            descriptor = open_file(folder, path, os.O_RDONLY)
        try:
            return os.pread(descriptor, max(0, end - begin), begin)
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        return b""
    except OSError as error:
        refuse(path, error)
