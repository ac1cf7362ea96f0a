"""The form of a connection of type `hpccompose` in Airflow's pages: data, which no hook has to be imported for."""

from __future__ import annotations

from typing import Any

HIDDEN = ["schema", "password", "extra"]
RELABELING = {"host": "Login node", "login": "User on the login node", "port": "SSH port"}
PLACEHOLDERS = {
    "host": "login.cluster.example (transport ssh without an ssh connection)",
    "workspace": "hpc-compose, in the home folder",
    "defaults": '{"x-slurm": {"time": "01:00:00"}}',
    "profiles": '{"gpu": {"x-slurm": {"partition": "gpu", "gres": "gpu:1"}}}',
    "dashboard_url": "https://dashboard.example",
    "command": "hpcc",
}


def ui_field_behaviour() -> dict[str, Any]:
    """Which of Airflow's own fields are shown, and how they are called."""
    return {"hidden-fields": HIDDEN, "relabeling": RELABELING, "placeholders": PLACEHOLDERS}


def conn_fields() -> dict[str, dict[str, Any]]:
    """The fields that are kept in the connection's extra, by name."""
    return {
        "transport": _choice("Transport", "Where jobs are submitted from.", ("local", "ssh"), "local"),
        "engine": _choice(
            "Engine", "auto: Slurm where there is sbatch, else that machine.", ("auto", "slurm", "local"), "auto"
        ),
        "workspace": _text("Workspace", "Folder for jobs of inline specs and sent files; the nodes have to see it."),
        "cluster": _text("Cluster", "What links and assets call it."),
        "default_partition": _text("Default partition", "For specs that name none."),
        "default_account": _text("Default account", "For specs that name none."),
        "defaults": _text("Defaults", "Part of a compose file, as JSON, that stands behind every spec."),
        "profiles": _text("Profiles", "Named parts of a compose file, as JSON, that tasks choose by `profile`."),
        "dashboard_url": _text(
            "Dashboard", "Address, or a template of a job's with {cluster}, {job_id}, {token}, {name}."
        ),
        "batch_log_url": _text("Batch log", "Template of the address of a job's batch log, with the same places."),
        "script_url": _text("Script", "Template of the address of a job's script, with the same places."),
        "poll_seconds": _number("Poll seconds", "How often the cluster is asked, for all jobs together.", 30, 1),
        "ssh_conn_id": _text("SSH connection", "An Airflow connection of type ssh with host, user and keys."),
        "key_file": _text("Key file", "Private key without passphrase, on the machines of Airflow."),
        "known_hosts_file": _text("Known hosts", "File with the login node's key, besides the user's own."),
        "command": _text("Program", "hpcc on the login node, with its whole path where PATH lacks it."),
        "command_timeout": _number("Command timeout", "Seconds that one question to the login node may take.", 120, 5),
    }


def _text(label: str, description: str) -> dict[str, Any]:
    return {"label": label, "description": description, "schema": {"type": ["string", "null"]}}


def _choice(label: str, description: str, values: tuple[str, ...], default: str) -> dict[str, Any]:
    return {
        "label": label,
        "description": description,
        "schema": {"type": "string", "enum": list(values), "default": default},
    }


def _number(label: str, description: str, default: int, least: int) -> dict[str, Any]:
    return {
        "label": label,
        "description": description,
        "schema": {"type": ["number", "null"], "default": default, "minimum": least, "maximum": 86400},
    }
