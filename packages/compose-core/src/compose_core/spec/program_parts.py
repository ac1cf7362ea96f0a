"""Parts of a spec that a program adds to what a person wrote: a DAG's overrides, a site's defaults."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from compose_core.errors import HpccError, UsageError
from compose_core.spec.findings import Findings
from compose_core.spec.inheritance import merged
from compose_core.spec.nodes import MapNode
from compose_core.spec.yaml_tree import read_yaml


def with_parts(
    root: MapNode, *, overrides: Mapping[str, Any] | None, defaults: Mapping[str, Any] | None, findings: Findings
) -> MapNode | None:
    """`root` with both, merged as `extends` does; None when one of them is no part of a spec, which was reported.

    Problems in them are placed in a file of the part's name, one key a line.

    Raises: UsageError: one holds what JSON cannot spell.
    """
    if defaults:
        below = _tree(defaults, "defaults", findings)
        if below is None:
            return None
        root = merged(below, root, (), findings)
    if overrides:
        above = _tree(overrides, "overrides", findings)
        if above is None:
            return None
        root = merged(root, above, (), findings)
    return root


def _tree(part: Mapping[str, Any], name: str, findings: Findings) -> MapNode | None:
    return read_yaml(part_text(part, name).encode(errors="surrogatepass"), name, findings)


def part_text(part: Mapping[str, Any], name: str) -> str:
    """The part as YAML.

    Raises: UsageError: it holds what JSON cannot spell.
    """
    try:
        return json.dumps(part, indent=1, allow_nan=False, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise _unspeakable(name, error) from error


def _unspeakable(name: str, error: Exception) -> HpccError:
    return UsageError(
        f"{name} cannot be a spec: {error}", remedy="Use mappings, lists, text, numbers and booleans only."
    )
