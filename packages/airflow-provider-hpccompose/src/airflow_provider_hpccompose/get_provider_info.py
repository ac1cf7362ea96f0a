"""What Airflow shows about this provider and where it finds the parts."""

from __future__ import annotations

from typing import Any

from airflow_provider_hpccompose import __version__
from airflow_provider_hpccompose.connection_form import conn_fields, ui_field_behaviour

_PACKAGE = "airflow_provider_hpccompose"
_INTEGRATION = "HPC Compose"


def get_provider_info() -> dict[str, Any]:
    """The provider's description in the form of Airflow's `provider_info.schema.json`."""
    return {
        "package-name": "airflow-provider-hpccompose",
        "name": _INTEGRATION,
        "description": "Submits, watches and collects compose files as Slurm jobs, exactly once over retries and clears.",
        "versions": [__version__],
        "integrations": [{"integration-name": _INTEGRATION, "tags": ["service"]}],
        "operators": _parts("operators.hpccompose", "operators.sweep", "operators.sweep_collect"),
        "sensors": _parts("sensors.hpccompose"),
        "hooks": _parts("hooks.hpccompose"),
        "triggers": _parts("triggers.hpccompose", "triggers.sweeps", "triggers.watchers"),
        "connection-types": [
            {
                "connection-type": "hpccompose",
                "hook-class-name": f"{_PACKAGE}.hooks.hpccompose.HpcComposeHook",
                "hook-name": "HPC Compose (Slurm)",
                "ui-field-behaviour": ui_field_behaviour(),
                "conn-fields": conn_fields(),
            }
        ],
        "extra-links": [
            f"{_PACKAGE}.links.{name}" for name in ("HpcDashboardLink", "HpcBatchLogLink", "HpcSubmittedScriptLink")
        ],
        "task-decorators": [
            {"name": "hpccompose", "class-name": f"{_PACKAGE}.decorators.hpccompose.hpccompose_task"},
        ],
        "asset-uris": [
            {
                "schemes": ["hpccompose"],
                "handler": f"{_PACKAGE}.assets.sanitize_uri",
                "factory": f"{_PACKAGE}.assets.create_asset",
                "to_openlineage_converter": f"{_PACKAGE}.assets.to_openlineage",
            }
        ],
        "cli": [f"{_PACKAGE}.cli.get_hpccompose_cli_commands"],
        "config": {"hpccompose": _config()},
    }


def _parts(*modules: str) -> list[dict[str, Any]]:
    return [
        {"integration-name": _INTEGRATION, "python-modules": [f"{_PACKAGE}.{module}" for module in modules]},
    ]


def _config() -> dict[str, Any]:
    return {
        "description": "The provider of HPC Compose.",
        "options": {
            "instance_id": _option(
                "What tells this Airflow from another one that uses the same cluster and user. Empty: a digest of [api] base_url."
            ),
            "dashboard_url": _option(
                "Address of the dashboard that is shown as a tab of task instances: as it is where it holds {DAG_ID}, {RUN_ID}, "
                "{TASK_ID} or {MAP_INDEX}, else with /airflow and these as its query. Empty: no tab."
            ),
        },
    }


def _option(description: str) -> dict[str, Any]:
    return {"description": description, "version_added": __version__, "type": "string", "example": None, "default": ""}
