"""Files that travel through the door: inputs into the workspace, results out of it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from compose_core.errors import HpccError, RecordError, UsageError
from compose_core.records.atomic import read_file, replace_file
from compose_core.records.job_record import JobRecord
from compose_core.records.our_path import OurPath

MOST_BYTES = 8 * 1024 * 1024
"""Of one file or part of a file in one message."""
_LARGEST_SENT = 256 * 1024 * 1024
_SCRIPT_BYTES = 4 * 1024 * 1024


class _Arguments(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class FileFacts(_Arguments):
    """A file as its sender has it."""

    path: str
    """Relative to the folder."""
    sha256: str
    is_executable: bool = False


class SentFile(FileFacts):
    """The same with its content."""

    data: str
    """Base64."""


class MissingArguments(_Arguments):
    """Which files are wanted where."""

    folder: str
    files: list[FileFacts] = Field(max_length=20000)


class PutArguments(_Arguments):
    """Files to write below the workspace."""

    folder: str
    files: list[SentFile]


class GetArguments(_Arguments):
    """Which part of which file is wanted."""

    path: str
    offset: int = Field(default=0, ge=0)
    count: int = Field(default=MOST_BYTES, ge=1, le=MOST_BYTES)


class PartsArguments(_Arguments):
    """Which parts of which files are wanted, together no more than fits into one message."""

    parts: list[GetArguments] = Field(min_length=1, max_length=1000)


def missing(workspace: Path, asked: MissingArguments) -> dict[str, Any]:
    """The paths that are not there with that content."""
    folder = below(OurPath(workspace), asked.folder)
    return {"folder": str(folder), "missing": [file.path for file in asked.files if not _is_there(folder, file)]}


def put(workspace: Path, asked: PutArguments) -> dict[str, Any]:
    """Write them, each whole or not at all.

    Raises: UsageError: a path leads out of the folder, or the content is not what its digest says.
    """
    folder = below(OurPath(workspace), asked.folder)
    for file in asked.files:
        try:
            data = base64.b64decode(file.data, validate=True)
        except (binascii.Error, ValueError) as error:
            raise UsageError(f"{file.path}: no base64: {error}", code="door-arguments") from error
        if hashlib.sha256(data).hexdigest() != file.sha256:
            raise UsageError(f"{file.path} arrived changed", remedy="Try again.", code="door-arguments")
        path = below(folder, file.path)
        replace_file(path, data)
        if file.is_executable:
            path.path.chmod(0o700)
    return {"folder": str(folder), "written": len(asked.files)}


def get(asked: GetArguments) -> dict[str, Any]:
    """The bytes from there on, and the size of the whole.

    Raises: HpccError: it cannot be read.
    """
    try:
        with Path(asked.path).open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(asked.offset)
            data = file.read(asked.count)
    except OSError as error:
        raise HpccError(f"{asked.path} cannot be read: {error.strerror}", code="no-such-file") from error
    return {"size": size, "data": base64.b64encode(data).decode()}


def get_parts(asked: PartsArguments) -> dict[str, Any]:
    """The parts in their order, as `get` gives each.

    Raises: UsageError: they are too much for one message.  HpccError: one cannot be read.
    """
    wanted = sum(part.count for part in asked.parts)
    if wanted > MOST_BYTES:
        raise UsageError(f"{wanted} bytes are asked for at once; {MOST_BYTES} are allowed", code="door-arguments")
    return {"parts": [get(part) for part in asked.parts]}


def script_text(record: JobRecord) -> dict[str, Any]:
    """Path and readable part of the script; the programs of the node below it are the same in every job.

    Raises: RecordError: it cannot be read.
    """
    path = Path(record.script_path)
    data = read_file(OurPath(path.parent) / path.name, max_bytes=_SCRIPT_BYTES)
    if data is None:
        raise RecordError(f"{path} is not there any more", remedy="Somebody removed the records of the job.")
    return {"path": str(path), "sha256": record.script_sha256, "text": data.decode("utf-8", "replace")}


def below(folder: OurPath, path: str) -> OurPath:
    """The place of a relative path in the folder.

    Raises: UsageError: it leads out of it.
    """
    try:
        for part in PurePosixPath(path).parts:
            folder = folder / part
    except ValueError as error:
        raise UsageError(f"{path!r} is no path below a folder: {error}", code="door-arguments") from error
    return folder


def _is_there(folder: OurPath, file: FileFacts) -> bool:
    data = read_file(below(folder, file.path), max_bytes=_LARGEST_SENT)
    return data is not None and hashlib.sha256(data).hexdigest() == file.sha256
