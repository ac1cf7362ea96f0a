"""The door of a connection, for those who are asked synchronously."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_hpccompose.doors import Door


def open_door(conn_id: str) -> Door:
    """The way to the jobs of this connection.

    Raises: AirflowNotFoundException: there is no such connection.
    """
    from importlib import import_module

    hooks = import_module("airflow_provider_hpccompose.hooks.hpccompose")
    door: Door = hooks.HpcComposeHook(conn_id).get_door()
    return door
