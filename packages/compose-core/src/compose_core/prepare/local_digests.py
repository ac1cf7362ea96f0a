"""The content of local image files as SHA-256, read once for each state of a file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from compose_core.errors import RecordError
from compose_core.prepare.found import sha256_of_file
from compose_core.records.format import Format
from compose_core.records.paths import CachePaths


class LocalDigest(Format):
    """`digests/….json`: what was in a file when it had this size and these times."""

    path: str
    size_bytes: int
    mtime_ns: int
    inode: int
    sha256: str


def local_digests(paths: Iterable[str], cache: CachePaths) -> dict[str, str]:
    """The digests of these files; a file that cannot be read has none."""
    digests = {path: _digest(path, cache) for path in paths}
    return {path: digest for path, digest in digests.items() if digest is not None}


def _digest(path: str, cache: CachePaths) -> str | None:
    try:
        now = Path(path).stat()
    except OSError:
        return None
    state = {"size_bytes": now.st_size, "mtime_ns": now.st_mtime_ns, "inode": now.st_ino}
    known = _known(path, cache)
    if known is not None and {name: getattr(known, name) for name in state} == state and known.path == path:
        return known.sha256
    try:
        sha256 = sha256_of_file(Path(path))
    except OSError:
        return None
    try:
        LocalDigest(path=path, sha256=sha256, **state).replace(cache.digest(path))
    except RecordError:
        return sha256  # it is read again next time
    return sha256


def _known(path: str, cache: CachePaths) -> LocalDigest | None:
    try:
        return LocalDigest.read(cache.digest(path))
    except RecordError:
        return None  # torn or foreign: the file itself is asked
