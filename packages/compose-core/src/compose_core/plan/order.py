"""The order in which services are launched."""

from __future__ import annotations

from collections.abc import Collection, Mapping


def launch_order(dependencies: Mapping[str, Collection[str]]) -> tuple[str, ...]:
    """Every service after all it depends on; apart from that in the order of the file.

    Raises: ValueError: the dependencies form a circle, or name a service that is not there.
    """
    order: list[str] = []
    placed: set[str] = set()
    waiting = list(dependencies)
    while waiting:
        ready = next((name for name in waiting if placed.issuperset(dependencies[name])), None)
        if ready is None:
            raise ValueError(f"no launch order: {', '.join(waiting)} wait for each other")
        waiting.remove(ready)
        placed.add(ready)
        order.append(ready)
    return tuple(order)
