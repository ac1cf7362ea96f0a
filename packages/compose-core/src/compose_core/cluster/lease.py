"""One process at a time, on whichever host: a file that names its holder, and whose time its holder renews.

File servers' own locks are not trusted. A lease is taken over only when its holder is gone: a dead process of this
host, or one of another host that has not renewed the file for `SILENCE_S`, by the file server's own clock. What a
lease guards must therefore stay right when a holder that was only suspended goes on: results are published by rename.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field

from compose_core.clock import Clock
from compose_core.cluster.process_identity import Life, ProcessIdentity
from compose_core.errors import RecordError
from compose_core.records.atomic import TEMPORARY_PREFIX, create_file, read_file, remove_file, rename_new
from compose_core.records.json_text import json_bytes, json_object
from compose_core.records.our_path import OurPath, open_file, opened_folder

RENEW_S = 10.0
SILENCE_S = 600.0
_POLL_S = 0.5
_TAKING_S = 0.05
"""Until one looks again that met another one at taking the lease over: it takes it a few calls."""
_MAX_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A lease that this process got."""

    file: OurPath
    content: bytes = field(repr=False)

    def is_ours(self) -> bool:
        """Nobody took it meanwhile. A process that was suspended for long has to ask before it publishes anything."""
        try:
            return read_file(self.file, max_bytes=_MAX_BYTES) == self.content
        except RecordError:
            return False


@contextmanager
def lease(
    file: OurPath,
    clock: Clock,
    *,
    host: str,
    go_on: Callable[[ProcessIdentity | None], bool],
    poll_s: float = _POLL_S,
) -> Iterator[Lease | None]:
    """Held while the block runs; None, without it, once `go_on` wants to wait no longer for its holder.

    `go_on` is called with the holder, as far as it can be read, at every look.

    Raises: RecordError: the file cannot be made.
    """
    mine = json_bytes({"schema_version": 1, "nonce": os.urandom(8).hex(), **_identity(host)})
    while not create_file(file, mine):
        content = read_file(file, max_bytes=_MAX_BYTES)
        if content is None:
            continue
        if _is_gone(file, content, host):
            if not _set_aside(file, content):
                clock.sleep(_TAKING_S)
            continue
        if not go_on(_holder(content)):
            yield None
            return
        clock.sleep(poll_s)
    held = Lease(file=file, content=mine)
    done = threading.Event()
    renewal = threading.Thread(target=_renew, args=(file, mine, done), daemon=True)
    renewal.start()
    try:
        yield held
    finally:
        done.set()
        renewal.join()
        if held.is_ours():
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


def _set_aside(file: OurPath, holder: bytes) -> bool:
    """Take the lease of one that is gone away; False: another one does so just now, or has done.

    Only who has the file itself locked may move it. Where locks do not work, or not between hosts, one that moved the
    lease of a third one away gives it back.
    """
    with _locked(file) as is_alone:
        if not is_alone or read_file(file, max_bytes=_MAX_BYTES) != holder:
            return False
        aside = file.folder / f"{TEMPORARY_PREFIX}{file.name}-{os.getpid()}-{os.urandom(6).hex()}"
        if not rename_new(file, aside):
            return False
        is_right = read_file(aside, max_bytes=_MAX_BYTES) == holder
        if not is_right:
            rename_new(aside, file)
        remove_file(aside)
        return is_right


@contextmanager
def _locked(file: OurPath) -> Iterator[bool]:
    """True: the file that lies there is ours to move; also where the file system knows no locks."""
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(opened_folder(file.folder))
            descriptor = open_file(folder, file, os.O_RDWR)
            stack.callback(os.close, descriptor)  # ends the lock, as a kill does
            now = os.stat(file.name, dir_fd=folder, follow_symlinks=False) if _lock(descriptor) else None
        except FileNotFoundError:
            now = None
        yield now is not None and os.path.samestat(os.fstat(descriptor), now)


def _lock(descriptor: int) -> bool:
    """False: another process has it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # no locks here
    return True


def _renew(file: OurPath, mine: bytes, done: threading.Event) -> None:
    """Give the file a new time as long as it is ours."""
    while not done.wait(RENEW_S):
        with suppress(OSError, RecordError):  # a file server that is away for a moment; silence counts in minutes
            if read_file(file, max_bytes=_MAX_BYTES) == mine:
                with opened_folder(file.folder) as folder:
                    os.utime(file.name, dir_fd=folder, follow_symlinks=False)
