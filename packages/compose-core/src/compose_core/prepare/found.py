"""What lies in the image cache already, and whether it can be trusted."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from compose_core.errors import RecordError
from compose_core.plan.model import PlannedImage
from compose_core.records.cached_image import CachedImage
from compose_core.records.our_path import OurPath, open_file, opened_folder
from compose_core.records.paths import CachePaths, image_record, image_use


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One image file, as far as a look without reading it tells."""

    state: Literal["complete", "absent", "unusable"]
    why: str = ""
    """What makes it unusable."""
    record: CachedImage | None = None
    used_at: float | None = None
    """When a plan took it last."""


ABSENT = Found(state="absent")


def found_images(images: Iterable[PlannedImage], cache: CachePaths) -> dict[str, Found]:
    """What is there of every file that these images are made of, by path."""
    found: dict[str, Found] = {}
    for image in images:
        if image.kind == "local":
            found[image.source] = local_image(image.source)
        for file in (image.base, image.prepared):
            if file is not None and file.path not in found:
                found[file.path] = cached_image(cache.image(file.path), key=file.key)
    return found


def cached_image(file: OurPath, *, key: str) -> Found:
    """One file of the cache: complete when its record was written for this key and fits its size."""
    found = looked_at(file)
    if found.record is not None and found.record.key != key:
        return Found(state="unusable", why=f"its record belongs to the key {found.record.key}")
    return found


def looked_at(file: OurPath) -> Found:
    """One file of the cache, whatever its key: complete when its record fits its size."""
    try:
        there = _stat(file)
        record = CachedImage.read(image_record(file))
        if there is None:
            return ABSENT if record is None else Found(state="unusable", why="its record is there without the image")
        if record is None:
            return Found(state="unusable", why="it has no record, so it was never finished")
        if record.size_bytes != there.st_size:
            return Found(state="unusable", why=f"it has {there.st_size} bytes, its record says {record.size_bytes}")
        if record.modified_at is not None and record.modified_at != int(there.st_mtime):
            return Found(state="unusable", why="it was changed after its record was written")
        return Found(state="complete", record=record, used_at=_time(image_use(file)) or record.created_at)
    except RecordError as error:
        return Found(state="unusable", why=error.message)


def local_image(path: str) -> Found:
    """An image file of the user."""
    try:
        found = Path(path).stat()
    except FileNotFoundError:
        return ABSENT
    except OSError as error:
        return Found(state="unusable", why=os.strerror(error.errno or 0))
    if not stat.S_ISREG(found.st_mode):
        return Found(state="unusable", why="it is a folder" if stat.S_ISDIR(found.st_mode) else "it is no regular file")
    return Found(state="complete")


def sha256_of(file: OurPath) -> str:
    """The SHA-256 of the file's content, in hexadecimal.

    Raises: FileNotFoundError: it is not there.  RecordError: it is not a regular file of ours.
    """
    with opened_folder(file.folder) as folder:
        descriptor = open_file(folder, file, os.O_RDONLY)
        with os.fdopen(descriptor, "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()


def sha256_of_file(path: Path) -> str:
    """The same for a file of the user's.

    Raises: OSError: it cannot be read.
    """
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def is_intact(file: OurPath, record: CachedImage) -> bool:
    """The content is the one that the record tells of."""
    try:
        return sha256_of(file) == record.sha256
    except FileNotFoundError:
        return False


def _stat(file: OurPath) -> os.stat_result | None:
    try:
        with opened_folder(file.folder) as folder:
            descriptor = open_file(folder, file, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        return os.fstat(descriptor)
    finally:
        os.close(descriptor)


def _time(file: OurPath) -> float | None:
    try:
        with opened_folder(file.folder) as folder:
            return os.stat(file.name, dir_fd=folder, follow_symlinks=False).st_mtime
    except OSError:
        return None
