"""How one can tell that a service is ready; a `healthcheck` ends up here too."""

from __future__ import annotations

from typing import Literal

from compose_core.frozen import Frozen


class SleepReadiness(Frozen, kw_only=True):
    """Ready after a fixed time."""

    seconds: int
    type: Literal["sleep"] = "sleep"

    @property
    def timeout_seconds(self) -> int:
        """The wait itself: it cannot time out before."""
        return self.seconds


class TcpReadiness(Frozen, kw_only=True):
    """Ready when the port accepts a connection."""

    port: int | str
    """A number, or `@{service.port.name}` which is known when the service starts."""
    host: str = "127.0.0.1"
    timeout_seconds: int = 60
    type: Literal["tcp"] = "tcp"


class LogReadiness(Frozen, kw_only=True):
    """Ready when a line of the service's output matches."""

    pattern: str
    """A regular expression, searched in each line."""
    timeout_seconds: int = 60
    type: Literal["log"] = "log"


class HttpReadiness(Frozen, kw_only=True):
    """Ready when the URL answers with the expected status."""

    url: str
    status_code: int = 200
    timeout_seconds: int = 60
    type: Literal["http"] = "http"


Readiness = SleepReadiness | TcpReadiness | LogReadiness | HttpReadiness
