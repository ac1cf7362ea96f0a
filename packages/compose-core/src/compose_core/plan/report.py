"""A Plan as plain data for `plan`, `inspect` and other programs; secret values never leave it."""

from __future__ import annotations

from typing import Any

from compose_core.errors import problem_json
from compose_core.plan.model import (
    Decision,
    Directive,
    EnvironmentEntry,
    Mount,
    Plan,
    PlannedAssertions,
    PlannedScript,
    PlannedStep,
    shown,
)
from compose_core.spec.redaction import HIDDEN, hidden_in, redacted

SCHEMA_VERSION = 1


def plan_report(plan: Plan) -> dict[str, Any]:
    """Everything the plan settled; variables that the node fills in are written `${NAME}`."""
    report: dict[str, Any] = hidden_in(_report(plan), plan.secret_values)
    return report


def _report(plan: Plan) -> dict[str, Any]:
    allocation = plan.allocation
    return {
        "schema_version": SCHEMA_VERSION,
        "valid": True,
        "name": plan.name,
        "compose_file": plan.compose_file,
        "project_dir": plan.project_dir,
        "spec_sha256": plan.spec_sha256,
        "backend": plan.backend,
        "service_order": [step.service for step in plan.steps],
        "allocation": {
            "nodes": allocation.nodes,
            "ntasks": allocation.ntasks,
            "ntasks_per_node": allocation.ntasks_per_node,
            "cpus_per_task": allocation.cpus_per_task,
            "memory_mib": allocation.memory_mib,
            "gpus": allocation.gpus,
            "time_limit_s": allocation.time_limit_s,
        },
        "directives": [directive_text(directive) for directive in plan.directives],
        "setup": list(plan.setup),
        "modules": list(plan.modules),
        "secrets": {secret.name: {"file": secret.file, "env": secret.env} for secret in plan.secrets},
        "services": [step_report(step) for step in plan.steps],
        "early_signal": None
        if plan.early_signal is None
        else {"name": plan.early_signal.name, "at_seconds": plan.early_signal.at_seconds},
        "artifacts": None
        if plan.artifacts is None
        else {
            "collect": plan.artifacts.collect,
            "export_dir": plan.artifacts.export_dir,
            "bundles": {name: list(patterns) for name, patterns in plan.artifacts.bundles},
        },
        "logs": None if plan.logs is None else {"max_bytes": plan.logs.max_bytes, "keep": plan.logs.keep},
        "metrics": None
        if plan.metrics is None
        else {"interval_seconds": plan.metrics.interval_s, "collectors": list(plan.metrics.collectors)},
        "paths": {
            "cache_dir": plan.cache_dir,
            "runtime_root": plan.runtime_root or f"{plan.project_dir}/.hpc-compose",
            "batch_log": plan.batch_log,
            "resume_dir": plan.resume.path if plan.resume else None,
        },
        "decisions": [_decision(decision) for decision in all_decisions(plan)],
        "warnings": problem_json(plan.warnings),
    }


def step_report(step: PlannedStep) -> dict[str, Any]:
    """One service of the plan."""
    return {
        "service": step.service,
        "token": step.token,
        "step_name": step.step_name,
        "backend": step.backend,
        "lifecycle": step.lifecycle,
        "launch": step.launch,
        "placement": step.placement,
        "nodes": step.nodes,
        "ntasks": step.ntasks,
        "ntasks_per_node": step.ntasks_per_node,
        "image": None
        if step.image is None
        else {
            "reference": step.image.reference,
            "kind": step.image.kind,
            "starts_from": step.image.runtime_path,
            "cache_path": step.image.base.path if step.image.base is not None else None,
        },
        "command": [shown(word) for word in step.command],
        "working_dir": shown(step.working_dir) if step.working_dir is not None else None,
        "srun_options": [shown(option) for option in step.srun_options],
        "environment": {entry.name: environment_value(entry) for entry in step.environment},
        "secrets": list(step.secrets),
        "mounts": [mount_text(mount) for mount in step.mounts],
        "depends_on": {item.service: item.condition for item in step.depends_on},
        "readiness": step.readiness.description() if step.readiness else None,
        "failure_policy": {
            "mode": step.policy.mode,
            "max_restarts": step.policy.max_restarts,
            "backoff_seconds": step.policy.backoff_s,
            "window_seconds": step.policy.window_s,
            "max_restarts_in_window": step.policy.max_restarts_in_window,
        },
        "ports": list(step.ports),
        "assert": _assertions(step.asserts),
        "hooks": [{"on": hook.on, "script": hook.script} for hook in step.hooks],
        "prologue": _script(step.prologue),
        "epilogue": _script(step.epilogue),
        "mpi": step.mpi,
        "time_limit_s": step.time_limit_s,
    }


def _assertions(asserts: PlannedAssertions | None) -> dict[str, Any] | None:
    if asserts is None:
        return None
    return {
        "exit_code": asserts.exit_code,
        "artifacts_contain": list(asserts.artifacts_contain),
        "max_duration_seconds": asserts.max_duration_s,
    }


def _script(script: PlannedScript | None) -> dict[str, str] | None:
    return None if script is None else {"context": script.context, "script": script.script}


def all_decisions(plan: Plan) -> list[Decision]:
    """What the planner settled: for the job, then for each service in launch order."""
    return [*plan.decisions, *(decision for step in plan.steps for decision in step.decisions)]


def directive_text(directive: Directive) -> str:
    """The option as a person reads it, secret-looking values hidden."""
    if directive.raw is not None:
        option, sign, value = directive.raw.partition("=")
        return f"{option}{sign}{redacted(option, value)}"
    return directive.option if directive.value is None else f"{directive.option}={directive.value}"


def environment_value(entry: EnvironmentEntry) -> str:
    """The value as it may be shown."""
    return HIDDEN if entry.secret else redacted(entry.name, shown(entry.value))


def mount_text(mount: Mount) -> str:
    """`source:target[:ro]`."""
    return f"{shown(mount.source)}:{mount.target}{':ro' if mount.read_only else ''}"


def _decision(decision: Decision) -> dict[str, str]:
    return {"key": decision.key, "value": decision.value, "reason": decision.reason}
