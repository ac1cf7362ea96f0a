"""What a job record will say of a plan, known before the scheduler gives the job an id."""

from __future__ import annotations

import hashlib
from pathlib import Path

from compose_core.cluster.batch_log import batch_log_path
from compose_core.job_state import JobId
from compose_core.plan.model import Plan
from compose_core.records.job_record import JobFacts, JobRecord, RequestedWalltime
from compose_core.records.paths import METADATA_FOLDER, JobPaths
from compose_core.submission.context import SubmitContext
from compose_core.units import format_slurm_time


def job_facts(context: SubmitContext, plan: Plan, script: str, *, token: str, run_key: str | None) -> JobFacts:
    """The facts of one submission."""
    limit = plan.allocation.time_limit_s
    project_dir = context.project.project_dir
    return JobFacts(
        backend=context.engine.name,
        submission_token=token,
        run_key=run_key,
        name=plan.name,
        compose_file=plan.compose_file,
        submit_dir=str(project_dir),
        script_path=str(context.project.submission(token).script),
        script_sha256=sha256_of(script),
        spec_sha256=plan.spec_sha256,
        cache_dir=plan.cache_dir,
        runtime_root=plan.runtime_root or str(project_dir / METADATA_FOLDER),
        batch_log=plan.batch_log,
        services=tuple(step.service for step in plan.steps),
        artifact_export_dir=plan.artifacts.export_dir if plan.artifacts else None,
        requested_walltime=RequestedWalltime(original=format_slurm_time(limit), seconds=limit) if limit else None,
        tool_version=context.tool_version,
    )


def script_bytes(script: str) -> bytes:
    """The script as it is written; bytes of file names that are no text stay what they are."""
    return script.encode("utf-8", "surrogateescape")


def sha256_of(script: str) -> str:
    """The digest of the script as it is written."""
    return hashlib.sha256(script_bytes(script)).hexdigest()


def job_record(
    facts: JobFacts,
    job_id: JobId,
    *,
    submitted_at: float,
    user: str,
    cluster: str | None = None,
    batch_log: Path | None = None,
) -> JobRecord:
    """The record of the job that the facts became."""
    job_dir = Path(facts.runtime_root) / job_id
    paths = JobPaths(job_dir)
    fields = facts.model_dump()
    fields["batch_log"] = str(batch_log) if batch_log else _batch_log(facts, job_id, user=user)
    return JobRecord(
        **fields,
        job_id=job_id,
        cluster=cluster,
        submitted_at=submitted_at,
        job_dir=str(job_dir),
        service_logs={service: str(paths.log(service)) for service in facts.services},
    )


def _batch_log(facts: JobFacts, job_id: JobId, *, user: str) -> str:
    """Where the script's own output goes; with its pattern where only the node knows."""
    project_dir = Path(facts.submit_dir)
    options = {"output": facts.batch_log}
    path = batch_log_path(options, job_id=job_id, job_name=facts.name, user=user, project_dir=project_dir)
    return str(path or project_dir / facts.batch_log)
