"""What came of a sweep, in the forms in which it is passed on."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from compose_core.clock import iso
from compose_core.records.sweep_manifest import SweepManifest
from compose_core.spec.models import Objective, Prune
from compose_core.sweep.pruning import Curve
from compose_core.sweep.ranking import STATUSES, ResultRow, ScalingSeries, Standing, best_row, scaling, standings
from compose_core.sweep.report import SweepReport, report_html

if TYPE_CHECKING:
    from compose_core.sweep.objective import Reading
    from compose_core.sweep.state import TrialState

_CSV_COLUMNS = ("trial_id", "index", "replicate", "job_id", "status", "scheduler_state", "objective", "rank")
_CSV_LAST = ("elapsed_s", "exit_code", "submitted_at", "started_at", "ended_at", "objective_error", "detail")


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepResults:
    """The trials of a sweep with their figures, and what follows from them."""

    manifest: SweepManifest
    rows: tuple[ResultRow, ...]
    curves: Mapping[str, Curve] = field(default_factory=dict)
    """By trial id; read only where somebody asks for them."""

    @property
    def objective(self) -> Objective | None:
        """Which figure counts."""
        return objective_of(self.manifest)

    @property
    def standings(self) -> tuple[Standing, ...]:
        """Configurations, the best first."""
        return standings(self.rows, self.objective)

    @property
    def best(self) -> ResultRow | None:
        """The best trial so far."""
        return best_row(self.rows, self.objective)

    @property
    def scaling(self) -> tuple[ScalingSeries, ...]:
        """Along the objective's axis, when it has one."""
        return scaling(self.standings, self.objective)

    @property
    def counts(self) -> dict[str, int]:
        """How many trials are in which status, each named."""
        found = Counter(row.status for row in self.rows)
        return {status: found[status] for status in STATUSES}

    @property
    def is_over(self) -> bool:
        """No trial waits or runs, as far as anybody knows."""
        return not any(row.status in ("running", "pending", "unknown") for row in self.rows)

    def as_json(self) -> dict[str, Any]:
        """The fields of a report."""
        manifest, best = self.manifest, self.best
        return {
            "schema_version": 1,
            "sweep_id": manifest.sweep_id,
            "compose_file": manifest.compose_file,
            "submitted_at": manifest.submitted_at,
            "objective": manifest.objective.model_dump(mode="json") if manifest.objective else None,
            "summary": self.counts,
            "best_trial": best.trial_id if best else None,
            "best_objective": best.objective if best else None,
            "stopped_at": manifest.stopped_at,
            "stop_reason": manifest.stop_reason,
            "groups": [one.as_json() for one in self.standings],
            "scaling": [series.as_json() for series in self.scaling],
            "trials": [row.as_json() for row in self.rows],
        }

    def as_csv(self) -> str:
        """One line for each trial, parameters as columns of their own (`param.lr`)."""
        names = sorted({name for row in self.rows for name in row.variables})
        ranks = {trial: one.rank for one in self.standings for trial in one.trials}
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([*_CSV_COLUMNS, *(f"param.{name}" for name in names), *_CSV_LAST])
        for row in self.rows:
            fields = {**row.as_json(), "rank": ranks.get(row.trial_id) if row.is_ranked else None}
            for name in ("submitted_at", "started_at", "ended_at"):
                fields[name] = None if fields[name] is None else iso(fields[name])
            values = [row.variables.get(name, "") for name in names]
            writer.writerow([*(fields[name] for name in _CSV_COLUMNS), *values, *(fields[name] for name in _CSV_LAST)])
        return text.getvalue()

    def as_html(self, *, made_at: float) -> str:
        """The report as one file.

        Raises: EnvironmentProblem: plotly is not installed.
        """
        return report_html(
            SweepReport(
                sweep_id=self.manifest.sweep_id,
                compose_file=self.manifest.compose_file,
                submitted=iso(self.manifest.submitted_at),
                made=iso(made_at),
                counts=self.counts,
                objective=self.objective,
                objective_name=objective_name(self.objective),
                best=self.best,
                rows=self.rows,
                standings=self.standings,
                scaling=self.scaling,
                curves=self.curves,
            )
        )


def result_row(state: TrialState, reading: Reading) -> ResultRow:
    """A trial as it is, with the figure that was found of it."""
    trial, snapshot = state.trial, state.snapshot
    return ResultRow(
        trial_id=trial.trial_id,
        index=trial.index,
        variables=trial.variables,
        config_key=trial.config_key,
        replicate=trial.replicate,
        job_id=trial.job_id,
        status=state.status,
        state=str(snapshot.state) if snapshot else None,
        objective=reading.value,
        objective_error=reading.error,
        submitted_at=trial.submitted_at,
        started_at=snapshot.started_at if snapshot else None,
        ended_at=snapshot.ended_at if snapshot else None,
        exit_code=snapshot.exit_code if snapshot else None,
        detail=f"pruned: {trial.pruned}" if trial.pruned is not None else state.detail,
    )


def objective_of(manifest: SweepManifest) -> Objective | None:
    """As the compose file said it when the sweep was submitted."""
    return Objective(**manifest.objective.model_dump()) if manifest.objective else None


def prune_of(manifest: SweepManifest) -> Prune | None:
    """The rule that ends hopeless trials, as the compose file said it."""
    return Prune(**manifest.prune.model_dump()) if manifest.prune else None


def curve_metric(manifest: SweepManifest) -> str | None:
    """The name in `trial.jsonl` whose course tells how a trial goes."""
    pruned_by = manifest.prune.metric if manifest.prune else None
    return pruned_by or (manifest.objective.metric if manifest.objective else None)


def objective_name(objective: Objective | None) -> str:
    """What the figure is called in a table."""
    if objective is None:
        return ""
    return objective.metric or objective.json_field or "objective"


def status_counts(rows: Sequence[ResultRow]) -> str:
    """`3 completed, 1 failed`; what there is none of is left out."""
    found = Counter(row.status for row in rows)
    return ", ".join(f"{found[status]} {status.replace('_', ' ')}" for status in STATUSES if found[status])
