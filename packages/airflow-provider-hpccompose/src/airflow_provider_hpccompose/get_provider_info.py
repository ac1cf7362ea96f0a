"""What Airflow shows about this provider and where it finds the parts."""

from __future__ import annotations

from typing import Any

from airflow_provider_hpccompose import __version__

_INTEGRATION = "HPC Compose"
_PACKAGE = "airflow_provider_hpccompose"


def get_provider_info() -> dict[str, Any]:
    """The provider's description in the form of Airflow's `provider_info.schema.json`."""
    return {
        "package-name": "airflow-provider-hpccompose",
        "name": _INTEGRATION,
        "description": "Compose files as Slurm jobs. This release is found by Airflow and does not run jobs yet.",
        "versions": [__version__],
        "integrations": [{"integration-name": _INTEGRATION, "tags": ["service"]}],
        "operators": [
            {"integration-name": _INTEGRATION, "python-modules": ["airflow_provider_hpccompose.operators.hpccompose"]}
        ],
        **_waiting(),
        **_pages_and_commands(),
    }


def _waiting() -> dict[str, Any]:
    """Sensors and triggers."""
    triggers = [f"{_PACKAGE}.triggers.{name}" for name in ("hpccompose", "sweeps", "watchers")]
    return {
        "sensors": [{"integration-name": _INTEGRATION, "python-modules": [f"{_PACKAGE}.sensors.hpccompose"]}],
        "triggers": [{"integration-name": _INTEGRATION, "python-modules": triggers}],
    }


def _pages_and_commands() -> dict[str, Any]:
    """Links, the task decorator, assets and the command line."""
    links = ("HpcDashboardLink", "HpcBatchLogLink", "HpcSubmittedScriptLink")
    return {
        "extra-links": [f"{_PACKAGE}.links.{name}" for name in links],
        "task-decorators": [{"name": "hpccompose", "class-name": f"{_PACKAGE}.decorators.hpccompose.hpccompose_task"}],
        "asset-uris": [
            {
                "schemes": ["hpccompose"],
                "handler": f"{_PACKAGE}.assets.sanitize_uri",
                "factory": f"{_PACKAGE}.assets.create_asset",
                "to_openlineage_converter": f"{_PACKAGE}.assets.to_openlineage",
            }
        ],
        "cli": [f"{_PACKAGE}.cli.get_hpccompose_cli_commands"],
    }
