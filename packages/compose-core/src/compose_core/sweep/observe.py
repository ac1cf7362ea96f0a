"""A sweep looked at again and again: its states, its figures, the trials that are hopeless, and whether it found enough."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from compose_core import operations
from compose_core.errors import RecordError
from compose_core.records.paths import ProjectPaths
from compose_core.records.sweep_journal import note_best, note_observed, note_pruned, publish, read_sweep
from compose_core.records.sweep_manifest import SweepManifest, SweepTrial
from compose_core.records.trial_metrics import trial_points
from compose_core.sweep.objective import ObjectiveReader, Reading
from compose_core.sweep.pruning import Curve, Pruned, hopeless
from compose_core.sweep.ranking import ResultRow
from compose_core.sweep.records import array_records
from compose_core.sweep.results import SweepResults, curve_metric, objective_of, prune_of, result_row
from compose_core.sweep.state import TrialState, settled_sweep, trial_states
from compose_core.sweep.stop import cancel_trials
from compose_core.tracking.job_files import attempt_paths
from compose_core.tracking.poller import ATTENDED, Pace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from compose_core.cluster.site import Site
    from compose_core.records.job_record import JobRecord
    from compose_core.tracking.poller import Poller

_CURVE_POINTS = 20_000
"""Of a longer curve every second point is dropped, as often as needed."""
_FIGURE_OF_RUNNING_S = 600.0
"""So often the figure of a trial that still runs is written down."""
_NO_OBJECTIVE = "the sweep has no `objective`"


@dataclass(slots=True)
class SweepObserver:
    """One sweep and what is known of its trials."""

    site: Site
    manifest: SweepManifest
    pace: Pace = ATTENDED
    _poller: Poller = field(init=False)
    _reader: ObjectiveReader | None = field(init=False)
    _curves: dict[str, tuple[tuple[int, int], Curve]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self._poller = operations.poller(self.site, pace=self.pace)
        objective = objective_of(self.manifest)
        self._reader = ObjectiveReader(objective) if objective else None

    def look(self, *, with_curves: bool = False) -> SweepResults:
        """How the sweep is now, what other commands did to it meanwhile included.

        Raises: RecordError: its journal cannot be read.
        """
        project = ProjectPaths(self.manifest.project_dir)
        told = read_sweep(project.sweep(self.manifest.sweep_id)) or self.manifest
        self.manifest = settled_sweep(self.site, told)
        arrays = array_records(project, self.manifest)
        self._poller.follow(arrays.values())
        states = trial_states(self.manifest, arrays, self._poller.look())
        rows = tuple(result_row(state, self._reading(state)) for state in states)
        curves = self._read_curves(states) if with_curves or self.manifest.prune is not None else {}
        return SweepResults(manifest=self.manifest, rows=rows, curves=curves)

    def pause_s(self) -> float:
        """How long to wait before the next look can show anything new."""
        return self._poller.pause_s()

    @property
    def trouble(self) -> str:
        """Why the scheduler did not answer; empty when it did."""
        return self._poller.trouble

    def write_down(self, results: SweepResults) -> None:
        """Put what was found into the sweep's journal, as far as it is new, and publish the manifest.

        Raises: RecordError: they cannot be written.
        """
        project = ProjectPaths(self.manifest.project_dir)
        paths = project.sweep(self.manifest.sweep_id)
        known = {trial.trial_id: trial for trial in self.manifest.trials}
        now = self.site.clock.now()
        news = [
            (row.trial_id, row.objective, row.objective_error)
            for row in results.rows
            if _is_news(row, known[row.trial_id], now)
        ]
        if news:
            note_observed(paths, news, at=now)
        has_news = bool(news)
        best = results.best.trial_id if results.best else None
        if best != self.manifest.best_trial:
            has_news = True
            note_best(paths, best, at=now)
        if has_news:
            self.manifest = read_sweep(paths) or self.manifest
            publish(project, self.manifest)

    def prune(self, results: SweepResults) -> tuple[Pruned, ...]:
        """Ask for the end of the trials that are hopeless; the decisions that are new.

        Raises: RecordError: it cannot be written down, so nothing was cancelled.
        """
        rule, objective = prune_of(self.manifest), results.objective
        if rule is None or objective is None:
            return ()
        running = [row.trial_id for row in results.rows if row.status == "running"]
        told = {trial.trial_id for trial in self.manifest.trials if trial.pruned is not None}
        decisions = hopeless(results.curves, [name for name in running if name not in told], rule, objective)
        paths = ProjectPaths(self.manifest.project_dir).sweep(self.manifest.sweep_id)
        for decision in decisions:  # written down before it is done: whoever looks next asks again where this one dies
            note_pruned(paths, decision.trial_id, why=str(decision), at=self.site.clock.now())
        if decisions:
            self.manifest = read_sweep(paths) or self.manifest
        doomed = {*told, *(decision.trial_id for decision in decisions)}
        cancel_trials(self.site, self.manifest, [name for name in running if name in doomed])
        return decisions

    def _reading(self, state: TrialState) -> Reading:
        """The figure as its files tell, else as it was written down before they were removed."""
        if self._reader is None:
            return Reading(error=_NO_OBJECTIVE)
        if state.snapshot is None or state.status == "pending":
            return Reading(
                value=state.trial.objective, error=None if state.trial.objective is not None else "it has not begun"
            )
        found = self._reader.read(state.snapshot.record)
        if found.value is None and state.trial.objective is not None:
            return Reading(value=state.trial.objective)
        return found

    def _read_curves(self, states: Sequence[TrialState]) -> dict[str, Curve]:
        name = curve_metric(self.manifest)
        if name is None:
            return {}
        found = {}
        for state in states:
            curve = self._curve(state.snapshot.record, name) if state.snapshot is not None else None
            if curve is not None:
                found[state.trial.trial_id] = curve
        return found

    def _curve(self, record: JobRecord, name: str) -> Curve | None:
        """The course of the figure, read anew only when the file changed."""
        try:
            path = attempt_paths(record, None).trial_metrics
            status = path.path.stat()
            stamp = (status.st_mtime_ns, status.st_size)
            known = self._curves.get(record.job_id)
            if known is None or known[0] != stamp:
                points = ((point.step, point.value) for point in trial_points(path) if point.name == name)
                known = stamp, Curve.of(_bounded(points))
        except (OSError, RecordError):
            return None
        self._curves[record.job_id] = known
        return known[1]


def sweep_results(site: Site, manifest: SweepManifest) -> SweepResults:
    """One look at the trials and their figures, which are written down; the scheduler is asked once for all.

    Raises: RecordError: the journal cannot be read or written.
    """
    observer = SweepObserver(site, manifest)
    results = observer.look()
    observer.write_down(results)
    return results


def _bounded(points: object) -> list[tuple[float, float]]:
    """At most so many points, from the whole length of the curve, its newest one included."""
    kept: list[tuple[float, float]] = []
    every, newest = 1, None
    for number, point in enumerate(points):  # type: ignore[arg-type, var-annotated]
        newest = point
        if number % every == 0:
            kept.append(point)
            if len(kept) > _CURVE_POINTS:
                kept = kept[::2]
                every *= 2
    if newest is not None and kept[-1] != newest:
        kept.append(newest)
    return kept


def _is_news(row: ResultRow, trial: SweepTrial, now: float) -> bool:
    """A figure that changed, or a first word on why there is none of a trial that is over.

    That of a trial that goes on changes with every line of its log, and the journal keeps all: it is written down seldom.
    """
    is_over = row.status in ("completed", "failed")
    if row.objective is not None:
        is_due = is_over or trial.observed_at is None or not 0 <= now - trial.observed_at < _FIGURE_OF_RUNNING_S
        return is_due and row.objective != trial.objective
    return is_over and row.objective_error != trial.objective_error
