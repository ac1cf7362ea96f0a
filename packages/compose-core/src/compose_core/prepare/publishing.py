"""A finished image file put into the cache: checked, renamed, and only then told of."""

from __future__ import annotations

import hashlib
import os
import struct
from dataclasses import dataclass
from pathlib import Path

from compose_core.errors import HpccError, RecordError
from compose_core.records.atomic import make_folder, remove_file, replace_file
from compose_core.records.cached_image import CachedImage
from compose_core.records.our_path import OurPath, opened_folder, refuse
from compose_core.records.paths import image_record, image_use

_SQUASHFS_MAGIC = b"hsqs"
_SIF_MAGIC = (32, b"SIF_MAGIC")
"""Offset and text.  Source: the Singularity Image Format."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What tells one image file from another."""

    size_bytes: int
    sha256: str
    modified_at: int
    """Whole seconds: not every file system keeps more."""


def content_of(made: Path) -> Content:
    """The content of a file that is safely on disk afterwards.

    Raises: HpccError: it is not a whole image, or cannot be read.
    """
    try:
        with made.open("rb") as stream:
            os.fsync(stream.fileno())
            head = stream.read(128)
            found = os.fstat(stream.fileno())
            fault = _fault(made, head, found.st_size)
            if fault:
                raise HpccError(f"the program made no image: {fault}", remedy="Try again.", code="prepare-failed")
            stream.seek(0)
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        refuse(made, error)
    return Content(size_bytes=found.st_size, sha256=sha256, modified_at=int(found.st_mtime))


def publish(made: Path, file: OurPath, record: CachedImage) -> None:
    """The cache holds the image afterwards; a reader finds the old image, none, or the new one, never a part.

    Jobs that have the old file open keep it. One that was suspended between the two steps, and whose place another took,
    writes a record that fits no longer: the time in it is that of its own file.

    Raises: RecordError: it cannot be put there.
    """
    make_folder(file.folder)
    remove_file(image_record(file))
    try:
        made.chmod(0o600)
        with opened_folder(file.folder) as folder:
            os.rename(made, file.name, dst_dir_fd=folder)
            os.fsync(folder)
    except OSError as error:
        refuse(file, error)
    try:
        record.replace(image_record(file))
    except RecordError:
        remove_file(file)  # on a full disk, what nobody could use would only take room
        raise


def note_use(file: OurPath) -> None:
    """The image was used now."""
    replace_file(image_use(file), b"")


def _fault(made: Path, head: bytes, size: int) -> str:
    if made.suffix == ".sif":
        offset, magic = _SIF_MAGIC
        return "" if head[offset : offset + len(magic)] == magic else "the file does not begin as a SIF image does"
    if len(head) < 96 or not head.startswith(_SQUASHFS_MAGIC):
        return "the file does not begin as a squashfs image does"
    (used,) = struct.unpack_from("<Q", head, 40)
    return "" if used <= size else f"it is cut off: {size} bytes of {used}"
