"""Services that extend another one of the same file, with what they inherit."""

from __future__ import annotations

from compose_core.migrate.nodes import map_of, text_of
from compose_core.migrate.notes import Notes
from compose_core.spec.findings import Findings
from compose_core.spec.inheritance import merged
from compose_core.spec.nodes import MapNode, Node, without


def with_inherited(services: MapNode, notes: Notes) -> MapNode:
    """The services, those that extend one of them merged with it; what extends another file stays as it is."""
    items = {
        name: _whole(name, services, notes, (name,)) if isinstance(node, MapNode) else node
        for name, node in services.items.items()
    }
    return services._replace(items=items)


def _whole(name: str, services: MapNode, notes: Notes, above: tuple[str, ...]) -> Node:
    """`above` are the services from which we came here, this one last."""
    own = services.items[name]
    if not isinstance(own, MapNode) or "extends" not in own.items:
        return own
    reference, path = own.items["extends"], ("services", name, "extends")
    fields = map_of(reference)
    if fields is not None and "file" in fields.items:
        return own
    other = text_of(fields.items.get("service") if fields is not None else reference)
    own = without(own, "extends")
    if other is None or not isinstance(services.items.get(other), MapNode):
        notes.manual(reference.mark, path, f"there is no service {other or ''}".rstrip())
        return own
    if other in above:
        notes.manual(reference.mark, path, f"the services extend each other in a circle: {' → '.join((*above, other))}")
        return own
    base = _whole(other, services, notes, (*above, other))
    assert isinstance(base, MapNode)
    notes.converted(reference.mark, path, f"what {other} says is taken over")
    return merged(base, own, ("services", name), Findings())
