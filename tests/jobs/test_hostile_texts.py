"""Hostile text through the real sbatch and srun: the job's name, each argument and each variable arrive byte for byte."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from compose_core.plan import Plan, PlanContext
from compose_core.plan.model import Literally, Text
from compose_core.render import render_script
from tests.properties.hostile import ONE_LINE, TEXT, planned
from tests.slurm.bench import SlurmBench

pytestmark = pytest.mark.slurm
SHORT, FULL = 20, 300
CONTEXT = PlanContext(engine="slurm", home="/home/me")
RECORDER = f"""#!{sys.executable} -IS
import json, os, sys
found = {{"argv": sys.argv[1:], "env": {{name: value for name, value in os.environ.items() if name.startswith("T_")}}}}
with open(os.environ["HPC_COMPOSE_JOB_DIR"] + "/found", "w") as stream:
    json.dump(found, stream)
"""
SPECS = st.fixed_dictionaries(
    {
        "job_name": ONE_LINE,
        "words": st.lists(TEXT, min_size=1, max_size=4),
        "environment": st.dictionaries(st.sampled_from(["T_A", "T_b", "T_"]), TEXT, min_size=1),
        "launch": st.sampled_from(["srun", "srun", "batch"]),
    }
)


def test_texts_pass_through_slurm(
    slurm_bench: SlurmBench, shared_tmp: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The short profile."""
    _run(slurm_bench, shared_tmp, SHORT, capsys)


@pytest.mark.faults
@pytest.mark.timeout(3600)
def test_many_texts_pass_through_slurm(
    slurm_bench: SlurmBench, shared_tmp: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The full profile."""
    _run(slurm_bench, shared_tmp, FULL, capsys)


def _run(bench: SlurmBench, folder: Path, wanted: int, capsys: pytest.CaptureFixture[str]) -> None:
    recorder = folder / "recorder"
    recorder.write_text(RECORDER)
    recorder.chmod(0o755)
    cases: list[tuple[Path, Plan]] = []

    @settings(
        max_examples=4 * wanted,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(SPECS)
    def collect(case: dict[str, Any]) -> None:
        if len(cases) == wanted:
            return
        own = folder / f"case{len(cases)}"
        own.mkdir(exist_ok=True)
        plan, _, _ = planned(_spec(case, recorder), own, CONTEXT)
        if plan is not None and len(plan.name) < 900:  # sbatch takes 1024 bytes
            cases.append((own, plan))

    collect()
    assert len(cases) == wanted
    jobs = [_submit(bench, own, plan) for own, plan in cases]
    for (own, plan), job in zip(cases, jobs):
        assert _found(own, job) == _expected(plan, own / ".hpc-compose" / job), plan.compose_file
    assert not list(folder.rglob("*canary*")), "a text was executed"
    with capsys.disabled():
        print(
            f"\nsbatch: {len(cases)} scripts through sbatch and srun, names, arguments or variables unlike the plan: 0"
        )


def _spec(case: dict[str, Any], recorder: Path) -> dict[str, Any]:
    return {
        "runtime": {"backend": "host"},
        "x-slurm": {"job_name": case["job_name"].replace("$", "$$"), "time": "5"},
        "services": {
            "app": {
                "command": [str(recorder), *(word.replace("$", "$$") for word in case["words"])],
                "environment": {name: text.replace("$", "$$") for name, text in case["environment"].items()},
                "x-slurm": {"launch": case["launch"]},
            }
        },
    }


def _submit(bench: SlurmBench, folder: Path, plan: Plan) -> str:
    (folder / "job.sbatch").write_text(render_script(plan), encoding="utf-8")
    job = _program(bench, folder, ["sbatch", "--parsable", "job.sbatch"]).strip()
    assert (
        _program(bench, folder, ["squeue", "--noheader", "--states=all", f"--jobs={job}", "--format=%j"])[:-1]
        == plan.name
    )
    return job


def _program(bench: SlurmBench, folder: Path, argv: list[str]) -> str:
    done = subprocess.run(
        argv, cwd=folder, env={**bench.environment, "LANG": "C.UTF-8"}, capture_output=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


def _found(folder: Path, job: str) -> Any:
    """What the recorder wrote down."""
    path = folder / ".hpc-compose" / job / "found"
    deadline = time.monotonic() + 300
    while True:
        state = folder / ".hpc-compose" / job / "state.json"
        if state.exists() and json.loads(state.read_text())["job_status"] != "RUNNING":
            break
        assert time.monotonic() < deadline, f"{folder}: job {job} does not end"
        time.sleep(0.1)
    log = folder / f"slurm-{job}.out"
    assert path.exists(), log.read_text(errors="replace") if log.exists() else str(folder)
    return json.loads(path.read_text())


def _expected(plan: Plan, job_dir: Path) -> dict[str, Any]:
    """What the plan says; of what the node fills in only the job folder occurs here."""
    (step,) = plan.steps

    def value(text: Text) -> str:
        return "".join(part.text if isinstance(part, Literally) else str(job_dir) for part in text)

    own = [entry for entry in step.environment if entry.name.startswith("T_")]
    return {"argv": [value(text) for text in step.argv[1:]], "env": {entry.name: value(entry.value) for entry in own}}
