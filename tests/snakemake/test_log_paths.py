"""Where logs of jobs lie, and how long."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from snakemake_executor_plugin_hpccompose.log_paths import job_log
from tests.snakemake.fake_job import FakeGroup, FakeJob

pytestmark = pytest.mark.adapters
JOB = FakeJob(name="align", wildcards={"sample": "a"})


def test_a_log_is_found_by_rule_and_wildcards(tmp_path: Path) -> None:
    """Each attempt has its own."""
    assert job_log(JOB, tmp_path) == tmp_path / "align/sample_a.1.log"
    assert job_log(replace(JOB, attempt=2), tmp_path) == tmp_path / "align/sample_a.2.log"
    assert job_log(FakeGroup([JOB]), tmp_path).parent == tmp_path / "groupjobs/group_together"


def test_names_that_are_too_long_are_cut_and_stay_apart(tmp_path: Path) -> None:
    """File systems allow 255 bytes, which are fewer letters in other scripts."""
    one, two = (job_log(replace(JOB, wildcards={"sample": "ü" * 200 + end}), tmp_path) for end in "ab")
    assert one != two
    for path in (one, two):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


@pytest.mark.parametrize("value", ["../../../etc/passwd", "/etc/passwd", "a/../../b", "..", "./x"])
def test_no_wildcard_leads_out_of_the_folder(tmp_path: Path, value: str) -> None:
    """A path that a wildcard holds becomes folders below it."""
    assert job_log(replace(JOB, wildcards={"sample": value}), tmp_path).resolve().is_relative_to(tmp_path / "align")
