"""The connections of the private Airflow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.airflow.sshd_bench import LoginNode
from tests.slurm.bench_host import Ports

LOCAL = "hpcc_local"
SLURM = "hpcc_slurm"
SSH = "hpcc_ssh"
SSH_WRONG_KEY = "hpcc_ssh_wrong_key"
SSH_UNKNOWN_HOST = "hpcc_ssh_unknown_host"
SSH_NOBODY_THERE = "hpcc_ssh_nobody_there"
"""The connections that every DAG of the bench may name: the engine without a scheduler, the private cluster, and that cluster by way of
a login node, which three of them do not reach."""

DASHBOARD = "http://dashboard.invalid"
"""Nobody serves it; the links to jobs lead there."""


def connection(name: str, *, host: str = "", port: int = 0, login: str = "", **extra: object) -> dict[str, str]:
    """The environment variable that is an Airflow connection of our type."""
    place = {key: value for key, value in {"host": host, "port": port, "login": login}.items() if value}
    value = {
        "conn_type": "hpccompose",
        **place,
        "extra": {"transport": "ssh" if host else "local", "dashboard_url": DASHBOARD, **extra},
    }
    return {f"AIRFLOW_CONN_{name.upper()}": json.dumps(value)}


def ssh_connections(node: LoginNode, workspace: Path) -> dict[str, str]:
    """One that works and three that do not."""
    place: dict[str, Any] = {"host": "127.0.0.1", "login": node.user, "engine": "slurm", "workspace": str(workspace)}
    right: dict[str, Any] = {"port": node.port, "key_file": str(node.key), "known_hosts_file": str(node.known_hosts)}
    ports = Ports()
    (closed,) = ports.take(1)  # nobody listens there
    ports.release()
    return {
        **connection(SSH, **place, **right),
        **connection(SSH_WRONG_KEY, **place, **right | {"key_file": str(node.other_key)}),
        **connection(SSH_UNKNOWN_HOST, **place, **right | {"known_hosts_file": "/dev/null"}),
        **connection(SSH_NOBODY_THERE, **place, **right | {"port": closed}),
    }
