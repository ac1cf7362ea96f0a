"""The order of the pages: what the site shows at its side and docs/README.md lists."""

from __future__ import annotations

NAVIGATION: dict[str, tuple[str, ...]] = {
    "Begin": ("why", "quickstart", "tasks", "examples"),
    "Use": ("execution-model", "images", "sweeps", "observability", "runbook", "troubleshooting"),
    "From a workflow": ("snakemake", "airflow"),
    "Come from elsewhere": ("from-docker-compose", "from-sbatch", "from-snakemake-slurm"),
    "Look up": ("spec", "refusals", "commands", "exit-statuses", "json", "files", "exactly-once", "glossary"),
    "Judge it": ("support", "security"),
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
