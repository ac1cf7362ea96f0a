"""Where dashboards show jobs: addresses from the templates of a connection. No dashboard's addresses are known but those it names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

JOB_PATH = "/jobs/{cluster}/{job_id}"
"""Of a plain address: its page of a job; below it stand the other two."""
BATCH_LOG_PATH = "/logs/batch"
SCRIPT_PATH = "/script"
PLACES = ("cluster", "engine", "job_id", "token", "name", "key")
"""What a template may name."""


@dataclass(frozen=True, kw_only=True)
class Dashboard:
    """Templates of addresses, as the connection has them; an empty one is no link."""

    job: str = ""
    batch_log: str = ""
    script: str = ""

    def addresses(self, job: Mapping[str, str]) -> dict[str, str]:
        """`dashboard_url`, `batch_log_url` and `script_url` of the job with these values."""
        is_plain = bool(self.job) and "{" not in self.job
        page = f"{self.job.rstrip('/')}{JOB_PATH}" if is_plain else self.job
        log = self.batch_log or (f"{page}{BATCH_LOG_PATH}" if is_plain else "")
        script = self.script or (f"{page}{SCRIPT_PATH}" if is_plain else "")
        templates = {"dashboard_url": page, "batch_log_url": log, "script_url": script}
        return {name: filled(template, job) for name, template in templates.items()}


def filled(template: str, job: Mapping[str, str]) -> str:
    """The template with the job's values, which can be nothing but part of an address; other braces stay as they are."""
    for name in PLACES:
        template = template.replace(f"{{{name}}}", quote(job.get(name, ""), safe=""))
    return template
