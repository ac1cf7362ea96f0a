"""What a view is fed with."""

from __future__ import annotations

from typing import Protocol

from compose_core.watch.model import Model
from compose_core.watch.update import Event


class Feed(Protocol):
    """Where events come from: a running job, or the records of one that is over."""

    def start(self) -> None:
        """Begin to look."""
        ...

    def heed(self, model: Model) -> None:
        """What the person looks at now; never blocks."""
        ...

    def events(self) -> list[Event]:
        """What came since the last call; never blocks.

        Raises: whatever ended the looking for good.
        """
        ...

    def stop(self) -> None:
        """Look no more; never blocks for long."""
        ...
