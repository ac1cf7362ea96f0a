"""Programs for the nodes: written as modules, put together to one text that travels inside the job script."""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Iterator, Sequence
from functools import cache
from importlib import resources

_QUOTES = '"""'
_OWN_IMPORT = re.compile(r"^from compose_core\..*? import (?:\([^)]*\)|.*)$", re.MULTILINE)
_HEAD_LINES = ("import ", "from ", "    ", ")")


@cache
def put_together(heading: str, *modules: str) -> str:
    """The modules as one, in this order, which is that of their imports from each other.

    The imports of all of them stand on top, once; each needs nothing of compose_core but the modules before it.
    """
    parts = {module: _lines(module) for module in modules}
    imports = sorted({line for part in parts.values() for line in _outside_imports(part)}, key=_import_order)
    bodies = (f"# {'-' * (100 - len(name))} {name}\n\n\n{_body(parts[module])}" for module, name in _names(modules))
    return f'"""{heading}"""\n\n' + "\n".join(imports) + "\n\n" + "\n\n".join(bodies)


@cache
def sha256_of(source: str) -> str:
    """The SHA-256 of a program in UTF-8, in hexadecimal."""
    return hashlib.sha256(source.encode()).hexdigest()


def _names(modules: Sequence[str]) -> Iterator[tuple[str, str]]:
    return ((module, module.rpartition(".")[2]) for module in modules)


def _lines(module: str) -> list[str]:
    package, _, name = module.rpartition(".")
    return resources.files(package).joinpath(f"{name}.py").read_text("utf-8").split("\n")


def _outside_imports(part: list[str]) -> Iterator[str]:
    """One line for each name that a part takes from the standard library; the other imports are most of them, and not parsed."""
    for node in ast.parse(_OWN_IMPORT.sub("", "\n".join(part[: _head_length(part)]))).body:
        if isinstance(node, ast.Import):
            yield from (f"import {name.name}" for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"from {node.module} import {name.name}" for name in node.names)


def _body(part: list[str]) -> str:
    """The part without its docstring and imports, which stand on top."""
    return "\n".join(part[_head_length(part) :]).strip("\n") + "\n"


def _head_length(part: list[str]) -> int:
    """How many lines hold nothing but the docstring and the imports. Reading all as Python would slow down `render`."""
    docstring = (
        1 if part[0].count(_QUOTES) == 2 else 1 + next(n for n, line in enumerate(part) if n and _QUOTES in line)
    )
    lines = enumerate(part[docstring:], docstring)
    return next(number for number, line in lines if line and not line.startswith(_HEAD_LINES))


def _import_order(line: str) -> tuple[bool, str]:
    return line.startswith("from "), line
