"""The passes in their order: bytes → tree → inheritance → variables → known keys → canonical shapes → types → rules."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from compose_core.errors import Location
from compose_core.spec.findings import Findings
from compose_core.spec.inheritance import SourceTree
from compose_core.spec.interpolation import interpolate, names_referred_to
from compose_core.spec.loaded import LoadedSpec
from compose_core.spec.models import ComposeSpec
from compose_core.spec.nodes import KeyPath, ListNode, MapNode, Node, place_of, walk
from compose_core.spec.program_parts import with_parts
from compose_core.spec.rules import Look, check
from compose_core.spec.shorthand import Shorthand
from compose_core.spec.typing_pass import read_spec
from compose_core.spec.unsupported_keys import drop_unsupported
from compose_core.spec.variables import Variables, read_project_dotenv
from compose_core.spec.yaml_tree import MAX_NODES

_PREPARE = re.compile(r"^x-(?:runtime|enroot)\.prepare")


def load_spec(
    path: Path | str,
    *,
    variables: Mapping[str, str],
    sweep_variables: Mapping[str, str] | None = None,
    strict_env: bool = False,
    project_dir: Path | None = None,
    text: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    defaults: Mapping[str, Any] | None = None,
    tree: MapNode | None = None,
) -> LoadedSpec:
    """The compose file at `path`, checked; or `text`, a program's own spec that shall be called `path` in messages and records.

    Relative paths, `.env` and the job's metadata belong to `project_dir`, which is the file's folder unless it is said
    otherwise. `variables` is the process's environment; `.env` in that folder fills what it lacks, `sweep_variables` win over both and are
    given to every service as variables. With `strict_env` no default may stand in for a variable that is not set.
    `overrides` and `defaults` are parts of a spec of a program's own: the one extends what is written, the other is what it extends.

    `tree` stands for the file as `text` does, put together from `compose_tree` and `tree_of`: each value keeps the place it came from.

    Raises: SpecError: with every problem of the file, those of the files it extends included.
    """
    shown = str(path)
    source = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow a link, and relative paths start from its folder
    folder = source.parent if project_dir is None else Path(os.path.abspath(project_dir))  # noqa: PTH100 - as above
    findings = Findings()
    sources = SourceTree(findings)
    root = tree or (sources.read(source, shown) if text is None else sources.read_text(text, source, shown))
    root = _small_enough(root, findings) if root is not None else None
    root = with_parts(root, overrides=overrides, defaults=defaults, findings=findings) if root is not None else None
    if root is None:
        findings.raise_errors()
        raise AssertionError("a file that cannot be read has a problem")
    dotenv_shown = str((Path(shown).parent if project_dir is None else folder) / ".env")
    dotenv, dotenv_path = read_project_dotenv(folder, dotenv_shown, findings)
    values = Variables(sweep=sweep_variables or {}, environment=variables, dotenv=dotenv)
    references = names_referred_to(root)
    root = drop_unsupported(interpolate(root, values, findings, strict=strict_env), findings)
    findings.hide(values.secrets().values())
    shorthand = Shorthand(source, shown, variables.get("HOME", ""), findings, folder=folder)
    tree = shorthand.expand(root)
    spec = read_spec(tree, findings)
    if spec is not None:
        check(Look(spec, tree, findings, folder, variables.get("HOME", ""), references))
    findings.raise_errors()
    assert spec is not None
    return LoadedSpec(
        spec=_with_sweep_variables(spec, sweep_variables or {}),
        source=source,
        project_dir=folder,
        sources=(*sources.files, *([dotenv_path] if dotenv_path else []), *shorthand.files),
        warnings=findings.in_order(),
        variables_used=dict(values.used),
        secret_values=values.secrets(),
        is_trial=bool(sweep_variables),
        locate=lambda key_path: _locate(tree, key_path),
    )


def _small_enough(root: MapNode, findings: Findings) -> MapNode | None:
    """The tree, when the passes can take it."""
    if sum(1 for _ in islice(walk(root), MAX_NODES + 1)) <= MAX_NODES:
        return root
    message = f"with all that it extends, the file has more than {MAX_NODES} values"
    findings.error("file-too-complex", message, root.mark, remedy="Extend less, or generate several smaller files.")
    return None


def _with_sweep_variables(spec: ComposeSpec, values: Mapping[str, str]) -> ComposeSpec:
    """Every service gets the trial's variables, because shell text is not interpolated."""
    if not values:
        return spec
    services = {
        name: replace(service, environment={**values, **service.environment}) for name, service in spec.services.items()
    }
    return replace(spec, services=services)


def _locate(tree: MapNode, key_path: str) -> Location:
    """The place of a dotted key path; a key that holds dots itself is found too."""
    return replace(place_of(tree, _parts(tree, key_path)), key_path=key_path)


def _parts(tree: Node, key_path: str) -> KeyPath:
    parts: list[str | int] = []
    node: Node | None = tree
    rest = key_path
    while rest and node is not None:
        if isinstance(node, ListNode) and rest.startswith("["):
            index, _, rest = rest[1:].partition("]")
            position = int(index) if index.isdecimal() else len(node.items)
            parts.append(position)
            node = node.items[position] if position < len(node.items) else None
        elif isinstance(node, MapNode):
            rest = _PREPARE.sub("prepare", rest) if "prepare" in node.items else rest
            matches = [key for key in node.items if rest == key or rest.startswith((f"{key}.", f"{key}["))]
            if not matches:
                break
            key = max(matches, key=len)
            parts.append(key)
            node, rest = node.items[key], rest[len(key) :]
        else:
            break
        rest = rest.removeprefix(".")
    return tuple(parts)
