"""A bundle as one file: the same content always gives the same bytes."""

from __future__ import annotations

import gzip
import os
import tarfile
from collections.abc import Sequence
from typing import IO

from compose_core.records.our_path import OurPath, open_file, opened_folder, refuse
from compose_core.tracking.payload import CopiedEntry, beneath


def write_tarball(target: OurPath, root: OurPath, entries: Sequence[CopiedEntry]) -> None:
    """`target` holds the entries below `root`: regular files, folders and links, with relative names, no owner, no times.

    Raises: RecordError: it cannot be written.
    """
    with opened_folder(target.folder, create=True) as folder:
        try:
            descriptor = open_file(folder, target, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
            with os.fdopen(descriptor, "wb") as output:
                with (
                    gzip.GzipFile(filename="", mode="wb", fileobj=output, mtime=0) as packed,
                    tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
                ):
                    for entry in sorted(entries, key=lambda entry: entry.relative_path):
                        _add(archive, root, entry)
                output.flush()
                os.fsync(descriptor)
        except OSError as error:
            refuse(target, error)


def _add(archive: tarfile.TarFile, root: OurPath, entry: CopiedEntry) -> None:
    member = tarfile.TarInfo(entry.relative_path)
    if entry.entry_type == "folder":
        member.type, member.mode = tarfile.DIRTYPE, 0o755
        archive.addfile(member)
    elif entry.entry_type == "link":
        member.type, member.linkname, member.mode = tarfile.SYMTYPE, entry.link_target or "", 0o777
        archive.addfile(member)
    else:
        path = beneath(root, entry.relative_path)
        with opened_folder(path.folder) as folder, os.fdopen(open_file(folder, path, os.O_RDONLY), "rb") as data:
            _add_file(archive, member, data)


def _add_file(archive: tarfile.TarFile, member: tarfile.TarInfo, data: IO[bytes]) -> None:
    found = os.fstat(data.fileno())
    member.size = found.st_size
    member.mode = 0o755 if found.st_mode & 0o100 else 0o644
    archive.addfile(member, data)
