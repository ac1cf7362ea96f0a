"""The results of a sweep as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compose_core.sweep.results import objective_name, status_counts

if TYPE_CHECKING:
    from compose_core.cli.output import Output
    from compose_core.sweep.ranking import ResultRow, Standing
    from compose_core.sweep.results import SweepResults

_FIGURE = "{:.6g}"


def print_results(output: Output, results: SweepResults, *, with_scaling: bool = False) -> None:
    """Counts, the best trial, and the configurations by rank; trials without a figure below, each with the reason."""
    output.heading(f"sweep {results.manifest.sweep_id}: {status_counts(results.rows)}")
    best, objective = results.best, results.objective
    if objective is None:
        output.talk("the compose file names no `objective`, so there is no ranking")
    elif best is not None and best.objective is not None:
        output.data(f"best  {best.trial_id}  {_FIGURE.format(best.objective)}  {best.config_key}")
    standings = [one for one in results.standings if one.rank is not None]
    names = sorted({name for row in results.rows for name in row.variables})
    if standings:
        title = objective_name(objective)[:40].upper() or "OBJECTIVE"
        head = ["RANK", *names, title, "STD", "N", "BEST TRIAL"]
        output.table(head, [_standing_row(one, names) for one in standings])
    others = [row for row in results.rows if not row.is_ranked]
    if others:
        output.table(["TRIAL", "STATUS", "JOB", *names, "SO FAR", "NOTE"], [_other_row(row, names) for row in others])
    if with_scaling:
        _print_scaling(output, results)


def _standing_row(one: Standing, names: list[str]) -> list[str]:
    return [
        str(one.rank),
        *(one.variables.get(name, "") for name in names),
        "" if one.mean is None else _FIGURE.format(one.mean),
        "" if one.std is None else f"{one.std:.3g}",
        f"{one.n}/{one.replicates}",
        one.best_trial or "",
    ]


def _other_row(row: ResultRow, names: list[str]) -> list[str]:
    so_far = "" if row.objective is None else _FIGURE.format(row.objective)
    note = row.detail or (row.objective_error or "" if row.status == "completed" else "")
    values = [row.variables.get(name, "") for name in names]
    return [row.trial_id, row.status.replace("_", " "), row.job_id or "-", *values, so_far, note]


def _print_scaling(output: Output, results: SweepResults) -> None:
    axis = results.objective.scaling_axis if results.objective else None
    if axis is None:
        output.talk("the objective names no `scaling_axis`")
    for series in results.scaling:
        others = ", ".join(f"{name}={value}" for name, value in series.others.items())
        output.heading(f"scaling along {axis}{f' with {others}' if others else ''}")
        rows = [
            [
                f"{point.axis:g}",
                _FIGURE.format(point.mean),
                str(point.n),
                "-" if point.speedup is None else f"{point.speedup:.2f}",
                "-" if point.efficiency is None else f"{100 * point.efficiency:.0f} %",
            ]
            for point in series.points
        ]
        output.table([str(axis).upper(), "MEAN", "N", "SPEEDUP", "EFFICIENCY"], rows)
