"""All checks, in the order in which they are told."""

from __future__ import annotations

from compose_core.cluster.site import Site
from compose_core.errors import EnvironmentProblem, Problem
from compose_core.plan.model import Plan
from compose_core.preflight import folders, images, network, programs
from compose_core.preflight.finding import Finding
from compose_core.units import counted

CHECKS = (*programs.CHECKS, *folders.CHECKS, *images.CHECKS, *network.CHECKS)


class PreflightFailed(EnvironmentProblem):
    """Something that the run needs is missing: every blocker at once."""

    code = "preflight"

    def __init__(self, blockers: tuple[Finding, ...]) -> None:
        self._blockers = blockers
        super().__init__(f"{counted(len(blockers), 'preflight check')} failed")

    @property
    def problems(self) -> tuple[Problem, ...]:
        return tuple(
            Problem(code=f"preflight-{finding.check}", message=finding.message, remedy=finding.remedy)
            for finding in self._blockers
        )


def findings_of(plan: Plan, site: Site) -> tuple[Finding, ...]:
    """What every check found; nothing is changed but a file that is made in the cache and removed again."""
    return tuple(finding for check in CHECKS for finding in check(plan, site))


def blockers(findings: tuple[Finding, ...], *, strict: bool = False) -> tuple[Finding, ...]:
    """What keeps the job from running; with `strict` also what can be acted on."""
    levels = ("error", "warning") if strict else ("error",)
    return tuple(finding for finding in findings if finding.level in levels)


def checked(plan: Plan, site: Site, *, strict: bool = False) -> list[str]:
    """What is worth telling of a job that can run.

    Raises: PreflightFailed: something keeps it from running; with `strict` also what can be acted on.
    """
    findings = findings_of(plan, site)
    failed = blockers(findings, strict=strict)
    if failed:
        raise PreflightFailed(failed)
    return [finding.message for finding in findings if finding.level == "warning"]
