"""No compose file, however broken, brings a traceback, a hang, a bloated process or another exit status than 0 and 2."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.properties.fuzz_worker import LIMIT_S

SHORT, FULL = 1_500, 50_000
PEAK_MIB = 300
ROOT = Path(__file__).resolve().parents[2]


def test_fuzzed_files_are_answered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The short profile."""
    _answer(tmp_path, [(1, SHORT)], capsys)


@pytest.mark.faults
@pytest.mark.timeout(3600)
def test_many_fuzzed_files_are_answered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The full profile, in two processes."""
    _answer(tmp_path, [(2, FULL // 2), (3, FULL // 2)], capsys)


def _answer(folder: Path, shares: list[tuple[int, int]], capsys: pytest.CaptureFixture[str]) -> None:
    workers = []
    for seed, count in shares:
        own = folder / str(seed)
        own.mkdir()
        argv = [sys.executable, "-m", "tests.properties.fuzz_worker", str(seed), str(count), str(own)]
        workers.append(subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
    reports: list[dict[str, Any]] = []
    for worker in workers:
        out, err = worker.communicate()
        assert worker.returncode == 0, err
        reports.append(json.loads(out))
    codes: dict[str, int] = {}
    for report in reports:
        for code, number in report["codes"].items():
            codes[code] = codes.get(code, 0) + number
    slowest = max(report["slowest_s"] for report in reports)
    peak_mib = max(report["peak_mib"] for report in reports)
    with capsys.disabled():
        cases = sum(report["cases"] for report in reports)
        print(f"\nfuzz: {cases} files, exit statuses {codes}, slowest {slowest} s, peak {peak_mib} MiB")
    faults = [fault for report in reports for fault in report["faults"]]
    assert faults == [], "\n\n".join(faults)
    assert codes["0"] > 0.2 * sum(codes.values()), "too few valid files to say anything about planning and rendering"
    assert slowest <= LIMIT_S
    assert peak_mib < PEAK_MIB
