"""What is sampled while the job runs: as the file says, or as `up` and `submit` are told."""

from __future__ import annotations

from dataclasses import replace

from compose_core.errors import UsageError
from compose_core.plan.model import MetricsRules, Plan
from compose_core.spec.models import Metrics


def metrics_rules(metrics: Metrics | None) -> MetricsRules | None:
    """None when nothing is to be sampled."""
    if metrics is None or not metrics.enabled or not metrics.collectors:
        return None
    return MetricsRules(interval_s=metrics.interval_seconds, collectors=metrics.collectors)


def with_metrics(plan: Plan, *, interval_s: int | None, off: bool) -> Plan:
    """The plan with what the command line says about metrics; an interval turns them on.

    Raises: UsageError: it says both.
    """
    if off and interval_s is not None:
        raise UsageError("--no-metrics and --metrics-interval contradict each other", remedy="Give one of them.")
    if off:
        return replace(plan, metrics=None)
    if interval_s is None:
        return plan
    rules = plan.metrics or metrics_rules(Metrics())
    assert rules is not None
    return replace(plan, metrics=replace(rules, interval_s=interval_s))
