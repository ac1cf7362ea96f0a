"""The trials of a sweep as rows for `expand_kwargs`, and as numbered parts of one job array; nothing is asked of a cluster."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_hpccompose.doors import without_airflow

if TYPE_CHECKING:
    from compose_core import Trial

NAME_LENGTH = 200
"""Airflow keeps 250 characters of a rendered map index."""
_GENERATED = "sweep"


class TooManyTrials(ValueError):
    """There are more trials than Airflow maps tasks."""


def sweep_trials(
    compose_file: str | Path | Mapping[str, Any],
    *,
    variables: Mapping[str, str] | None = None,
    sweep_id: str | None = None,
    max_trials: int | None = None,
    project_dir: str | Path | None = None,
) -> list[dict[str, Any]]:
    """One row for each trial of the file (or of a spec as a dict): `trial`, `variables` and `trial_name`, for

        HpcComposeOperator.partial(
            task_id="train", compose_file=file, map_index_template="{{ task.trial_name }}"
        ).expand_kwargs(sweep_trials(file))

    Equal files give equal rows each time that the DAG is read: what is drawn at random depends on the seed in the file, else on
    `sweep_id`, which is made of the content unless it is given.

    Raises: SpecError: the file is wrong.  UsageError: it has no sweep, or more trials than it allows.  TooManyTrials: more than
    `[core] max_map_length`.
    """
    from compose_core import expand_sweep, load_spec, sweep_variables

    given = {str(name): str(value) for name, value in (variables or {}).items()}
    text = spec_text(compose_file) if isinstance(compose_file, Mapping) else None
    path = Path(project_dir or ".") / _GENERATED if isinstance(compose_file, Mapping) else Path(compose_file)
    loaded = load_spec(
        path,
        variables={**without_airflow(None), **given},
        text=text,
        project_dir=Path(project_dir) if project_dir is not None else None,
    )
    name = sweep_id or sweep_id_of(text if text is not None else path.read_text("utf-8", "surrogateescape"))
    found = expand_sweep(loaded, sweep_id=name, max_trials=max_trials)
    check_map_length(len(found))
    return [
        {
            "trial": {
                "sweep_id": name,
                "trial_id": trial.trial_id,
                "params": dict(trial.variables),
                "variables": sweep_variables(trial, name),
            },
            "variables": given,
            "trial_name": trial_name(trial),
        }
        for trial in found
    ]


def spec_text(spec: Mapping[str, Any]) -> str:
    """A spec of a program as the text of a compose file."""
    return json.dumps(spec, indent=1)


def sweep_id_of(text: str) -> str:
    """The name of the sweep that this text describes, when it was given none."""
    return f"sweep-{hashlib.sha256(text.encode('utf-8', 'surrogateescape')).hexdigest()[:12]}"


def trial_name(trial: Trial) -> str:
    """`t003 lr=0.1 batch=32`, as it is shown in the grid."""
    words = [trial.trial_id, *(f"{name}={value}" for name, value in sorted(trial.variables.items()))]
    text = " ".join(words)
    return text if len(text) <= NAME_LENGTH else f"{text[: NAME_LENGTH - 1]}…"


def check_map_length(count: int, what: str = "trials") -> None:
    """Airflow would say so only when the tasks are to start, and then without a way out.

    Raises: TooManyTrials: more than it maps.
    """
    limit = max_map_length()
    if count > limit:
        raise TooManyTrials(
            f"the sweep has {count} {what}, and Airflow maps at most {limit} ([core] max_map_length); use "
            'HpcComposeSweepTaskGroup(mode="array" or "chunked"), which submits all of them as one job array, or draw fewer '
            f"with `matrix: {{random: {limit}}}`, or raise the limit"
        )


def max_map_length() -> int:
    """How many tasks of one kind Airflow makes."""
    from airflow.providers.common.compat.sdk import conf

    return int(conf.getint("core", "max_map_length", fallback=1024))


def chunks(total: int, size: int) -> list[dict[str, Any]]:
    """Parts of a sweep of so many trials, as rows for `expand_kwargs`: `first`, `count`, `chunk_name`.

    Raises: ValueError: no part has a trial.  TooManyTrials: more parts than Airflow maps.
    """
    if size < 1:
        raise ValueError(f"a chunk has at least one trial, not {size}")
    starts = range(0, total, size)
    check_map_length(len(starts), f"chunks of {size} trials")
    return [
        {"first": start, "count": min(size, total - start), "chunk_name": _chunk_name(start, min(start + size, total))}
        for start in starts
    ]


def _chunk_name(start: int, end: int) -> str:
    return f"trials {start}-{end - 1}" if end - start > 1 else f"trial {start}"
