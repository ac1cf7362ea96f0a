"""One export at a time into one folder, one removal at a time in one project, without trusting the file system's own locks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from compose_core.clock import Clock
from compose_core.cluster.process_identity import Life, ProcessIdentity
from compose_core.errors import HpccError
from compose_core.records.atomic import TEMPORARY_PREFIX, create_file, read_file, remove_file, rename_new
from compose_core.records.json_text import json_bytes, json_object
from compose_core.records.our_path import OurPath

_PATIENCE_S = 30.0
_POLL_S = 0.5


@contextmanager
def work_lock(
    lock: OurPath, clock: Clock, *, host: str, what: str = "export into", patience_s: float = _PATIENCE_S
) -> Iterator[None]:
    """Held while the block runs, which does `what` to the folder. A holder that is provably dead is passed over.

    Raises: HpccError: somebody else holds it.  RecordError: it cannot be made.
    """
    mine = json_bytes({"schema_version": 1, "nonce": os.urandom(8).hex(), **_identity(host)})
    deadline = clock.monotonic() + patience_s
    while not create_file(lock, mine):
        holder = read_file(lock, max_bytes=64 * 1024)
        if holder is not None and _is_dead(holder, host):
            _set_aside(lock, holder)
            continue
        if clock.monotonic() >= deadline:
            raise HpccError(
                f"another {what} {lock.folder} is going on",
                remedy=f"Wait for it; if there is none, remove {lock}.",
                code=f"{what.partition(' ')[0]}-locked",
            )
        clock.sleep(_POLL_S)
    try:
        yield
    finally:
        remove_file(lock)


def _identity(host: str) -> dict[str, object]:
    process = ProcessIdentity.of(os.getpid(), host=host)
    return dict(process.as_json()) if process else {"pid": os.getpid(), "host": host}


def _is_dead(holder: bytes, host: str) -> bool:
    try:
        process = ProcessIdentity.from_json(json_object(holder))
    except ValueError:
        return False
    return process is not None and process.life(host=host) is Life.DEAD


def _set_aside(lock: OurPath, holder: bytes) -> None:
    """Take the dead holder's lock away; should another one have done so and hold it now, that one gets it back."""
    aside = lock.folder / f"{TEMPORARY_PREFIX}{lock.name}-{os.urandom(6).hex()}"
    if not rename_new(lock, aside):
        return
    if read_file(aside, max_bytes=64 * 1024) != holder:
        rename_new(aside, lock)
    remove_file(aside)
