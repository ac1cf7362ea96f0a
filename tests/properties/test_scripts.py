"""For any text in any field: the script is valid, sbatch sees the plan's directives, and srun gets the plan's arguments."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from compose_core.cluster.sbatch_directives import directive_words
from compose_core.plan import Plan, PlanContext
from compose_core.plan.model import Literally, PlannedStep, Text
from compose_core.render import render_script
from tests.properties.hostile import Spec, hostile_specs, planned

CONTEXT = PlanContext(engine="slurm", home="/home/me", container_backends=("pyxis", "enroot", "apptainer"))
SHORT, FULL = 150, 5000
NODE = {
    "HPC_COMPOSE_JOB_ROOT": "/runs/a b'$(touch canary)",
    "HPC_COMPOSE_JOB_DIR": '/runs/"x\\',
    "SLURM_CPUS_ON_NODE": "4 *",
}
"""What the node fills in, hostile too."""

RECORDER = f"""#!{sys.executable} -IS
import os, sys
folder = os.environb[b"RECORD"] + b"/"
with open(folder + b"argv", "wb") as stream:
    stream.write(b"".join(os.fsencode(word) + bytes(1) for word in sys.argv[1:]))
with open(folder + b"env", "wb") as stream:
    stream.write(b"".join(name + b"=" + value + bytes(1) for name, value in os.environb.items()))
"""


def test_srun_gets_what_the_plan_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The short profile."""
    _run_cases(tmp_path, SHORT, capsys)


@pytest.mark.faults
@pytest.mark.timeout(3600)
def test_srun_gets_what_the_plan_says_in_many_cases(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The full profile."""
    _run_cases(tmp_path, FULL, capsys)


def _run_cases(tmp_path: Path, wanted: int, capsys: pytest.CaptureFixture[str]) -> None:
    bench = _Bench(tmp_path)
    count: Counter[str] = Counter()

    @settings(
        max_examples=wanted, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(hostile_specs())
    def check(spec: Spec) -> None:
        count["cases"] += 1
        plan, _, refused = planned(spec, bench.folder, CONTEXT)
        count["refused texts"] += refused
        if plan is not None:
            count["scripts"] += 1
            count["steps"] += bench.check(plan)

    check()
    assert count["scripts"] > 0.9 * count["cases"]
    with capsys.disabled():
        figures = ", ".join(f"{number} {what}" for what, number in count.items())
        print(f"\ninjection: {figures}; argv or directives unlike the plan: 0, canaries: 0")


class _Bench:
    """A folder with programs that record their arguments and environment."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "project"
        self.folder.mkdir()
        self.programs = Path(tempfile.mkdtemp(prefix="programs-", dir=folder))
        (self.programs / "srun").write_text(RECORDER)
        (self.programs / "srun").chmod(0o755)

    def check(self, plan: Plan) -> int:
        """How many steps were executed; raises when one is unlike the plan."""
        script = render_script(plan)
        path = self.programs / "job.sbatch"
        path.write_text(script, encoding="utf-8", errors="surrogateescape")
        subprocess.run(["bash", "-n", path], check=True, capture_output=True)
        expected = [
            directive.raw or directive.option + ("" if directive.value is None else f"={directive.value}")
            for directive in plan.directives
        ]
        assert directive_words(script) == expected
        for step in plan.steps:
            self._execute(path, step)
        assert {entry.name for entry in self.folder.iterdir()} == {"compose.yaml"}, "a value was executed"
        assert {entry.name for entry in self.programs.iterdir()} == {"srun", "job.sbatch", "argv", "env"}
        return len(plan.steps)

    def _execute(self, script: Path, step: PlannedStep) -> None:
        for name in ("argv", "env"):
            (self.programs / name).unlink(missing_ok=True)
        environment = {
            "PATH": f"{self.programs}:{os.environ['PATH']}",
            "LANG": "C.UTF-8",
            "RECORD": str(self.programs),
            "HPC_COMPOSE_ENGINE": "slurm",
            **NODE,
        }
        done = subprocess.run(
            [shutil.which("bash") or "bash", script, f"step:{step.service}"],
            cwd=self.folder, env=environment, capture_output=True, check=False, timeout=30,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, b"")
        found = (self.programs / "argv").read_bytes().split(b"\0")[:-1]
        assert found == [_bytes(text, {}) for text in step.srun_options] + [b"--"] + [
            _bytes(text, _exported(step)) for text in step.argv
        ]
        variables = dict(item.split(b"=", 1) for item in (self.programs / "env").read_bytes().split(b"\0")[:-1])
        for entry in step.environment:
            if entry.name not in ("PWD", "_"):
                assert variables[entry.name.encode()] == _bytes(entry.value, _exported(step, until=entry.name)), (
                    entry.name
                )


def _exported(step: PlannedStep, until: str = "") -> dict[str, Text]:
    """Variables that the step itself sets, those before `until`: a later word may use them."""
    values: dict[str, Text] = {}
    for entry in step.environment:
        if entry.name == until:
            break
        values[entry.name] = entry.value
    return values


def _bytes(text: Text, own: dict[str, Text]) -> bytes:
    parts = [
        part.text.encode()
        if isinstance(part, Literally)
        else _bytes(own[part.name], {})
        if part.name in own
        else NODE.get(part.name, "").encode()
        for part in text
    ]
    return b"".join(parts)
