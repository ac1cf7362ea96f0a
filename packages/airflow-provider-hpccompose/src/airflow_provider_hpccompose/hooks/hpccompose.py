"""`HpcComposeHook`: from a connection of type `hpccompose` to the door of its cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseHook

from airflow_provider_hpccompose.core_errors import told_to_airflow
from airflow_provider_hpccompose.doors import (
    ArtifactReport,
    CallingDoor,
    Door,
    JobHandle,
    JobReport,
    LocalDoor,
    LogChunk,
    SubmitRequest,
)
from airflow_provider_hpccompose.exceptions import HpcComposeConnectionError, HpcComposeError
from airflow_provider_hpccompose.settings import CONN_TYPE, DEFAULT_CONN_ID, ConnectionSettings, variable_of

if TYPE_CHECKING:
    from collections.abc import Callable


class HpcComposeHook(BaseHook):
    """Jobs of one cluster: this machine's own (transport `local`) or those of a login node (transport `ssh`).

    Every method also goes by the names of `Door`; `get_door` and `aget_door` give the door itself, whose errors are those of
    `compose_core`, while the hook's methods raise the provider's exceptions.
    """

    conn_name_attr = "hpccompose_conn_id"
    default_conn_name = DEFAULT_CONN_ID
    conn_type = CONN_TYPE
    hook_name = "HPC Compose (Slurm)"

    def __init__(
        self,
        hpccompose_conn_id: str = DEFAULT_CONN_ID,
        *,
        transport: str | None = None,
        cluster: str | None = None,
        door: Door | None = None,
    ) -> None:
        """A hook of this connection; `transport` and `cluster` win over what it says, `door` stands for it altogether."""
        super().__init__()
        self.hpccompose_conn_id = hpccompose_conn_id
        self._asked: dict[str, Any] = {
            name: value for name, value in {"transport": transport, "cluster": cluster}.items() if value
        }
        self._door = door
        self._settings = ConnectionSettings(conn_id=hpccompose_conn_id) if door is not None else None

    @property
    def settings(self) -> ConnectionSettings:
        """What the connection says.

        Raises: HpcComposeConnectionError: there is no such connection, or something in it is wrong.
        """
        if self._settings is None:
            self._settings = self._checked(_found(self.hpccompose_conn_id, self.get_connection))
        return self._settings

    def get_conn(self) -> Door:
        """The door, by the name that Airflow's hooks have for such things."""
        return self.get_door()

    def get_door(self) -> Door:
        """The door of the cluster, made once.

        Raises: HpcComposeConnectionError: the connection is missing or wrong.
        """
        if self._door is None:
            settings = self.settings
            named = settings.login_connection
            self._door = door_of(settings, _found(named, self.get_connection, "ssh") if named else None)
        return self._door

    async def aget_door(self) -> Door:
        """The same in a trigger, where no synchronous call to Airflow may be made.

        Raises: HpcComposeConnectionError: the connection is missing or wrong.
        """
        if self._door is None:
            if self._settings is None:
                self._settings = self._checked(await _afound(self.hpccompose_conn_id))
            named = self._settings.login_connection
            self._door = door_of(self._settings, await _afound(named, "ssh") if named else None)
        return self._door

    def submit(self, request: SubmitRequest) -> JobHandle:
        """The one job of the request's key: submitted, or found."""
        with told_to_airflow():
            return self.get_door().submit(request)

    def find(self, keys: Sequence[str]) -> dict[str, JobHandle]:
        """The jobs of those keys that have one."""
        with told_to_airflow():
            return self.get_door().find(keys)

    def observe(self, handles: Sequence[JobHandle]) -> list[JobReport]:
        """How these jobs are; one queue query for all."""
        with told_to_airflow():
            return self.get_door().observe(handles)

    def cancel(self, handle: JobHandle, *, wait_s: float = 20.0) -> JobReport:
        """The job of that token is asked to end."""
        with told_to_airflow():
            return self.get_door().cancel(handle, wait_s=wait_s)

    def logs(
        self,
        handle: JobHandle,
        offsets: Mapping[str, int] | None = None,
        budget: int = 65536,
        *,
        services: Sequence[str] | None = None,
        is_last: bool = False,
    ) -> LogChunk:
        """What its services wrote since those offsets."""
        with told_to_airflow():
            return self.get_door().logs(handle, offsets or {}, budget, services=services, is_last=is_last)

    def export_artifacts(
        self, handle: JobHandle, *, bundles: Sequence[str] = (), dest: str | None = None, checksum: bool = True
    ) -> ArtifactReport:
        """Its artifacts at their place."""
        with told_to_airflow():
            return self.get_door().export_artifacts(handle, bundles=bundles, dest=dest, checksum=checksum)

    def test_connection(self) -> tuple[bool, str]:
        """Can jobs run there, and what is there."""
        try:
            is_good, text = self.get_door().check()
        except HpcComposeError as error:
            return False, str(error)
        return is_good, ("; " if is_good else "\n").join(
            [text, *(f"note: {note}" for note in self.settings.not_heeded)]
        )

    def _checked(self, connection: Any) -> ConnectionSettings:
        settings = replace(ConnectionSettings.of(connection), **self._asked)
        for note in settings.not_heeded:
            self.log.warning("Connection %r: %s.", settings.conn_id, note)
        return settings


def door_of(settings: ConnectionSettings, ssh_connection: Any = None) -> Door:
    """The door that the settings describe; nothing is connected yet.

    Raises: HpcComposeConnectionError: they describe none.
    """
    if settings.transport == "ssh":
        from airflow_provider_hpccompose.ssh_door import ssh_door

        door: CallingDoor = ssh_door(settings, ssh_connection)
    else:
        door = LocalDoor(
            Path(settings.workspace),
            engine=settings.engine,
            conn_id=settings.conn_id,
            cluster=settings.cluster,
            dashboard=settings.dashboard,
        )
    door.described_by = (settings, _ssh_fields(ssh_connection))
    return door


def _ssh_fields(connection: Any) -> tuple[Any, ...]:
    """What decides where an `ssh` connection leads, and by which keys."""
    return tuple(getattr(connection, name, None) for name in ("host", "port", "login", "extra"))


def _found(conn_id: str, get: Callable[[str], Any], conn_type: str = CONN_TYPE) -> Any:
    try:
        return get(conn_id)
    except Exception as error:
        raise _missing(conn_id, conn_type, error) from error


async def _afound(conn_id: str, conn_type: str = CONN_TYPE) -> Any:
    from airflow.providers.common.compat.connection import get_async_connection

    try:
        if _answers_in_turn_only():
            return await asyncio.to_thread(HpcComposeHook.get_connection, conn_id)
        return await get_async_connection(conn_id)
    except Exception as error:
        raise _missing(conn_id, conn_type, error) from error


def _answers_in_turn_only() -> bool:
    """A trigger that `dag.test()` or `airflow dags test` runs in its own process, where Airflow 3.3 answers nothing asked asynchronously.

    Every connection of Airflow's database would seem to be missing there.
    """
    from airflow.sdk.execution_time import task_runner

    supervisor = getattr(task_runner, "SUPERVISOR_COMMS", None)
    return supervisor is not None and not hasattr(supervisor, "asend")


def _missing(conn_id: str, conn_type: str, error: Exception) -> Exception:
    """A missing connection is a fault of the setup, anything else (no API server) may pass."""
    from airflow.providers.common.compat.sdk import AirflowNotFoundException

    if not isinstance(error, AirflowNotFoundException):
        return error
    variable = variable_of(conn_id)
    if variable:  # Airflow goes on as if it were not there
        return HpcComposeConnectionError(
            f"Connection {conn_id!r}: Airflow cannot read the variable {variable}; it is a URI (`{conn_type}://user@host:22/?…`, "
            "values quoted as in addresses) or a JSON object with conn_type, host, login, port and extra."
        )
    return HpcComposeConnectionError(
        f"There is no connection {conn_id!r}: add one of type {conn_type!r} under Admin → Connections, or with "
        f"`airflow connections add {conn_id} --conn-type {conn_type}`."
    )
