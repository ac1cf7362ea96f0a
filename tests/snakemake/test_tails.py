"""The last lines of logs, as errors show them."""

from __future__ import annotations

from pathlib import Path

import pytest

from snakemake_executor_plugin_hpccompose.tails import last_lines, tail

pytestmark = pytest.mark.adapters

REPORT = """[Sat Nov  1 18:09:37 2026]
Error in rule one:
    message: None
    jobid: 0
    shell:
        python3 work.py
Shutting down, this might take some time.
WorkflowError:
At least one job did not complete successfully.
"""


def test_what_the_rule_said_is_shown_and_not_the_report_on_it(tmp_path: Path) -> None:
    """The inner Snakemake's report is longer than what is shown, and would hide the reason."""
    log = tmp_path / "a.log"
    log.write_text("Traceback (most recent call last):\nKeyError: 'x'\n" + REPORT)
    assert last_lines(log) == ["Traceback (most recent call last):", "KeyError: 'x'"]


def test_a_log_with_nothing_but_the_report_shows_the_report(tmp_path: Path) -> None:
    """And a rule that prints something like it hides nothing."""
    log = tmp_path / "a.log"
    log.write_text(REPORT)
    assert last_lines(log)[-1] == "At least one job did not complete successfully."
    log.write_text("Error in rule one:\nno report\n")
    assert last_lines(log) == ["Error in rule one:", "no report"]


def test_hostile_output_is_shown_as_text_and_cut(tmp_path: Path) -> None:
    """Ten megabytes on a line, and words to the terminal."""
    log = tmp_path / "a.log"
    log.write_bytes(b"x" * 10_000_000 + b"\n\x1b[31mred\x07\xff\n")
    shown = tail(log)
    assert shown.isprintable() or all(c.isprintable() or c == "\n" for c in shown)
    assert len(shown) < 1000
    assert "?[31mred?" in shown


def test_a_log_that_is_not_there_shows_nothing(tmp_path: Path) -> None:
    """Nor does an empty one."""
    (tmp_path / "empty").touch()
    assert tail(None) == tail(tmp_path / "none") == tail(tmp_path / "empty") == ""
