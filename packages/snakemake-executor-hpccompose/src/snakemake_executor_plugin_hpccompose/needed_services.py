"""Jobs and the services of the workflow that they need: whether one may start, and what it is told."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from snakemake_executor_plugin_hpccompose.unit_paths import MAIN_SERVICE
from snakemake_executor_plugin_hpccompose.workflow_services import Answer, Ready, WorkflowServices

if TYPE_CHECKING:
    from snakemake_executor_plugin_hpccompose.compose_job import ComposeJob
    from snakemake_executor_plugin_hpccompose.ready_jobs import ReadyJob


class NeededServices:
    """The services of the workflow, asked for one job at a time; None: the workflow has none."""

    def __init__(self, services: WorkflowServices | None) -> None:
        self._services = services

    def of(self, job: ReadyJob) -> Answer:
        """Whether the job may start."""
        needs = job.compose.needs if job.compose is not None else ()
        if not needs or job.compose is None or self._services is None:
            return Ready({})
        needed_s = 60.0 * (job.compose.runtime_min or 0)
        return self._services.ready(needs, since=job.ready_at, needed_s=needed_s)


def with_environment(compose: ComposeJob, environment: Mapping[str, str]) -> ComposeJob:
    """The same job with more variables for its main service; jobs with other values are no tasks of the same array."""
    if not environment:
        return compose
    spec = copy.deepcopy(compose.spec)
    main = spec["services"][MAIN_SERVICE]
    main["environment"] = {
        **(main.get("environment") or {}),
        **{name: value.replace("$", "$$") for name, value in environment.items()},
    }
    text = json.dumps([compose.shape_key, dict(environment)], sort_keys=True)
    return replace(compose, spec=spec, shape_key=hashlib.sha256(text.encode()).hexdigest())
