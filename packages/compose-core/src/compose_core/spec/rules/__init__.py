"""Pass 7: rules between keys, one small function each; `RULES` is the registry."""

from __future__ import annotations

from itertools import islice

from compose_core.spec.findings import MAX_PROBLEMS
from compose_core.spec.rules import (
    commands,
    dependencies,
    geometry,
    images,
    job_values,
    paths,
    raw_arguments,
    readiness,
    references,
    runtime,
    secrets,
    step_size,
    sweep,
)
from compose_core.spec.rules.look import Look, Rule

RULES: tuple[Rule, ...] = (
    *job_values.RULES,
    *raw_arguments.RULES,
    *paths.RULES,
    *dependencies.RULES,
    *commands.RULES,
    *images.RULES,
    *runtime.RULES,
    *readiness.RULES,
    *references.RULES,
    *geometry.RULES,
    *step_size.RULES,
    *secrets.RULES,
    *sweep.RULES,
)

__all__ = ["RULES", "Look", "check"]


def check(look: Look) -> None:
    """Apply every rule; what they find is recorded."""
    found = [problem for rule in RULES for problem in islice(rule(look), MAX_PROBLEMS)]
    for problem in found:
        look.findings.add(problem)
