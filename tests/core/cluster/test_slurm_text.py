from __future__ import annotations

import pytest

from compose_core.cluster.slurm_text import (
    epoch_s,
    exit_status,
    fault_kind,
    limit_s,
    start_time_text,
    word,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1795236537", 1795236537.0),
        ("2026-11-21T04:00:00", 1795233600.0),
        ("N/A", None), ("Unknown", None), ("NONE", None), ("None", None), ("", None), ("0", None),
        ("now", None), ("9" * 40, None),
    ],
)  # fmt: skip
def test_times_are_epoch_seconds_and_without_a_zone_utc(text: str, seconds: float | None) -> None:
    assert epoch_s(text) == seconds


def test_the_accounting_is_asked_in_a_form_that_it_reads() -> None:
    assert start_time_text(1795233600.9) == "2026-11-21T04:00:00"
    assert start_time_text(-5) == "1970-01-01T00:00:00"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("10:00", 600), ("1:00:00", 3600), ("1-00:00:00", 86400), ("UNLIMITED", None), ("INVALID", None),
        ("Partition_Limit", None), ("NOT_SET", None), ("", None), ("infinite", None),
    ],
)  # fmt: skip
def test_limits_without_a_figure_are_none(text: str, seconds: int | None) -> None:
    assert limit_s(text) == seconds


@pytest.mark.parametrize(
    ("text", "status"),
    [("17:0", (17, None)), ("0:9", (0, 9)), ("0:0", (0, None)), ("", (None, None)), ("0:53", (0, 53))],
)
def test_exit_codes_come_with_their_signal(text: str, status: tuple[int | None, int | None]) -> None:
    assert exit_status(text) == status


@pytest.mark.parametrize("text", ["None", "(null)", "N/A", "Unknown", "", "  "])
def test_slurms_ways_of_saying_nothing_are_empty(text: str) -> None:
    assert word(text) == ""


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("squeue: error: slurm_load_jobs error: Unable to contact slurm controller (connect failure)", "unreachable"),
        ("slurm_load_jobs error: Socket timed out on send/recv operation", "unreachable"),
        ("sacct: error: Problem talking to the database: Connection refused", "unreachable"),
        ("sbatch: fatal: Could not establish a configuration source", "unreachable"),
        ("Slurm accounting storage is disabled", "disabled"),
        ("squeue: error: Invalid user: nobody1", "error"),
    ],
)
def test_failed_queries_are_told_apart(text: str, kind: str) -> None:
    assert fault_kind(text) == kind
