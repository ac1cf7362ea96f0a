"""The program that runs a job on its batch host: starts its services, watches them, ends them, writes down what happened.

It is written as modules and travels inside the job script as one text, so it needs nothing but a Python of 3.6 or
newer. One thread waits in one `select` for children, signals and timers; only readiness checks over the network run
in threads, because a name lookup may block. The script calls `main`; a service is started by running the script again
with `step:NAME`.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from importlib import resources

PARTS = (
    "talk",
    "files",
    "attempts",
    "claim",
    "policy",
    "readiness",
    "artifacts",
    "host",
    "allocation",
    "service",
    "distributed",
    "record",
    "steps",
    "secrets",
    "hooks",
    "assertions",
    "notices",
    "budget",
    "early",
    "ending",
    "supervise",
    "start",
)
"""The modules, each importing only from those before it."""

_HEAD_LINES = ('"""', "import ", "from ", "    ", ")")
_HEADING = """The hpc-compose supervisor: starts the services of a job, watches them, ends them, writes down what happened.

Put together from the modules of `compose_core.supervisor`, which a reader may find easier to read.
"""


@cache
def source() -> str:
    """The supervisor as one module, the same in every job of a release."""
    parts = {name: resources.files(__name__).joinpath(f"{name}.py").read_text("utf-8").split("\n") for name in PARTS}
    imports = sorted({line for part in parts.values() for line in _outside_imports(part)}, key=_import_order)
    bodies = (f"# {'-' * (100 - len(name))} {name}\n\n\n{_body(part)}" for name, part in parts.items())
    return f'"""{_HEADING}"""\n\n' + "\n".join(imports) + "\n\n" + "\n\n".join(bodies)


@cache
def sha256() -> str:
    """The SHA-256 of `source()` in UTF-8, in hexadecimal."""
    return hashlib.sha256(source().encode()).hexdigest()


def _outside_imports(part: list[str]) -> Iterator[str]:
    """One line for each name that a part takes from the standard library."""
    for node in ast.parse("\n".join(part[: _head_length(part)])).body:
        if isinstance(node, ast.Import):
            yield from (f"import {name.name}" for name in node.names)
        elif isinstance(node, ast.ImportFrom) and not str(node.module).startswith(__name__):
            yield from (f"from {node.module} import {name.name}" for name in node.names)


def _body(part: list[str]) -> str:
    """The part without its docstring and imports, which stand on top."""
    return "\n".join(part[_head_length(part) :]).strip("\n") + "\n"


def _head_length(part: list[str]) -> int:
    """How many lines hold nothing but the docstring and the imports. Reading all as Python would slow down `render`."""
    return next(number for number, line in enumerate(part) if line and not line.startswith(_HEAD_LINES))


def _import_order(line: str) -> tuple[bool, str]:
    return line.startswith("from "), line
