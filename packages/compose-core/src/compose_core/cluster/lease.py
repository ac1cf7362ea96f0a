"""One process at a time, on whichever host: a file that names its holder, and whose time its holder renews.

File servers' own locks are not trusted. A lease is taken over only when its holder is gone: a dead process of this
host, or one of another host that has not renewed the file for `SILENCE_S`, by the file server's own clock. What a
lease guards must therefore stay right when a holder that was only suspended goes on: results are published by rename.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from compose_core.clock import Clock
from compose_core.cluster.process_identity import Life, ProcessIdentity
from compose_core.errors import RecordError
from compose_core.records.atomic import TEMPORARY_PREFIX, create_file, read_file, remove_file, rename_new
from compose_core.records.json_text import json_bytes, json_object
from compose_core.records.our_path import OurPath, opened_folder

RENEW_S = 10.0
SILENCE_S = 600.0
_POLL_S = 0.5
_MAX_BYTES = 64 * 1024


@contextmanager
def lease(
    file: OurPath,
    clock: Clock,
    *,
    host: str,
    go_on: Callable[[ProcessIdentity | None], bool],
    poll_s: float = _POLL_S,
) -> Iterator[bool]:
    """Held while the block runs (True); False, without it, once `go_on` wants to wait no longer for its holder.

    `go_on` is called with the holder, as far as it can be read, at every look.

    Raises: RecordError: the file cannot be made.
    """
    mine = json_bytes({"schema_version": 1, "nonce": os.urandom(8).hex(), **_identity(host)})
    while not create_file(file, mine):
        content = read_file(file, max_bytes=_MAX_BYTES)
        if content is None:
            continue
        if _is_gone(file, content, host):
            _set_aside(file, content)
            continue
        if not go_on(_holder(content)):
            yield False
            return
        clock.sleep(poll_s)
    done = threading.Event()
    renewal = threading.Thread(target=_renew, args=(file, mine, done), daemon=True)
    renewal.start()
    try:
        yield True
    finally:
        done.set()
        renewal.join()
        if read_file(file, max_bytes=_MAX_BYTES) == mine:
            remove_file(file)


def _identity(host: str) -> dict[str, object]:
    process = ProcessIdentity.of(os.getpid(), host=host)
    return dict(process.as_json()) if process else {"pid": os.getpid(), "host": host}


def _holder(content: bytes) -> ProcessIdentity | None:
    try:
        return ProcessIdentity.from_json(json_object(content))
    except ValueError:
        return None


def _is_gone(file: OurPath, content: bytes, host: str) -> bool:
    holder = _holder(content)
    life = holder.life(host=host) if holder is not None else Life.UNKNOWN
    return life is Life.DEAD or (life is Life.UNKNOWN and _silence_s(file) > SILENCE_S)


def _silence_s(file: OurPath) -> float:
    """Seconds since the file was renewed, both times given by the file server; 0 when that cannot be told."""
    name = f"{TEMPORARY_PREFIX}{file.name}-now-{os.getpid()}-{os.urandom(6).hex()}"
    try:
        with opened_folder(file.folder) as folder:
            descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=folder)
            try:
                now = os.fstat(descriptor).st_mtime
            finally:
                os.close(descriptor)
                os.unlink(name, dir_fd=folder)
            return now - os.stat(file.name, dir_fd=folder, follow_symlinks=False).st_mtime
    except OSError:
        return 0.0


def _set_aside(file: OurPath, holder: bytes) -> None:
    """Take the lease of one that is gone away; should another one have done so and hold it now, that one gets it back."""
    aside = file.folder / f"{TEMPORARY_PREFIX}{file.name}-{os.getpid()}-{os.urandom(6).hex()}"
    if not rename_new(file, aside):
        return
    if read_file(aside, max_bytes=_MAX_BYTES) != holder:
        rename_new(aside, file)
    remove_file(aside)


def _renew(file: OurPath, mine: bytes, done: threading.Event) -> None:
    """Give the file a new time as long as it is ours."""
    while not done.wait(RENEW_S):
        with suppress(OSError, RecordError):  # a file server that is away for a moment; silence counts in minutes
            if read_file(file, max_bytes=_MAX_BYTES) == mine:
                with opened_folder(file.folder) as folder:
                    os.utime(file.name, dir_fd=folder, follow_symlinks=False)
