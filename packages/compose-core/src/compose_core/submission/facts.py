"""What a job record will say of a plan, known before the scheduler gives the job an id."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from compose_core.cluster.batch_log import batch_log_path, task_log_pattern
from compose_core.cluster.sbatch_directives import job_options
from compose_core.job_state import JobId
from compose_core.plan.model import Plan
from compose_core.records.job_record import JobArray, JobFacts, JobRecord, RequestedWalltime, SweepPlace
from compose_core.records.paths import METADATA_FOLDER, JobPaths
from compose_core.records.requests import Provenance, RecordedJobRequests
from compose_core.spec.redaction import hidden_in, redacted
from compose_core.submission.context import SubmitContext
from compose_core.submission.provenance import git_state
from compose_core.units import format_slurm_time

LARGEST_SNAPSHOT = 256 * 1024
"""Bytes of JSON: every command that looks at a job reads them."""


def job_facts(
    context: SubmitContext,
    plan: Plan,
    script: str,
    *,
    token: str,
    run_key: str | None,
    kind: str = "main",
    sweep: SweepPlace | None = None,
    extra_args: Sequence[str] = (),
) -> JobFacts:
    """The facts of one submission."""
    limit = plan.allocation.time_limit_s
    project_dir = context.project.project_dir
    options = job_options(script, extra_args)
    snapshot, note = _snapshot(plan)
    return JobFacts(
        backend=context.engine.name,
        kind=kind,
        sweep=sweep,
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
        batch_log=options.get("output") or plan.batch_log,
        batch_log_folder=str(project_dir / options.get("chdir", "")),
        array=JobArray(spec=plan.array) if plan.array else None,
        services=tuple(step.service for step in plan.steps),
        images=tuple(image.runtime_path for image in plan.images),
        artifact_export_dir=plan.artifacts.export_dir if plan.artifacts else None,
        resume_dir=plan.resume.path if plan.resume else None,
        requested_walltime=RequestedWalltime(original=format_slurm_time(limit), seconds=limit) if limit else None,
        tool_version=context.tool_version,
        requests=RecordedJobRequests.model_validate(asdict(plan.requests)),
        provenance=_provenance(plan, context.tool_version),
        config_snapshot_yaml=snapshot,
        config_snapshot_note=note,
    )


def _provenance(plan: Plan, tool_version: str) -> Provenance:
    references = tuple(hidden_in(redacted("", image.reference), plan.secret_values) for image in plan.images)
    return Provenance(
        tool_version=tool_version,
        git=git_state(Path(plan.project_dir)),
        image_refs=references,
        source_content_hash=plan.spec_sha256,
    )


def _snapshot(plan: Plan) -> tuple[str | None, str]:
    """The configuration as `hpcc config` prints it, with `***` also inside shell text; or None, and why."""
    if not plan.config:
        return None, ""
    text = config_yaml(plan.config)
    size = len(json.dumps(text))
    if size > LARGEST_SNAPSHOT:
        return None, f"the configuration takes {size} bytes; up to {LARGEST_SNAPSHOT} are kept"
    return text, ""


def config_yaml(config: str) -> str:
    """The YAML of a plan's `config`."""
    import yaml

    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    text = json.dumps(json.loads(config), ensure_ascii=False).encode("utf-8", "replace")  # file names may be no text
    return str(yaml.dump(json.loads(text), Dumper=dumper, sort_keys=False, allow_unicode=True))


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
    fields = {**facts.model_dump(), **_log_fields(facts, job_id, user=user)}
    if batch_log is not None:
        fields["batch_log"] = str(batch_log)
    return JobRecord(
        **fields,
        job_id=job_id,
        cluster=cluster,
        submitted_at=submitted_at,
        job_dir=str(job_dir),
        service_logs={} if facts.array else {service: str(paths.log(service)) for service in facts.services},
    )


def _log_fields(facts: JobFacts, job_id: JobId, *, user: str) -> dict[str, object]:
    """Where the script's own output goes; with its pattern where only the node knows."""
    folder = Path(facts.batch_log_folder or facts.submit_dir)
    options = {"output": facts.batch_log}
    if facts.array is not None:
        pattern = task_log_pattern(options, job_id=job_id, job_name=facts.name, user=user)
        return {"batch_log": str(folder / pattern), "array": JobArray(spec=facts.array.spec, log_pattern=pattern)}
    path = batch_log_path(options, job_id=job_id, job_name=facts.name, user=user, project_dir=folder)
    return {"batch_log": str(path or folder / facts.batch_log)}
