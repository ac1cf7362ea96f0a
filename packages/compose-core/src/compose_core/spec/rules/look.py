"""What a rule looks at: the typed spec, the tree it came from, and what is already known to be wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from compose_core.errors import Location, Problem
from compose_core.spec.findings import Findings
from compose_core.spec.models import ComposeSpec, Service
from compose_core.spec.nodes import BrokenNode, MapNode, child_of, node_at, path_text, place_of

Rule = Callable[["Look"], Iterator[Problem]]


@dataclass(frozen=True)
class Look:
    """One spec under inspection."""

    spec: ComposeSpec
    tree: MapNode
    findings: Findings
    project_dir: Path
    home: str = ""
    references: frozenset[str] = field(default_factory=frozenset)
    """Names that occur as variables or in shell text, before anything was filled in."""

    def error(self, code: str, message: str, path: tuple[str | int, ...], remedy: str = "") -> Problem:
        """An error at this key path."""
        return Problem(code=code, message=message, where=self.place(path), remedy=remedy)

    def warning(self, code: str, message: str, path: tuple[str | int, ...], remedy: str = "") -> Problem:
        """A warning at this key path."""
        return Problem(code=code, message=message, where=self.place(path), remedy=remedy, severity="warning")

    def place(self, path: tuple[str | int, ...]) -> Location:
        """Where the key path is written."""
        return place_of(self.tree, path)

    def has(self, *path: str | int) -> bool:
        """The key is written, with a sound value or not."""
        above = node_at(self.tree, path[:-1])
        return child_of(above, path[-1]) is not None

    def is_sound(self, *path: str | int) -> bool:
        """Nothing is known to be wrong at or below the key: its absence or value may be judged."""
        prefix = path_text(path)
        if isinstance(node_at(self.tree, path), BrokenNode):
            return False
        return not any(
            place == prefix or place.startswith((f"{prefix}.", f"{prefix}[")) for place in self._wrong_places
        )

    @cached_property
    def _wrong_places(self) -> frozenset[str]:
        return self.findings.error_places()

    @cached_property
    def service_names(self) -> tuple[str, ...]:
        """Every service of the file, also one that could not be read."""
        services = self.tree.items.get("services")
        return tuple(services.items) if isinstance(services, MapNode) else ()

    def known_services(self) -> str:
        """The services of the file, the first of many, for a remedy."""
        more = f" and {len(self.service_names) - 10} more" if len(self.service_names) > 10 else ""
        return f"Services of the file: {', '.join(self.service_names[:10])}{more}."

    @property
    def nodes(self) -> int:
        """Nodes of the allocation."""
        return self.spec.x_slurm.nodes or 1

    def is_distributed(self, service: Service) -> bool:
        """The service spans the whole allocation of several nodes."""
        if self.nodes == 1:
            return False
        return service.x_slurm.nodes == self.nodes or (service.x_slurm.nodes is None and len(self.service_names) == 1)
