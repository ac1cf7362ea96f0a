"""Problems while they are collected."""

from __future__ import annotations

import pytest

from compose_core.errors import SpecError
from compose_core.spec.findings import MAX_PROBLEMS, Findings
from compose_core.spec.nodes import Mark


def test_problems_come_out_in_the_order_of_the_files() -> None:
    findings = Findings()
    findings.error("later", "m", Mark("b.yaml", 9, 1))
    findings.error("first", "m", Mark("a.yaml", 1, 1))
    findings.error("sooner", "m", Mark("b.yaml", 2, 1))
    assert [problem.code for problem in findings.in_order()] == ["sooner", "later", "first"]


def test_a_problem_is_told_once() -> None:
    findings = Findings()
    for _ in range(3):
        findings.error("code", "m", Mark("a.yaml", 1, 1), ("x",))
    assert len(findings.in_order()) == 1


def test_warnings_stop_nothing() -> None:
    findings = Findings()
    findings.warning("code", "m", Mark("a.yaml", 1, 1))
    findings.raise_errors()
    findings.error("code", "m", Mark("a.yaml", 1, 1))
    with pytest.raises(SpecError) as caught:
        findings.raise_errors()
    assert [problem.severity for problem in caught.value.problems] == ["warning", "error"]


def test_there_is_an_end_to_problems() -> None:
    findings = Findings()
    for line in range(MAX_PROBLEMS * 2):
        findings.error("code", "m", Mark("a.yaml", line, 1))
    assert len(findings.in_order()) == MAX_PROBLEMS
    assert findings.is_full
