"""What Airflow shows about this provider and where it finds the parts."""

from __future__ import annotations

from typing import Any

from airflow_provider_hpccompose import __version__

_INTEGRATION = "HPC Compose"


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
    }
