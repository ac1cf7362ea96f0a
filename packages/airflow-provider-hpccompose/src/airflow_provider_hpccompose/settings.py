"""What a connection of type `hpccompose` says, read once and checked."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Literal

from airflow_provider_hpccompose.connection_form import conn_fields
from airflow_provider_hpccompose.dashboards import Dashboard
from airflow_provider_hpccompose.exceptions import HpcComposeConnectionError, HpcComposeSpecError

CONN_TYPE = "hpccompose"
DEFAULT_CONN_ID = "hpccompose_default"
DEFAULT_WORKSPACE = "hpc-compose"
"""In the home folder."""
DEFAULT_POLL_S = 30.0
MIN_POLL_S = 1.0

Transport = Literal["local", "ssh"]
_TRANSPORTS = ("local", "ssh")
_ENGINES = ("auto", "slurm", "local")


@dataclass(frozen=True, kw_only=True)
class ConnectionSettings:
    """One connection."""

    conn_id: str
    transport: Transport = "local"
    engine: str = "auto"
    workspace: str = DEFAULT_WORKSPACE
    """On the machine that jobs are submitted from; relative to the home folder there."""
    cluster: str = ""
    """What people call the cluster: in links and in the addresses of assets."""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """Part of a spec that stands behind every spec: `{"x-slurm": {"partition": "gpu"}}`."""
    profiles: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Named parts of a spec, which tasks lay over theirs: `{"gpu": {"x-slurm": {"partition": "gpu"}}}`."""
    dashboard: Dashboard = field(default_factory=Dashboard)
    poll_seconds: float = DEFAULT_POLL_S
    ssh_conn_id: str = ""
    """An Airflow connection of type `ssh` with host, user and keys; empty: those of this connection."""
    host: str = ""
    port: int | None = None
    login: str = ""
    key_file: str = ""
    known_hosts_file: str = ""
    """Besides the user's own `known_hosts`."""
    command: str = "hpcc"
    """The program on the login node."""
    command_timeout_s: float = 120.0
    not_heeded: tuple[str, ...] = ()
    """What the connection says and nobody reads, in words: a mistyped name, a host beside transport `local`."""

    @property
    def login_connection(self) -> str:
        """The connection of type `ssh` that leads to the login node; empty: none does."""
        return self.ssh_conn_id if self.transport == "ssh" else ""

    @classmethod
    def of(cls, connection: Any) -> ConnectionSettings:
        """What the connection says.

        Raises: HpcComposeConnectionError: something in it is wrong; which field, and what is allowed.
        """
        _of_our_type(connection)
        extra = _extra(connection)
        conn_id = str(connection.conn_id or "")
        ssh_conn_id = _text(extra, "ssh_conn_id")
        transport = _one_of(
            conn_id, extra, "transport", _TRANSPORTS, "ssh" if connection.host or ssh_conn_id else "local"
        )
        return cls(
            conn_id=conn_id,
            transport="ssh" if transport == "ssh" else "local",
            engine=_one_of(conn_id, extra, "engine", _ENGINES, "auto"),
            workspace=_text(extra, "workspace") or DEFAULT_WORKSPACE,
            cluster=_text(extra, "cluster"),
            defaults=_defaults(conn_id, extra),
            profiles=_profiles(conn_id, extra),
            dashboard=Dashboard(
                job=_text(extra, "dashboard_url"),
                batch_log=_text(extra, "batch_log_url"),
                script=_text(extra, "script_url"),
            ),
            poll_seconds=_seconds(conn_id, extra, "poll_seconds", DEFAULT_POLL_S, least=MIN_POLL_S),
            ssh_conn_id=ssh_conn_id,
            host=str(connection.host or ""),
            port=int(connection.port) if connection.port else None,
            login=str(connection.login or ""),
            key_file=_text(extra, "key_file"),
            known_hosts_file=_text(extra, "known_hosts_file"),
            command=_text(extra, "command") or "hpcc",
            command_timeout_s=_seconds(conn_id, extra, "command_timeout", 120.0, least=5.0),
            not_heeded=_not_heeded(connection, extra, transport),
        )


def profile_of(settings: ConnectionSettings, name: str | None) -> Mapping[str, Any]:
    """The part of a spec that the connection keeps under this name; nothing without a name.

    Raises: HpcComposeSpecError: it keeps none.
    """
    if not name:
        return {}
    if name not in settings.profiles:
        known = ", ".join(sorted(settings.profiles)) or "it has none"
        raise HpcComposeSpecError(f"Connection {settings.conn_id!r} has no profile {name!r}; its profiles: {known}.")
    return settings.profiles[name]


def _extra(connection: Any) -> Mapping[str, Any]:
    """The extra field; Airflow itself takes one that it cannot read for an empty one, and jobs would go elsewhere than meant."""
    conn_id = str(connection.conn_id or "")
    try:
        said = json.loads(connection.extra or "{}")
    except ValueError as error:
        raise _wrong(conn_id, "the extra field", f"is no JSON object: {error}") from error
    if not isinstance(said, Mapping):
        raise _wrong(conn_id, "the extra field", "is JSON, but no object of fields and their values")
    return dict(connection.extra_dejson)


def _of_our_type(connection: Any) -> None:
    """Raises: HpcComposeConnectionError: it is of another type, whose fields mean other things."""
    conn_id, found = str(connection.conn_id or ""), str(connection.conn_type or "")
    if found == "ssh":
        raise _wrong(
            conn_id,
            "its type",
            f"is 'ssh'; name it as `ssh_conn_id` in a connection of type {CONN_TYPE!r}, and that here",
        )
    if found not in (CONN_TYPE, ""):
        raise _wrong(conn_id, "its type", f"is {found!r}; it has to be {CONN_TYPE!r}")


def _not_heeded(connection: Any, extra: Mapping[str, Any], transport: str) -> tuple[str, ...]:
    """What the connection says and nobody reads, in words."""
    known = conn_fields()
    unknown = [name for name in extra if name not in known]
    notes = [f"nobody reads {name!r} in the extra field{_meant(name, known)}" for name in unknown]
    named = "host" if connection.host else "ssh_conn_id" if _text(extra, "ssh_conn_id") else ""
    if named and transport == "local":
        notes.append(f"{named} is not used, as transport is local: jobs are submitted from the machine of the worker")
    return tuple(notes)


def _meant(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, known, n=1)
    return f"; is {close[0]!r} meant?" if close else ""


def _text(extra: Mapping[str, Any], name: str) -> str:
    value = extra.get(name)
    return "" if value is None else str(value).strip()


def _one_of(conn_id: str, extra: Mapping[str, Any], name: str, allowed: tuple[str, ...], default: str) -> str:
    value = _text(extra, name) or default
    if value not in allowed:
        raise _wrong(conn_id, name, f"is {value!r}; it can be {', '.join(allowed)}")
    return value


def _seconds(conn_id: str, extra: Mapping[str, Any], name: str, default: float, *, least: float) -> float:
    text = _text(extra, name)
    try:
        seconds = float(text) if text else default
    except ValueError:
        raise _wrong(conn_id, name, f"is {text!r}, which is no number of seconds") from None
    if not least <= seconds <= 86400:
        raise _wrong(conn_id, name, f"is {text}; it can be {least:g} to 86400 seconds")
    return seconds


def _defaults(conn_id: str, extra: Mapping[str, Any]) -> Mapping[str, Any]:
    """`defaults` as an object or as JSON text, with partition and account beside it."""
    value = _object(conn_id, extra, "defaults", '{"x-slurm": {"time": "01:00:00"}}')
    if not isinstance(value.get("x-slurm", {}), Mapping):
        raise _wrong(conn_id, "defaults", 'is no JSON object such as {"x-slurm": {"time": "01:00:00"}}')
    named = {"partition": _text(extra, "default_partition"), "account": _text(extra, "default_account")}
    slurm = {**{name: text for name, text in named.items() if text}, **value.get("x-slurm", {})}
    return {**value, "x-slurm": slurm} if slurm else dict(value)


def _profiles(conn_id: str, extra: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """Parts of a spec by name, as an object or as JSON text."""
    example = '{"gpu": {"x-slurm": {"partition": "gpu"}}}'
    found = _object(conn_id, extra, "profiles", example)
    for name, part in found.items():
        if not isinstance(part, Mapping):
            raise _wrong(conn_id, "profiles", f"has {name!r}, which is no part of a compose file such as in {example}")
    return dict(found)


def _object(conn_id: str, extra: Mapping[str, Any], name: str, example: str) -> Mapping[str, Any]:
    value = extra.get(name) or {}
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError as error:
            raise _wrong(conn_id, name, f"is no JSON: {error}") from error
    if not isinstance(value, Mapping):
        raise _wrong(conn_id, name, f"is no JSON object such as {example}")
    return value


def _wrong(conn_id: str, what: str, why: str) -> HpcComposeConnectionError:
    return HpcComposeConnectionError(f"Connection {conn_id!r}: {what} {why}. Correct it {_place_of(conn_id)}.")


def _place_of(conn_id: str) -> str:
    """Where a person finds the connection."""
    variable = variable_of(conn_id)
    return f"in the variable {variable}" if variable else "under Admin → Connections"


def variable_of(conn_id: str) -> str:
    """The environment variable that Airflow reads this connection from; empty: it comes from somewhere else."""
    name = f"AIRFLOW_CONN_{conn_id.upper()}"
    return name if name in os.environ else ""  # noqa: TID251  (Airflow looks there first, and this tells where to mend)
