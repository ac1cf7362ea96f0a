"""What one check found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

Level = Literal["error", "warning", "info", "ok"]
"""`error` keeps the job from running; a `warning` can be acted on; `info` depends on what the site is like."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of the report."""

    check: str
    """Name of the check, the same in every release: `cache-writable`."""
    level: Level
    message: str
    remedy: str = ""

    def as_json(self) -> dict[str, str]:
        """The fields of the report."""
        return {"check": self.check, "level": self.level, "message": self.message, "remediation": self.remedy}


def ok(check: str, message: str) -> Finding:
    """The check went well."""
    return Finding(check=check, level="ok", message=message)


def report(findings: Iterable[Finding]) -> dict[str, Any]:
    """The findings by group, and how many there are of each."""
    groups: dict[Level, list[dict[str, str]]] = {"error": [], "warning": [], "info": [], "ok": []}
    for finding in findings:
        groups[finding.level].append(finding.as_json())
    return {
        "schema_version": 1,
        "summary": {
            "blockers": len(groups["error"]),
            "actionable_warnings": len(groups["warning"]),
            "contextual_warnings": len(groups["info"]),
            "passed_checks": len(groups["ok"]),
        },
        "blockers": groups["error"],
        "actionable_warnings": groups["warning"],
        "contextual_warnings": groups["info"],
        "passed_checks": groups["ok"],
    }
