"""What jobs used, by rule: figures, table, files, and the fragment for profiles."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from compose_core import Site
from compose_core.testing import FakeCluster
from snakemake_executor_plugin_hpccompose import end_of_run
from snakemake_executor_plugin_hpccompose.end_of_run import ReportOptions, report_at_end
from snakemake_executor_plugin_hpccompose.end_report import (
    FinishedMember,
    RuleFigures,
    TaskUsage,
    csv_of,
    rule_figures,
    table_of,
)
from snakemake_executor_plugin_hpccompose.rightsize import profile_of, suggestion_of
from snakemake_executor_plugin_hpccompose.runner.results import Result

pytestmark = pytest.mark.adapters

MB = 2**20


def ended(
    number: int = 1, *, wall_s: float = 60, cpu_s: float = 30, exit_code: int = 0, rule: str = "align", **more: object
) -> FinishedMember:
    """Job 40 + number, submitted at 0, begun at 10."""
    result = Result(
        key=f"{rule}{number}",
        attempt=1,
        run="r",
        unit=f"u{number}",
        task=0,
        ok=exit_code == 0,
        exit_code=exit_code,
        started_at=10,
        ended_at=10 + wall_s,
        cpu_s=cpu_s,
        max_rss_bytes=300 * MB,
    )
    member = FinishedMember(
        rule=rule,
        key=result.key,
        attempt=1,
        job_id=str(40 + number),
        submitted_at=0,
        cpus=2,
        mem_mb=4000,
        runtime_min=60,
        result=result,
    )
    return replace(member, **more)  # type: ignore[arg-type]


def figures_of(*finished: FinishedMember, usage: dict[str, TaskUsage] | None = None) -> RuleFigures:
    """Of the one rule."""
    [found] = rule_figures(finished, usage or {})
    return found


def test_walls_are_told_by_the_middle_and_by_the_slow_end() -> None:
    """Of a hundred jobs the 50th and the 95th."""
    found = figures_of(*[ended(number, wall_s=number) for number in range(1, 101)])
    assert (found.jobs, found.wall_p50_s, found.wall_p95_s, found.wall_max_s) == (100, 50, 95, 100)


def test_one_job_is_its_own_middle() -> None:
    """Also of two the figures are ones that were measured."""
    assert figures_of(ended(wall_s=7)).wall_p95_s == 7
    assert figures_of(ended(1, wall_s=7), ended(2, wall_s=9)).wall_p50_s == 7


def test_a_repeated_job_counts_once_and_its_failed_attempt_is_waste() -> None:
    """An hour of two CPUs that came to nothing, and one that was busy by half."""
    first = ended(1, wall_s=3600, cpu_s=3600, exit_code=1)
    second = replace(ended(1, wall_s=3600, cpu_s=3600), attempt=2)
    found = figures_of(first, second)
    assert (found.jobs, found.attempts, found.failed_attempts) == (1, 2, 1)
    assert (found.core_hours, found.wasted_core_hours, found.cpu_percent) == (4, 3, 50)


def test_the_accounting_knows_more_than_the_runner_of_a_job_alone() -> None:
    """Steps and containers are no children of the runner."""
    usage = {"41": TaskUsage(cpu_s=120, memory_peak_bytes=1000 * MB, gpu_percent=70)}
    found = figures_of(ended(), usage=usage)
    assert (found.cpu_percent, found.memory_peak_mb, found.memory_peak_basis, found.gpu_percent) == (
        100,
        1000,
        "job",
        70,
    )


def test_members_of_a_pack_are_told_by_their_own_processes() -> None:
    """The task's figures are those of all of them together."""
    usage = {"41_3": TaskUsage(cpu_s=999, memory_peak_bytes=9000 * MB)}
    found = figures_of(ended(shared_with=4, task=3), usage=usage)
    assert (found.cpu_percent, found.memory_peak_mb, found.memory_peak_basis) == (25, 300, "process")


def test_the_kernels_count_is_an_upper_bound() -> None:
    """It holds cached files, so the accounting's figure goes first, and no advice rests on it."""
    alone = ended()
    assert alone.result is not None
    counted = replace(alone, result=replace(alone.result, memory_peak_bytes=900 * MB))
    found = figures_of(counted)
    assert (found.memory_peak_mb, found.memory_peak_basis) == (900, "cached")
    assert "≤900" in table_of([found])
    assert suggestion_of(found).mem_mb is None
    assert figures_of(counted, usage={"41": TaskUsage(memory_peak_bytes=500 * MB)}).memory_peak_mb == 500


def test_a_short_peak_that_the_accounting_missed_counts() -> None:
    """The largest process had more at some moment."""
    assert figures_of(ended(), usage={"41": TaskUsage(memory_peak_bytes=MB)}).memory_peak_mb == 300


def test_the_queue_wait_of_a_pack_ends_with_its_first_member() -> None:
    """The later ones wait for each other, not for Slurm."""
    late = ended(1, shared_with=1)
    assert late.result is not None
    late = replace(late, key="late", result=replace(late.result, started_at=500, ended_at=510))
    assert figures_of(ended(1, shared_with=1), late).queue_wait_p50_s == 10


def test_a_job_without_a_result_is_known_by_the_accounting_alone() -> None:
    """Its node died, or the job was killed as a whole."""
    found = figures_of(replace(ended(), result=None), usage={"41": TaskUsage(wall_s=100, cpu_s=50)})
    assert (found.failed_attempts, found.core_hours, found.wall_p50_s) == (1, round(200 / 3600, 4), None)


def test_what_nobody_knows_is_no_zero() -> None:
    """A dash in the table, an empty cell in the CSV."""
    found = figures_of(replace(ended(), result=None, mem_mb=None, runtime_min=None))
    assert table_of([found]).splitlines()[1].split() == [
        "align",
        "1",
        "1",
        "-",
        "-",
        "-",
        "2",
        "-",
        "-",
        "-",
        "-",
        "-",
        "-",
        "-",
    ]
    [row] = csv.DictReader(io.StringIO(csv_of([found])))
    assert (row["wall_p50_s"], row["core_hours"]) == ("", "")


def test_the_table_has_one_line_per_rule_in_the_order_of_names() -> None:
    """A lower bound is marked as one."""
    lines = table_of(rule_figures([ended(rule="sort"), ended(rule="align", wall_s=3700)], {})).splitlines()
    assert [line.split()[0] for line in lines] == ["rule", "align", "sort"]
    assert "1:01:40" in lines[1]
    assert "≥300" in lines[2]


def test_a_rule_that_asks_for_too_much_is_told_what_does() -> None:
    """With a margin, as a fragment that Snakemake's profiles take."""
    usage = {"41": TaskUsage(memory_peak_bytes=1000 * MB)}
    suggestion = suggestion_of(figures_of(ended(wall_s=300), usage=usage))
    assert yaml.safe_load(profile_of([suggestion])) == {"set-resources": {"align": {"mem_mb": 1200, "runtime": 8}}}
    assert "# memory peak 1000 MB over 1 jobs, asked were 4000 MB" in profile_of([suggestion])


def test_a_rule_that_ran_out_of_memory_is_told_more_than_it_asked_for() -> None:
    """The peak of a killed job is what it had, not what it needs."""
    suggestion = suggestion_of(figures_of(ended(exit_code=137)))
    assert suggestion.mem_mb == 6000
    assert yaml.safe_load(profile_of([suggestion]))["set-resources"]["align"]["mem_mb"] == "6000 * attempt"
    assert suggestion_of(figures_of(ended(exit_code=1, out_of_memory=True))).mem_mb == 6000


def test_no_memory_is_suggested_from_the_largest_process_alone() -> None:
    """All of them together may need much more."""
    assert suggestion_of(figures_of(ended())).mem_mb is None


def test_a_rule_that_always_failed_teaches_nothing_of_memory_and_time() -> None:
    """Its peak is that of an early end."""
    found = figures_of(ended(exit_code=1), usage={"41": TaskUsage(memory_peak_bytes=10 * MB)})
    assert (suggestion_of(found).mem_mb, suggestion_of(found).runtime_min) == (None, None)


def test_requests_that_fit_are_left_alone() -> None:
    """Then there is no fragment at all."""
    usage = {"41": TaskUsage(cpu_s=4000, memory_peak_bytes=3000 * MB)}
    assert profile_of([suggestion_of(figures_of(ended(wall_s=2400), usage=usage))]) == ""


def test_idle_cpus_are_a_remark_and_no_setting() -> None:
    """Fewer threads change what the command does."""
    suggestion = suggestion_of(figures_of(ended(wall_s=2400, cpu_s=600)))
    assert suggestion.threads == 1
    assert yaml.safe_load(profile_of([suggestion])) is None
    assert "# align: 2 CPUs were busy for 12 %: 1 may do (set-threads)" in profile_of([suggestion])


def test_the_report_is_shown_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Table on the screen, all figures as CSV and JSON, the fragment where the next run is configured."""
    monkeypatch.setattr(
        end_of_run, "task_usage", lambda site, records: ({"41": TaskUsage(memory_peak_bytes=1000 * MB)}, ["a note"])
    )
    said: list[str] = []
    run(tmp_path, said, ReportOptions(table=True, rightsize=True))
    assert "align" in said[0]
    assert "a note" in said[0]
    assert json.loads((tmp_path / "run/report.json").read_text())["rules"][0]["memory_peak_mb"] == 1000
    assert (tmp_path / "run/report.csv").read_text().startswith("rule,jobs,")
    assert "mem_mb: 1200" in (tmp_path / "state/rightsize.yaml").read_text()


def test_a_report_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """The jobs are done: nothing of theirs may fail for it."""
    (tmp_path / "run").write_text("in the way")
    said: list[str] = []
    run(tmp_path, said, ReportOptions(table=True))
    assert "could not be written" in said[0]


def test_a_report_that_nobody_wants_asks_nobody(tmp_path: Path) -> None:
    """Not the accounting either."""
    said: list[str] = []
    run(tmp_path, said, ReportOptions())
    assert said == []
    assert list(tmp_path.iterdir()) == []


def run(folder: Path, said: list[str], options: ReportOptions) -> None:
    """The report of one job."""
    site = Site.detect("slurm", {"HOME": str(folder)}, runner=FakeCluster())
    report_at_end(
        [ended(wall_s=300)],
        site=site,
        records=[],
        run_folder=folder / "run",
        state_folder=folder / "state",
        options=options,
        say=said.append,
    )
