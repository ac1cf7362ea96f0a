"""Values as bash and sbatch read them back, byte for byte: no value ever becomes syntax."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable

from compose_core.errors import HpccError
from compose_core.plan.model import Directive, Literally, Text

_VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CONTROL = re.compile("[\x00-\x1f\x7f\x85\u2028\u2029]")


def quote(text: Text) -> str:
    """One bash word: fixed parts single-quoted where needed, variables as `"${NAME-}"`."""
    if not text:
        return "''"
    joined = "".join(
        shlex.quote(part.text) if isinstance(part, Literally) else _variable(part.name)
        for part in text
        if part != Literally("")
    )
    return joined or "''"


def quote_all(texts: Iterable[Text]) -> str:
    """Several bash words on one line."""
    return " ".join(quote(text) for text in texts)


def quote_plain(value: str) -> str:
    """A fixed value as one bash word."""
    return shlex.quote(value)


def comment(value: str) -> str:
    """A value inside a bash comment: control characters cannot end the line."""
    return _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", value)


def sbatch_directive(directive: Directive) -> str:
    """The part after `#SBATCH`: sbatch splits it like a shell, expands nothing, and takes a backslash away even inside quotes.

    Raises: HpccError: the value holds a control character, which would start a new directive.  Source: sbatch(1).
    """
    if directive.raw is not None:
        return _one_line(directive.raw, directive.option)
    if directive.value is None:
        return directive.option
    quoted = shlex.quote(_one_line(directive.value, directive.option))
    return f"{directive.option}={quoted}".replace("\\", "\\\\")


def _variable(name: str) -> str:
    if not _VARIABLE_NAME.fullmatch(name):
        raise HpccError(f"{name!r} is not the name of an environment variable")
    return f'"${{{name}-}}"'


def _one_line(value: str, option: str) -> str:
    if _CONTROL.search(value):
        raise HpccError(
            f"the value of {option} holds a control character, which would start a new #SBATCH line",
            remedy="Write the value on one line, without tabs or other control characters.",
        )
    return value
