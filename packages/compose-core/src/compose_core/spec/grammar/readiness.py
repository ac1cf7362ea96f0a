"""How to tell that a service is ready: `readiness`, and Docker's `healthcheck`."""

from __future__ import annotations

from typing import Any

from compose_core.spec import models
from compose_core.spec.completion import finish_log_readiness
from compose_core.spec.findings import Findings
from compose_core.spec.grammar.values import COUNT
from compose_core.spec.kinds import HOLDS_VARIABLE, Choice, Entry, Flag, Integer, JsonSchema, Section, Text, Typed
from compose_core.spec.nodes import KeyPath, Node, ScalarNode

PORT_REFERENCE = r"@\{[A-Za-z0-9_.-]+\.port\.[A-Za-z0-9_-]+\}"

_TIMEOUT = Entry(COUNT, "Seconds until the service counts as failed.", default=60)


class _Port:
    """A port number, or the name of a port that is picked at start."""

    def read(self, node: Node, path: KeyPath, findings: Findings) -> Any:
        """A number, or the text of the reference."""
        if isinstance(node, ScalarNode) and node.text.startswith("@{"):
            return Text("a port number or @{service.port.name}", PORT_REFERENCE, example="@{web.port.http}").read(
                node, path, findings
            )
        return Integer(1, 65535).read(node, path, findings)

    def schema(self) -> JsonSchema:
        """Both forms."""
        return {
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": 65535},
                HOLDS_VARIABLE,
                {"type": "string", "pattern": f"^{PORT_REFERENCE}$"},
            ]
        }


READINESS = Typed(
    {
        "sleep": Section(
            "readiness-sleep",
            models.SleepReadiness,
            {
                "type": Entry(Choice(("sleep",)), "A fixed wait.", required=True),
                "seconds": Entry(COUNT, "How long to wait.", required=True),
            },
        ),
        "tcp": Section(
            "readiness-tcp",
            models.TcpReadiness,
            {
                "type": Entry(Choice(("tcp",)), "Ready when the port accepts a connection.", required=True),
                "host": Entry(
                    Text(
                        "a host",
                        r"[A-Za-z0-9_.:\[\]][A-Za-z0-9_.:\[\]-]*|@\{[A-Za-z0-9_.-]+\.host\}",
                        example="127.0.0.1",
                    ),
                    "Host to connect to.",
                    default="127.0.0.1",
                ),
                "port": Entry(_Port(), "Port to connect to.", required=True, example=6379),
                "timeout_seconds": _TIMEOUT,
            },
        ),
        "log": Section(
            "readiness-log",
            models.LogReadiness,
            {
                "type": Entry(Choice(("log",)), "Ready when a line of the log matches.", required=True),
                "pattern": Entry(
                    Text("a regular expression", example="Server started"),
                    "Regular expression, searched in each line.",
                    required=True,
                ),
                "timeout_seconds": _TIMEOUT,
            },
            finish=finish_log_readiness,
        ),
        "http": Section(
            "readiness-http",
            models.HttpReadiness,
            {
                "type": Entry(Choice(("http",)), "Ready when the URL answers.", required=True),
                "url": Entry(
                    Text("an http or https URL", r"https?://[^\s/?#][^\s]*", example="http://127.0.0.1:8080/health"),
                    "URL to ask.",
                    required=True,
                ),
                "status_code": Entry(Integer(100, 599), "The status that means ready.", default=200),
                "timeout_seconds": _TIMEOUT,
            },
        ),
    }
)

HEALTHCHECK = Section(
    "healthcheck",
    dict,
    {
        "test": Entry(
            Text(),
            "`nc -z`, `curl` or `wget --spider` probe.",
            shorthand=({"type": "array"},),
            example=["CMD", "nc", "-z", "127.0.0.1", "6379"],
        ),
        "timeout": Entry(
            Text(), "Seconds, or a duration such as 30s, until the service counts as failed.", example="30s"
        ),
        "disable": Entry(Flag(), "No readiness for this service."),
    },
)
