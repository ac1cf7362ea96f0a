"""One export at a time into one folder, one removal at a time in one project."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from compose_core.clock import Clock
from compose_core.cluster.lease import lease
from compose_core.errors import HpccError
from compose_core.records.our_path import OurPath

_PATIENCE_S = 30.0


@contextmanager
def work_lock(
    lock: OurPath, clock: Clock, *, host: str, what: str = "export into", patience_s: float = _PATIENCE_S
) -> Iterator[None]:
    """Held while the block runs, which does `what` to the folder. A holder that is gone is passed over.

    Raises: HpccError: somebody else holds it.  RecordError: it cannot be made.
    """
    deadline = clock.monotonic() + patience_s
    with lease(lock, clock, host=host, go_on=lambda _: clock.monotonic() < deadline) as is_mine:
        if not is_mine:
            raise HpccError(
                f"another {what} {lock.folder} is going on",
                remedy=f"Wait for it; if there is none, remove {lock}.",
                code=f"{what.partition(' ')[0]}-locked",
            )
        yield
