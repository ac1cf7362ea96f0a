"""Which project folder a key of the door was submitted from."""

from __future__ import annotations

from pydantic import Field

from compose_core.records.format import Format


class DoorKey(Format):
    """`door-keys/<key>.json` in the workspace."""

    key: str
    project_dir: str
    labels: dict[str, str] = Field(default_factory=dict)
    created_at: float
