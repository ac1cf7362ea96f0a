"""The order of the pages: what the site shows at its side and docs/README.md lists."""

from __future__ import annotations

NAVIGATION: dict[str, tuple[str, ...]] = {
    "Begin": ("quickstart", "examples"),
    "Use": ("execution-model", "sweeps", "observability"),
    "From a workflow": ("snakemake", "airflow"),
    "Come from elsewhere": ("from-docker-compose", "from-snakemake-slurm"),
    "Look up": ("spec", "commands", "exactly-once", "files"),
    "Change it": ("architecture", "dependencies"),
}
"""Heading to pages, each the name of a file in docs/ without its ending."""

OF_THE_PROJECT: dict[str, str] = {
    "README": "the-project",
    "CONTRIBUTING": "contributing",
    "SECURITY": "reporting-a-weakness",
    "CHANGELOG": "changelog",
}
"""Pages at the top of the repository, and what the site calls them."""
