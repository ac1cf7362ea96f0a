"""What is known of one file of the image cache; written last, so a file without it was never finished."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from compose_core.records.format import Format


class PrepareRecord(BaseModel):
    """How the image was customised; of the variables only the names, because values may be secret."""

    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)

    commands: tuple[str, ...]
    mounts: tuple[str, ...] = ()
    env_names: tuple[str, ...] = ()
    root: bool = True


class CachedImage(Format):
    """`<image file>.json`."""

    kind: Literal["base", "prepared"]
    key: str
    """16 hexadecimal digits over everything that the content depends on."""
    tool: Literal["enroot", "apptainer"]
    source_image: str
    """As the compose file names it, with its scheme."""
    services: tuple[str, ...] = ()
    """Those of the run that made it."""
    base_key: str | None = None
    """Of a prepared image: the cached image that it was built on; None: a local file."""
    prepare: PrepareRecord | None = None
    size_bytes: int
    sha256: str
    modified_at: int | None = None
    """The image file's own time in whole seconds, so that a record is never taken for one of another file of that size."""
    created_at: float
    took_s: float = 0.0
    host: str = ""
    tool_version: str = ""
    """The release that made it; it is no part of the key."""
