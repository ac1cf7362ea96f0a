"""What the tasks of a sweep say to each other in XCom: small, plain JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow_provider_hpccompose.exceptions import HpcComposeSpecError
from airflow_provider_hpccompose.job_results import plain_from
from airflow_provider_hpccompose.sweep_doors import SweepHandle, SweepTable


def sweep_from(value: Any) -> SweepHandle:
    """The handle that a submit operator pushed, also as the text that a template made of it.

    Raises: HpcComposeSpecError: it is none.
    """
    value = plain_from(value)
    if not isinstance(value, Mapping) or not {"sweep_id", "project_dir"} <= set(value):
        raise HpcComposeSpecError(
            "sweep is no sweep: give it the XCom `sweep` of an HpcComposeSweepSubmitOperator, `submit.output['sweep']`."
        )
    return SweepHandle.from_json(value)


def result_of_table(table: SweepTable, *, trials: int) -> dict[str, Any]:
    """The ranking as a task returns it."""
    return {"v": 1, **table.as_json(), "trials": trials, "completed": table.summary.get("completed", 0)}


def shortfall(completed: int, total: int, wanted: float) -> str:
    """Why too few trials completed; empty: enough did. A fraction is one of all trials, a whole number is a count."""
    least = wanted if isinstance(wanted, int) and not isinstance(wanted, bool) else wanted * total
    if completed >= least:
        return ""
    return f"{completed} of {total} trials completed, and {least:g} are wanted (min_completed={wanted})"


def ranking_lines(table: SweepTable, most: int = 10) -> list[str]:
    """The best configurations for the task's log."""
    goal = (table.objective or {}).get("direction", "")
    shown = [one for one in table.ranking if one.get("rank") is not None][:most]
    lines = [
        f"{one['rank']:>3}  {one['mean']:<12.6g} {_params(one['variables'])}  ({one['best_trial']})" for one in shown
    ]
    title = f"{len(shown)} best of {table.configurations} configurations ({goal}):"
    return [title, *lines] if shown else ["no trial completed with a figure, so nothing is ranked"]


def _params(variables: Mapping[str, str]) -> str:
    return " ".join(f"{name}={value}" for name, value in variables.items())


def check_min_completed(value: float) -> None:
    """Raises: ValueError: no sweep could ever come so far."""
    is_count = isinstance(value, int) and not isinstance(value, bool)
    if not (is_count and value >= 0) and not 0 <= float(value) <= 1:
        raise ValueError(f"min_completed={value!r} is neither a number of trials nor a fraction between 0.0 and 1.0.")


def job_places(values: Sequence[Any]) -> dict[int, Mapping[str, Any]]:
    """The handles that mapped tasks pushed, by map index; tasks without a job are absent."""
    return {index: value for index, value in enumerate(values) if isinstance(value, Mapping) and value.get("job_id")}
