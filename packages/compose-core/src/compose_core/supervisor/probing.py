"""From what a service's `readiness` says to the probe that asks."""

import re
from typing import Callable, List

from compose_core.supervisor.files import Json
from compose_core.supervisor.readiness import LogProbe, NetworkProbe, Probe, SleepProbe, http_status, tcp_answers
from compose_core.supervisor.rotation import ServiceLogs
from compose_core.supervisor.service import Service
from compose_core.supervisor.surroundings import Surroundings
from compose_core.supervisor.talk import Refused


def check_readiness(services: List[Service], surroundings: Surroundings) -> None:
    """Look at what the probes will need: a wrong pattern or placeholder shows now, not after an hour.

    Raises: Refused: one is wrong.
    """
    for service in services:
        readiness = service.readiness or {}
        for key in ("host", "port", "url"):
            surroundings.filled(str(readiness.get(key, "")))
        try:
            re.compile(readiness.get("pattern", ""))
        except re.error as error:
            raise Refused("the readiness pattern of {} is wrong: {}".format(service.name, error)) from None


def make_probe(
    service: Service,
    readiness: Json,
    now: float,
    surroundings: Surroundings,
    logs: ServiceLogs,
    wake: Callable[[], None],
) -> Probe:
    """The probe that the description asks for."""
    kind, timeout_s = readiness["type"], float(readiness.get("timeout_s") or 60)
    if kind == "sleep":
        return SleepProbe(now, float(readiness["seconds"]))
    if kind == "log":
        return LogProbe(now, timeout_s, readiness["pattern"], logs.follow(service))
    if kind == "tcp":
        host = surroundings.filled(readiness.get("host") or "127.0.0.1")
        port = int(surroundings.filled(str(readiness["port"])))
        return NetworkProbe("tcp {}:{}".format(host, port), now, timeout_s, lambda: tcp_answers(host, port), wake)
    if kind == "http":
        url, wanted = surroundings.filled(readiness["url"]), int(readiness.get("status_code") or 200)
        return NetworkProbe(
            "http {} to be {}".format(url, wanted),
            now,
            timeout_s,
            lambda: http_status(url) == wanted,
            wake,
        )
    raise NotImplementedError("service {}: readiness {} is not known".format(service.name, kind))
