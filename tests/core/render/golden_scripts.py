"""The golden scripts: `python -m tests.core.render.golden_scripts` writes them anew; look at the diff before you commit it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from compose_core.plan import PlanContext, build_plan
from compose_core.plan.model import Plan
from compose_core.render import render_script
from compose_core.spec import load_spec

GOLDEN = Path(__file__).parent / "golden"
CASES = sorted(path.stem for path in GOLDEN.glob("*.yaml"))
SUPERVISOR_LINE = "# ---- supervisor "


def golden_plan(case: str) -> Plan:
    """The plan of a case, as if its file lay in /project."""
    loaded = load_spec(GOLDEN / f"{case}.yaml", variables={})
    moved = replace(loaded, source=Path("/project/compose.yaml"), project_dir=Path("/project"))
    context = PlanContext(engine="slurm", home="/home/me", container_backends=("pyxis", "enroot", "apptainer"))
    return build_plan(moved, context)


def without_supervisor(script: str) -> str:
    """Everything that depends on the spec: the supervisor is the same in every job."""
    return script[: script.index(f"\n{SUPERVISOR_LINE}") + 1]


if __name__ == "__main__":
    for name in CASES:
        (GOLDEN / f"{name}.sbatch").write_text(without_supervisor(render_script(golden_plan(name))), encoding="utf-8")
