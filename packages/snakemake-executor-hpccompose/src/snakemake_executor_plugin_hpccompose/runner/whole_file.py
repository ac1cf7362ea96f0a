"""A file that is whole or absent, also after a crash."""

from __future__ import annotations

import os
from pathlib import Path


def replace_file(path: Path, data: bytes) -> None:
    """The file holds `data` afterwards, on disk, for its owner alone; a reader sees the old or the new content.

    Raises: OSError: it cannot be written; the old content stays.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".tmp-{os.getpid()}-{path.name}"[:255])
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """The new name survives a power cut, where the file system can promise that."""
    try:
        opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return  # a folder that may be written but not read
    try:
        os.fsync(opened)
    except OSError:
        pass  # some network file systems refuse to sync a folder; the content itself is on disk
    finally:
        os.close(opened)
