"""The door to a login node."""

from __future__ import annotations

from typing import Any

from airflow_provider_hpccompose.doors import Door
from airflow_provider_hpccompose.settings import ConnectionSettings


def ssh_door(settings: ConnectionSettings, connection: Any) -> Door:
    """The door."""
    raise NotImplementedError
