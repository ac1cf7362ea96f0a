"""Pass 6: the canonical tree to typed values; every value that does not fit is reported with what was found and what is allowed."""

from __future__ import annotations

from compose_core.spec.findings import Findings
from compose_core.spec.grammar import COMPOSE
from compose_core.spec.kinds import INVALID
from compose_core.spec.models import ComposeSpec
from compose_core.spec.nodes import MapNode


def read_spec(tree: MapNode, findings: Findings) -> ComposeSpec | None:
    """The spec as far as its values are sound; None when there is no service to speak of."""
    spec = COMPOSE.read(tree, (), findings)
    if spec is INVALID:
        return None
    assert isinstance(spec, ComposeSpec)
    return spec
