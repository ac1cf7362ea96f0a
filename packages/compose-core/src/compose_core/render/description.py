"""What the supervisor has to know of the Plan, as the JSON object that the script carries."""

from __future__ import annotations

import json
from typing import Any

from compose_core.plan.model import (
    ArtifactRules,
    EarlySignal,
    LogRules,
    MetricsRules,
    Plan,
    PlannedSecret,
    PlannedStep,
    ResumeRules,
)

FORMAT = 1
HEARTBEAT_S = 5
LOG_INDEX_S = 5
ARTIFACTS_DEADLINE_S = 60


def job_description(plan: Plan, *, release: str) -> dict[str, Any]:
    """The job description of docs/files.md."""
    return {
        "format": FORMAT,
        "release": release,
        "name": plan.name,
        "compose_file": plan.compose_file,
        "backend": plan.backend,
        "runtime_root": plan.runtime_root,
        "time_limit_s": plan.allocation.time_limit_s,
        "stop_grace_s": plan.stop_grace_s,
        "artifacts_deadline_s": ARTIFACTS_DEADLINE_S,
        "heartbeat_s": HEARTBEAT_S,
        "log_index_s": LOG_INDEX_S,
        "artifacts": _artifacts(plan.artifacts),
        **({"secrets": {secret.name: _source(secret) for secret in plan.secrets}} if plan.secrets else {}),
        **({"requeue": False} if plan.requeue is False else {}),
        **_cleanup(plan),
        **_resume(plan.resume),
        **_early_signal(plan.early_signal),
        **_metrics(plan.metrics),
        **_logs(plan.logs),
        "services": [_service(step) for step in plan.steps],
    }


def description_text(plan: Plan, *, release: str) -> str:
    """The job description as ASCII JSON, one service a line; no line of it can end a here-document."""
    description = job_description(plan, release=release)
    services = description.pop("services")
    head = json.dumps(description, ensure_ascii=True)[:-1]
    lines = ",\n  ".join(json.dumps(service, ensure_ascii=True) for service in services)
    return f'{head}, "services": [\n  {lines}\n]}}'


def _early_signal(early: EarlySignal | None) -> dict[str, Any]:
    return {"early_signal": {"name": early.name, "at_seconds": early.at_seconds}} if early else {}


def _cleanup(plan: Plan) -> dict[str, Any]:
    if not plan.uses_enroot:
        return {}
    return {"cleanup": {"cache_dir": plan.cache_dir, "runtime_cache": plan.runtime_cache}}


def _artifacts(rules: ArtifactRules | None) -> dict[str, Any] | None:
    if rules is None:
        return None
    return {"collect": rules.collect, "bundles": {name: list(patterns) for name, patterns in rules.bundles}}


def _source(secret: PlannedSecret) -> dict[str, Any]:
    return {"file": secret.file} if secret.file is not None else {"env": secret.env}


def _resume(rules: ResumeRules | None) -> dict[str, Any]:
    if rules is None:
        return {}
    config = json.loads(rules.config)
    return {"resume": {"path": rules.path, "config_sha256": rules.config_sha256, "config": config}}


def _logs(rules: LogRules | None) -> dict[str, Any]:
    return {"logs": {"max_bytes": rules.max_bytes, "keep": rules.keep}} if rules is not None else {}


def _metrics(rules: MetricsRules | None) -> dict[str, Any]:
    """Only there when something is to be sampled."""
    if rules is None:
        return {}
    return {"metrics": {"interval_s": rules.interval_s, "collectors": list(rules.collectors)}}


def _service(step: PlannedStep) -> dict[str, Any]:
    policy = step.policy
    return {
        "name": step.service,
        "token": step.token,
        "step_name": step.step_name,
        "lifecycle": step.lifecycle,
        "launch": step.launch,
        "depends_on": [{"service": item.service, "condition": item.condition} for item in step.depends_on],
        "readiness": step.readiness.description() if step.readiness else None,
        "failure_policy": {
            "mode": policy.mode,
            "max_restarts": policy.max_restarts,
            "backoff_s": policy.backoff_s,
            "window_s": policy.window_s,
            "max_restarts_in_window": policy.max_restarts_in_window,
        },
        "ports": list(step.ports),
        "mpi": {"type": step.mpi} if step.mpi is not None else None,
        **({"time_limit_s": step.time_limit_s} if step.time_limit_s is not None else {}),
        "placement_mode": step.placement,
        "nodes": step.nodes,
        "ntasks": step.ntasks,
        "ntasks_per_node": step.ntasks_per_node,
        **({"secrets": list(step.secrets)} if step.secrets else {}),
        **_assertions(step),
        **_scripts(step),
    }


def _assertions(step: PlannedStep) -> dict[str, Any]:
    asserts = step.asserts
    if asserts is None:
        return {}
    wanted = {
        "exit_code": asserts.exit_code,
        "artifacts_contain": list(asserts.artifacts_contain),
        "max_duration_seconds": asserts.max_duration_s,
    }
    return {"assert": wanted}


def _scripts(step: PlannedStep) -> dict[str, Any]:
    """What runs on the batch host beside the service; nothing for most."""
    scripts: dict[str, Any] = {}
    if step.hooks:
        scripts["hooks"] = [{"on": hook.on, "script": hook.script} for hook in step.hooks]
    for kind, script in (("prologue", step.prologue), ("epilogue", step.epilogue)):
        if script is not None and script.context == "host":
            scripts[kind] = script.script
    return scripts
