"""The report of `stats` in all its forms, from real answers and rows of real GPUs' shape."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import click
import pytest

from compose_core.cli.output import Output
from compose_core.cli.sparkline import sparkline
from compose_core.cli.stats_report import stats_report
from compose_core.cli.stats_rows import ACCOUNTING_COLUMNS, STEP_COLUMNS, csv_text, jsonl_text
from compose_core.cli.stats_text import print_stats
from compose_core.cli.stats_watch import _show
from compose_core.cli.tools import Tools
from compose_core.clock import with_readable_times
from compose_core.cluster.sacct_usage import parse_sacct_usage
from compose_core.cluster.sstat import parse_sstat
from compose_core.insight.samples import MetricRows, sum_up
from compose_core.insight.usage import job_usage
from compose_core.insight.usage_sum import sum_of
from compose_core.job_state import JobState
from compose_core.job_usage import UsageReading
from compose_core.records.job_record import JobArray
from compose_core.tracking.snapshot import JobSnapshot
from compose_core.tracking.usage import SampledFiles
from tests.core.tracking.world import NOW, World
from tests.jobs.project import check_report

_FOLDER = Path(__file__).resolve().parents[2] / "fixtures" / "slurm-22.05"


def recorded(name: str) -> str:
    return str(json.loads((_FOLDER / f"{name}.json").read_text(encoding="utf-8"))["stdout"])


def metric_rows() -> MetricRows:
    """Eight GPUs on two nodes and two steps, for a minute."""
    gpu: list[dict[str, Any]] = [
        {
            "sampled_at": NOW + at,
            "node": f"node{1 + index // 4}",
            "index": index % 4,
            "uuid": f"GPU-{index}",
            "name": "NVIDIA H200",
            "utilization_gpu": 10 * index,
            "memory_used_mib": 1000 * index,
            "memory_total_mib": 143771,
            "power_draw_w": 100.0 + 50 * index,
            "mig_device": None,
        }
        for at in range(0, 60, 5)
        for index in range(8)
    ]
    slurm = [
        {
            "sampled_at": NOW + at,
            "step_id": f"41.{step}",
            "ntasks": 1,
            "ave_cpu_s": at,
            "ave_rss_bytes": 2**20,
            "max_rss_bytes": 2**21,
            "tres_usage_in_ave": "cpu=00:00:01,gres/gpuutil=55,gres/gpumem=1024M,mem=1048576",
            "service": "train",
        }
        for at in range(0, 60, 5)
        for step in ("batch", "0")
    ]
    processes = [{"sampled_at": NOW, "node": "node1", "pid": 7, "process_name": "python\x1b[31m", "service": "train"}]
    return MetricRows(gpu=gpu, slurm=slurm, gpu_processes=processes)


def reading(tmp_path: Path, *, source: str = "sampler", rows: str = "usage_completed", **changes: Any) -> UsageReading:
    """One job with samples, accounting, or running steps."""
    record = World(tmp_path).record
    snapshot = JobSnapshot(
        record=record, state=JobState.COMPLETED, source="state", terminal=True, observed_at=NOW + 60,
        submitted_at=NOW, started_at=NOW, ended_at=NOW + 60, **changes,
    )  # fmt: skip
    accounted = parse_sacct_usage(recorded(rows)).rows if rows else ()
    live = parse_sstat(recorded("sstat_running")).steps if source == "sstat" else ()
    samples = sum_up(None, metric_rows()) if source == "sampler" else None
    usage = job_usage("7", rows=accounted, live=live, samples=samples, wall_s=60.0, state="COMPLETED")
    return UsageReading(
        snapshot=snapshot,
        usage=usage,
        files=SampledFiles(paths=record.job_paths),
        source=source,  # type: ignore[arg-type]
        rows=accounted,
        live=live,
    )


@pytest.mark.parametrize("source", ["sampler", "sstat", ""])
@pytest.mark.parametrize("with_accounting", [True, False])
def test_a_report_is_what_its_schema_says(tmp_path: Path, source: str, with_accounting: bool) -> None:
    report = stats_report(reading(tmp_path, source=source), with_accounting=with_accounting)
    check_report("stats", with_readable_times(report))
    assert (report["accounting"] is not None) is with_accounting


def test_figures_are_numbers_under_the_names_that_reports_have(tmp_path: Path) -> None:
    report = stats_report(reading(tmp_path), with_accounting=True)
    step = report["steps"][1]
    assert (step["step_id"], step["ave_cpu"], step["max_rss"], step["gpu_util"]) == ("41.0", 55, 2**21, 55)
    assert step["gpu_mem"] == 1024 * 2**20
    gpu = report["sampler"]["gpu"]
    assert len(gpu["gpus"]) == 8
    assert gpu["nodes"][1]["power_draw_w"] == pytest.approx(sum(100 + 50 * index for index in range(4, 8)))
    accounting = report["accounting"]
    assert 0 < accounting["total_cpu_hours"] < accounting["allocated_cpu_hours"]
    assert accounting["memory_basis"] == "allocation_tres"
    assert len(accounting["rows"]) == 5
    assert report["usage"]["gpus"]["devices"][7]["utilization_mean"] == 70


def test_csv_has_the_columns_that_spreadsheets_know(tmp_path: Path) -> None:
    report = stats_report(reading(tmp_path, source="sstat"), with_accounting=True)
    rows = list(csv.DictReader(io.StringIO(csv_text(report, with_accounting=False))))
    assert tuple(rows[0]) == STEP_COLUMNS
    assert [row["step_id"].partition(".")[2] for row in rows] == ["batch", "0", "1"]
    assert {row["stats_source"] for row in rows} == {"sstat"}
    accounted = list(csv.DictReader(io.StringIO(csv_text(report, with_accounting=True))))
    assert tuple(accounted[0]) == ACCOUNTING_COLUMNS
    assert len(accounted) == 5
    assert accounted[0]["step"] == ""
    assert "gres/gpu=2" in accounted[0]["alloc_tres"]


def test_jsonl_has_a_type_in_each_line(tmp_path: Path) -> None:
    lines = jsonl_text(stats_report(reading(tmp_path), with_accounting=True)).splitlines()
    types = [json.loads(line)["type"] for line in lines]
    assert types[0] == "summary"
    assert types.count("gpu_device") == 8
    assert types.count("accounting_row") == 5
    assert {"step", "gpu_process", "accounting_summary"} <= set(types)


def test_an_array_is_its_sum_and_its_tasks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = reading(tmp_path)
    record = one.snapshot.record.model_copy(update={"array": JobArray(spec="0-1")})
    whole = UsageReading(
        snapshot=JobSnapshot(
            record=record, state=JobState.COMPLETED, source="state", terminal=True, observed_at=NOW, submitted_at=NOW
        ),
        usage=sum_of([one.usage, one.usage], job_id="7", state="COMPLETED"),
        source="sampler",
        tasks=(one, one),
    )
    report = stats_report(whole, with_accounting=True)
    check_report("stats", with_readable_times(report))
    assert report["usage"]["cpu"]["used_s"] == pytest.approx(2 * (one.usage.cpu.used_s or 0))
    assert len(report["array"]) == 2
    print_stats(Output(), whole)
    shown = capsys.readouterr().out
    assert shown.count("COMPLETED") == 3
    assert "CPU-seconds" in shown


def test_text_for_a_person(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line per device and figure over time; nothing of a job reaches the terminal as it is."""
    print_stats(Output(), reading(tmp_path))
    shown = capsys.readouterr().out
    assert "by the accounting" in shown
    assert "node2 GPU 3" in shown
    assert "GPU power (0 to 450 W" in shown
    assert "▁" in shown
    assert "█" in shown
    assert "\x1b[31m" not in shown
    assert all(len(line) <= 130 for line in shown.splitlines())


def test_the_watch_redraws_the_screen_and_leaves_what_scrolled_out_of_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`CSI 3 J` would erase what the person did before."""
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    _show(cast("Tools", SimpleNamespace(output=Output())), reading(tmp_path))
    shown = capsys.readouterr().out
    assert shown.startswith("\x1b[H\x1b[2J")
    assert "\x1b[3J" not in shown
    panels = [line for line in click.unstyle(shown).splitlines() if "(0 to" in line]
    assert panels
    assert max(map(len, panels)) <= 80


def test_a_job_without_figures_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = reading(tmp_path, source="", rows="")
    report = stats_report(found, with_accounting=False)
    assert (report["available"], report["source"]) == (False, None)
    assert "x-slurm.metrics" in report["reason"]
    print_stats(Output(), found)
    assert "x-slurm.metrics" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("values", "drawn"),
    [([0, 50, 100], "▁▅█"), ([None, 25], " ▃"), ([], ""), ([-3, 1e9], "▁█")],
)
def test_sparklines(values: list[float | None], drawn: str) -> None:
    assert sparkline(values, top=100) == drawn
    assert sparkline([0, 0], top=0) == "▁▁"
