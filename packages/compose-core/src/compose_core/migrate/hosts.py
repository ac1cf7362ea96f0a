"""Names of services where a host is meant: on one node they are all 127.0.0.1."""

from __future__ import annotations

import re
from collections.abc import Iterable

HERE = "127.0.0.1"

_HOST_VARIABLE = re.compile(
    r"HOST|ADDR|SERVER|BROKER|NODES?\b|NODES?_|ENDPOINT|UPSTREAM|BOOTSTRAP|MASTER|URL|URI|DSN", re.IGNORECASE
)
_PORT = r":(?:80|[0-9]{3,5})(?![0-9])"
"""Shorter numbers are rather the tag of an image: `redis:7`."""


class HostNames:
    """The names by which the services of a file find each other."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(names)
        anyone = "|".join(sorted(map(re.escape, self._names), key=len, reverse=True)) or "(?!)"
        self._in_text = re.compile(
            rf"(?<=//)(?:{anyone})(?=[:/?#]|$)(?![^/\s]*@)"  # http://web/…, but not the user in amqp://web:secret@mq
            rf"|(?<=@)(?:{anyone})(?=[:/,?]|$)"
            rf"|(?<![\w.@/:-])(?:{anyone})(?={_PORT})"
        )

    def rewritten(self, text: str) -> str:
        """The text with 127.0.0.1 where a URL or `host:port` names a service."""
        return self._in_text.sub(HERE, text)

    def variable(self, name: str, value: str) -> str:
        """The value of a variable; one that is nothing but the name is a host when the variable's name says so."""
        if _HOST_VARIABLE.search(name):
            parts = [HERE if part.strip() in self._names else part for part in value.split(",")]
            value = ",".join(parts)
        return self.rewritten(value)

    def is_named(self, value: str) -> bool:
        """The value is the name of a service, which may be meant as a host."""
        return value in self._names
