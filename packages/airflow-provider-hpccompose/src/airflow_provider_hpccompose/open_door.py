"""The door of a connection, for those who are asked synchronously."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_hpccompose.doors import Door


def open_door(conn_id: str) -> Door:
    """The way to the jobs of this connection.

    Raises: HpcComposeConnectionError: the connection is missing or wrong.
    """
    from airflow_provider_hpccompose.hooks.hpccompose import HpcComposeHook

    return HpcComposeHook(conn_id).get_door()
