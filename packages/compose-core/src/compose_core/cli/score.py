"""`hpcc score`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from compose_core.cli import live_values, options
from compose_core.cli.tools import Tools
from compose_core.terminal_text import terminal_text

if TYPE_CHECKING:
    from compose_core.cli.output import Output
    from compose_core.insight.score import Score


@click.command(
    help="Say how well a job used what it had, from 0 to 100: GPUs, memory, walltime, CPUs, energy.\n\n"
    "A component that nobody measured does not count. Energy is an estimate, never one of emissions."
)
@click.argument("job_id", metavar="[JOB]", required=False, shell_complete=live_values.job_ids)
@options.compose_file
@click.option(
    "--gpu-tdp-w",
    metavar="WATTS",
    type=click.FloatRange(min=0),
    default=300.0,
    show_default=True,
    help="Power of a GPU.",
)
@click.option(
    "--cpu-watts-per-core",
    metavar="WATTS",
    type=click.FloatRange(min=0),
    default=8.0,
    show_default=True,
    help="Power of a CPU at work.",
)
@click.option(
    "--pue",
    metavar="FACTOR",
    type=click.FloatRange(min=1),
    default=1.2,
    show_default=True,
    help="Power of the whole site by power of its computers.",
)
@options.common
def score(
    tools: Tools, job_id: str | None, file: Path, gpu_tdp_w: float, cpu_watts_per_core: float, pue: float
) -> None:
    """The score of one job."""
    from compose_core.insight.energy import PowerAssumptions
    from compose_core.job_advice import job_score

    record = tools.find_job(file, job_id)
    assumed = PowerAssumptions(gpu_tdp_w=gpu_tdp_w, cpu_watts_per_core=cpu_watts_per_core, pue=pue)
    found = job_score(tools.site, record, assumed=assumed, say=tools.output.talk)
    if tools.output.is_json:
        tools.output.json(found.as_json())
    else:
        _print(tools.output, found)


def _print(output: Output, found: Score) -> None:
    known = f"{found.score:.0f} of 100, grade {found.grade}" if found.score is not None else "nothing is known of it"
    output.heading(f"job {found.job_id} ({found.state}): {known}")
    report = found.as_json()
    rows = [
        [
            part["label"],
            "-" if part["score"] is None else f"{part['score']:.0f}",
            f"{part['weight']:.0%}" if part["score"] is not None else "-",
            "-" if part["utilization"] is None else f"{part['utilization']:.0%}",
            part["observed"] or "-",
            part["requested"] or "-",
            part["note"],
        ]
        for part in report["components"]
    ]
    output.table(["COMPONENT", "SCORE", "WEIGHT", "USED", "OBSERVED", "OF", "NOTE"], rows)
    if found.energy.kwh is not None:
        output.data(f"energy {found.energy.kwh:.3g} kWh ({found.energy.basis}, {found.energy.confidence} confidence)")
    for tip in found.tips:
        output.data(f"tip: {terminal_text(tip)}")
    for note in found.notes:
        output.talk(f"note: {note}")
