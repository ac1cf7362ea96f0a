"""The sweeps of a project, by their manifests alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from compose_core.errors import RecordError
from compose_core.records.paths import ProjectPaths
from compose_core.records.sweep_journal import read_sweep, sweep_ids
from compose_core.records.sweep_manifest import SweepManifest


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedSweep:
    """What a list says of one sweep."""

    sweep_id: str
    compose_file: str
    submitted_at: float
    engine: str
    trials: int
    submitted: int
    """Trials that have a job."""
    array_job_ids: tuple[str, ...]
    best_trial: str | None
    stopped_at: float | None

    def as_json(self) -> dict[str, Any]:
        """The fields of a report."""
        return {
            "sweep_id": self.sweep_id,
            "compose_file": self.compose_file,
            "submitted_at": self.submitted_at,
            "engine": self.engine,
            "trials": self.trials,
            "submitted": self.submitted,
            "array_job_ids": list(self.array_job_ids),
            "best_trial": self.best_trial,
            "stopped_at": self.stopped_at,
        }


def listed_sweeps(project: ProjectPaths) -> tuple[tuple[ListedSweep, ...], tuple[str, ...]]:
    """The sweeps, newest first, and what could not be read.

    Raises: RecordError: the folder of sweeps cannot be read.
    """
    found, warnings = [], []
    for name in sweep_ids(project):
        try:
            manifest = read_sweep(project.sweep(name))
        except (RecordError, ValueError) as error:
            warnings.append(str(error))
            continue
        if manifest is not None:
            found.append(_listed(manifest))
    return tuple(sorted(found, key=lambda one: one.submitted_at, reverse=True)), tuple(warnings)


def _listed(manifest: SweepManifest) -> ListedSweep:
    return ListedSweep(
        sweep_id=manifest.sweep_id,
        compose_file=manifest.compose_file,
        submitted_at=manifest.submitted_at,
        engine=manifest.engine,
        trials=len(manifest.trials),
        submitted=sum(trial.job_id is not None for trial in manifest.trials),
        array_job_ids=tuple(str(group.array_job_id) for group in manifest.groups if group.array_job_id),
        best_trial=manifest.best_trial,
        stopped_at=manifest.stopped_at,
    )
