"""Exported artifacts on their way to the machine of the worker: every file whole and checked, none outside its folder."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airflow_provider_hpccompose.exceptions import HpcComposeError, HpcComposeFinalError, HpcComposeSpecError
from airflow_provider_hpccompose.staging import Calls

DEFAULT_MOST_BYTES = 2 * 1024**3
_PART_BYTES = 6 * 1024 * 1024
_PARTS_PER_CALL = 500
_MANIFEST_BYTES = 256 * 1024 * 1024
_READ_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file as the export's manifest has it."""

    path: str
    """Below the bundle's folder."""
    size: int
    sha256: str


Part = tuple[RemoteFile, int, int]
"""A file, where the part begins, and how long it is."""


def fetch_bundles(
    door: Calls, bundles: Mapping[str, Mapping[str, Any]], dest: str, *, most_bytes: int = DEFAULT_MOST_BYTES
) -> dict[str, dict[str, Any]]:
    """The same bundles, each with `fetched`: uri (`<dest>/<bundle>`), files, bytes, and left_out, what is no regular file.

    A file that is here already with the same content is not fetched again, so a retry goes on where the try before ended.

    Raises: HpcComposeSpecError: dest is no absolute path.  HpcComposeFinalError: there is too much, or a path that leads elsewhere.
    HpcComposeError: a file arrived changed, or cannot be written.  HpccError: the other side cannot be asked or read.
    """
    root = Path(dest).expanduser()
    if not root.is_absolute():
        raise HpcComposeSpecError(f"fetch_to is {dest!r}; it has to be the absolute path of a folder on the worker.")
    found = {name: _listed(door, str(bundle["manifest"])) for name, bundle in bundles.items()}
    total = sum(file.size for files, _ in found.values() for file in files)
    if total > most_bytes:
        raise HpcComposeFinalError(
            f"The artifacts have {total} bytes, and at most {most_bytes} are fetched: allow more by `fetch_limit_bytes`, fetch fewer "
            "bundles, or leave them on the cluster."
        )
    return {
        name: {**bundle, "fetched": _fetched(door, str(bundle["uri"]), place(root, name), *found[name])}
        for name, bundle in bundles.items()
    }


def place(folder: Path, relative: str) -> Path:
    """Where this path of another machine belongs below the folder.

    Raises: HpcComposeFinalError: it would lead out of it, by its words or by a link on the way.
    """
    parts = relative.split("/")
    if any(part in ("", ".", "..") or "\0" in part for part in parts):
        raise HpcComposeFinalError(f"{relative!r} leads out of the folder that artifacts are fetched to.")
    for part in parts[:-1]:
        folder = folder / part
        if folder.is_symlink():
            raise HpcComposeFinalError(f"{folder} is a link, so {relative!r} is not written through it: move it away.")
    return folder / parts[-1]


def _listed(door: Calls, manifest: str) -> tuple[list[RemoteFile], list[str]]:
    """The regular files of an exported bundle, and what else it holds."""
    rows = _read_manifest(door, manifest).get("files")
    files, others = [], []
    for row in rows if isinstance(rows, list) else ():
        path = str(row["relative_path"])
        if row["entry_type"] == "file":
            files.append(RemoteFile(path=path, size=int(row["size_bytes"]), sha256=str(row["sha256"])))
        elif row["entry_type"] != "folder":
            others.append(path)
    return files, others


def _read_manifest(door: Calls, path: str) -> Mapping[str, Any]:
    data, size = b"", 1
    while len(data) < size:
        part = door.call("get", {"path": path, "offset": len(data), "count": _PART_BYTES})
        size = int(part["size"])
        got = base64.b64decode(part["data"])
        if size > _MANIFEST_BYTES or not got:
            raise HpcComposeError(f"{path} on the cluster has {size} bytes, of which {len(data)} can be read.")
        data += got
    try:
        manifest = json.loads(data)
    except ValueError as error:
        raise HpcComposeError(f"{path} on the cluster is no manifest of an export: {error}.") from error
    return manifest if isinstance(manifest, Mapping) else {}


def _fetched(door: Calls, uri: str, folder: Path, files: Sequence[RemoteFile], others: Sequence[str]) -> dict[str, Any]:
    with _writing(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        missing = [file for file in files if not _is_here(place(folder, file.path), file)]
        for parts in _calls(missing):
            asked = [
                {"path": f"{uri}/{file.path}", "offset": start, "count": max(1, size)} for file, start, size in parts
            ]
            answer = door.call("get-parts", {"parts": asked})
            for (file, start, _), part in zip(parts, answer["parts"], strict=True):
                _take(folder, file, start, base64.b64decode(part["data"]))
    told = {"uri": str(folder), "files": len(files), "bytes": sum(file.size for file in files)}
    return {**told, "left_out": list(others)} if others else told


def _calls(files: Sequence[RemoteFile]) -> Iterator[list[Part]]:
    """The parts of all files, as many together as one message takes."""
    call: list[Part] = []
    room = _PART_BYTES
    for file in files:
        for start in range(0, max(1, file.size), _PART_BYTES):
            size = min(_PART_BYTES, file.size - start)
            if call and (size > room or len(call) == _PARTS_PER_CALL):
                yield call
                call, room = [], _PART_BYTES
            call.append((file, start, size))
            room -= max(1, size)
    if call:
        yield call


def _take(folder: Path, file: RemoteFile, start: int, data: bytes) -> None:
    """A part of a file, beside its place; with the last part it is looked at and put there."""
    target = place(folder, file.path)
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = target.with_name(f".fetching-{hashlib.sha256(file.path.encode('utf-8', 'replace')).hexdigest()[:16]}")
    if start == 0:
        temporary.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
    with os.fdopen(os.open(temporary, flags, 0o600), "ab") as written:
        written.write(data)
        if start + _PART_BYTES < file.size:
            return
        written.flush()
        os.fsync(written.fileno())
    if not _is_here(temporary, file):
        temporary.unlink()
        raise HpcComposeError(
            f"{file.path} did not arrive as the manifest of its export says: was it written meanwhile?"
        )
    temporary.replace(target)


def _is_here(path: Path, file: RemoteFile) -> bool:
    if path.is_symlink() or not path.is_file() or path.stat().st_size != file.size:
        return False
    digest = hashlib.sha256()
    with path.open("rb") as content:
        while block := content.read(_READ_BYTES):
            digest.update(block)
    return digest.hexdigest() == file.sha256


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise HpcComposeError(f"Artifacts cannot be written to {folder} on the worker: {error}.") from error
