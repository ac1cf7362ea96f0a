"""The door to a login node: the verbs of `hpcc door` there, over one shared OpenSSH connection."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_hpccompose.dashboards import Dashboard
from airflow_provider_hpccompose.doors import CallingDoor, JobHandle, SubmitRequest, without_airflow
from airflow_provider_hpccompose.exceptions import HpcComposeConnectionError
from airflow_provider_hpccompose.settings import ConnectionSettings
from airflow_provider_hpccompose.staging import send_inputs, with_local_places
from airflow_provider_hpccompose.sweep_doors import SweepHandle, SweepRequest, SweepTable

if TYPE_CHECKING:
    from compose_core import KeyTexts, OpenSshTarget, RemoteDoor


class SshDoor(CallingDoor):
    """Jobs of another machine. A compose file and what it names are sent first, into a folder named after their content."""

    def __init__(
        self, remote: RemoteDoor, *, conn_id: str = "", cluster: str = "", dashboard: Dashboard | None = None
    ) -> None:
        self.conn_id = conn_id
        self.cluster = cluster
        self.dashboard = dashboard or Dashboard()
        self._remote = remote

    def call(self, verb: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Raises: SchedulerUnreachable, EnvironmentProblem: the machine cannot be used.  HpccError: as the verb says."""
        return self._remote.call(verb, arguments)

    def submit(self, request: SubmitRequest) -> JobHandle:
        """The one job of the request's key, its files sent before.

        Raises: SpecError: the compose file is wrong; places are those of the file here.
        """
        if request.compose_file is None or not request.stage:
            return super().submit(request)
        sent = send_inputs(self, Path(request.compose_file), folder=request.labels.get("dag_id", "staged"))
        with with_local_places(sent):
            return super().submit(replace(request, compose_file=sent.remote_file))

    def submit_sweep(self, request: SweepRequest) -> SweepHandle:
        """The one sweep of the request's key, its files sent before.

        Raises: SpecError: the compose file is wrong; places are those of the file here.
        """
        if request.compose_file is None or not request.stage:
            return super().submit_sweep(request)
        sent = send_inputs(self, Path(request.compose_file), folder=request.labels.get("dag_id", "staged"))
        with with_local_places(sent):
            return super().submit_sweep(replace(request, compose_file=sent.remote_file))

    def rank_trials(
        self,
        request: SweepRequest,
        jobs: Mapping[str, JobHandle],
        *,
        sweep_id: str,
        dest: str | None = None,
        top: int = 50,
    ) -> SweepTable:
        """The ranking by the objective of a compose file that is sent before."""
        if request.compose_file is not None and request.stage:
            sent = send_inputs(self, Path(request.compose_file), folder=request.labels.get("dag_id", "staged"))
            request = replace(request, compose_file=sent.remote_file)
        return super().rank_trials(request, jobs, sweep_id=sweep_id, dest=dest, top=top)


def ssh_door(settings: ConnectionSettings, connection: Any = None) -> SshDoor:
    """The door that the settings describe; `connection` is an Airflow connection of type `ssh`, whose host and keys are used.

    Raises: HpcComposeConnectionError: no host is named, or the keys cannot be used.
    """
    from compose_core import HostRunner, HpccError, KeyedRunner, RemoteDoor, private_control_dir

    environment = without_airflow(None)
    try:
        target, texts = _target(settings, connection)
        runner = KeyedRunner(
            target, texts, runner=HostRunner(environment), control_dir=private_control_dir(environment)
        )
    except HpccError as error:
        raise HpcComposeConnectionError(f"Connection {settings.conn_id!r}: {error}") from error
    remote = RemoteDoor(
        runner,
        name=f"login node {target.host}",
        command=tuple(shlex.split(settings.command)),
        workspace=settings.workspace,
        engine=settings.engine,
        timeout_s=settings.command_timeout_s,
    )
    return SshDoor(
        remote, conn_id=settings.conn_id, cluster=settings.cluster or target.host, dashboard=settings.dashboard
    )


def _target(settings: ConnectionSettings, connection: Any) -> tuple[OpenSshTarget, KeyTexts]:
    from compose_core import KeyTexts, OpenSshTarget

    host, user, port = settings.host, settings.login, settings.port
    key_file, texts = settings.key_file, KeyTexts()
    if connection is not None:
        extra = connection.extra_dejson
        host, user, port = connection.host or "", connection.login or "", connection.port
        key_file = str(extra.get("key_file") or "")
        texts = KeyTexts(
            private_key="" if key_file else _private_key(settings.conn_id, extra),
            known_host=_known_host(host, port, extra),
        )
    if not host:
        raise HpcComposeConnectionError(
            f"Connection {settings.conn_id!r}: transport is ssh and no login node is named; fill in the host, or `ssh_conn_id`."
        )
    target = OpenSshTarget(
        host=host,
        user=user,
        port=int(port) if port else None,
        identity_file=Path(key_file).expanduser() if key_file else None,
        known_hosts=(Path(settings.known_hosts_file).expanduser(),) if settings.known_hosts_file else (),
    )
    return target, texts


def _private_key(conn_id: str, extra: Mapping[str, Any]) -> str:
    text = str(extra.get("private_key") or "")
    if text and extra.get("private_key_passphrase"):
        raise HpcComposeConnectionError(
            f"Connection {conn_id!r}: its ssh connection has a key with a passphrase, which nobody could type; "
            "use a key without one, or an agent."
        )
    return text.replace("\\n", "\n").rstrip("\n") + "\n" if text else ""


def _known_host(host: str, port: Any, extra: Mapping[str, Any]) -> str:
    """The connection's `host_key` (`ssh-ed25519 AAAA…`) as a line of known hosts."""
    key = " ".join(str(extra.get("host_key") or "").split())
    if not key:
        return ""
    name = f"[{host}]:{port}" if port and int(port) != 22 else host
    return f"{name} {key if ' ' in key else f'ssh-rsa {key}'}\n"
