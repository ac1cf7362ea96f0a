"""Where a service of the workflow can be reached, read from its job's own record."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from compose_core import JobSnapshot

_RUNNING = frozenset({"running", "ready"})


@dataclass(frozen=True)
class Endpoint:
    """Host and ports of one service."""

    host: str
    ports: Mapping[str, int]
    """By name; the first is the one that HPCC_<NAME>_PORT and _URL mean."""

    @property
    def text(self) -> str:
        """For people: `node3:40123`."""
        return f"{self.host}:{next(iter(self.ports.values()))}"

    def variables(self, name: str) -> dict[str, str]:
        """What jobs find in their environment: `HPCC_VLLM_URL=http://node3:40123` and so on."""
        prefix = f"HPCC_{variable_part(name)}"
        found = {f"{prefix}_HOST": self.host, f"{prefix}_PORT": str(next(iter(self.ports.values())))}
        found[f"{prefix}_URL"] = f"http://{self.text}"
        for port, number in self.ports.items():
            found[f"{prefix}_PORT_{variable_part(port)}"] = str(number)
        return found


def variable_part(name: str) -> str:
    """`my-model` → `MY_MODEL`."""
    return re.sub(r"[^A-Z0-9_]", "_", name.upper())


def is_ready(snapshot: JobSnapshot) -> bool:
    """All services of the job are up: those that say when they are ready have said so."""
    states = [one.state for one in snapshot.services]
    return bool(states) and all(
        state is not None
        and (
            state.completed_successfully is True
            or (state.status in _RUNNING and (state.healthy is True or not state.readiness_configured))
        )
        for state in states
    )


def endpoint_of(snapshot: JobSnapshot, service: str, fallback_ports: Mapping[str, int]) -> Endpoint | None:
    """The endpoint of this service, or of the first with a port; literal ports are known from the compose file alone."""
    found = {
        one.name: dict(one.state.ports) or ({"main": fallback_ports[one.name]} if one.name in fallback_ports else {})
        for one in snapshot.services
        if one.state is not None
    }
    name = service if found.get(service) else next((name for name, ports in found.items() if ports), "")
    if not name:
        return None
    state = next(one.state for one in snapshot.services if one.name == name)
    is_local = snapshot.record.backend == "local"
    host = "127.0.0.1" if is_local else (state.host if state is not None and state.host else snapshot.nodelist)
    return Endpoint(host=host, ports=found[name]) if host else None
