"""From a compose file with a `sweep` to the plan and the script of every trial; nothing is written or submitted."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from compose_core.errors import HpccError, Problem, RecordError, SpecError, UsageError
from compose_core.plan.build import build_plan
from compose_core.planning import plan_context
from compose_core.records.paths import ProjectPaths
from compose_core.records.sweep_manifest import (
    SweepManifest,
    SweepMatrix,
    SweepObjective,
    SweepOverlay,
    SweepPrune,
    SweepTrial,
)
from compose_core.render.trial import render_trial, shared_programs
from compose_core.spec.models import RandomMatrix, Sweep
from compose_core.spec.rules.sweep import DEFAULT_MAX_TRIALS
from compose_core.sweep.expansion import Trial, seed_of, sweep_variables, total_combinations, trial_count, trials
from compose_core.sweep.overlaid import load_overlaid
from compose_core.sweep.shape import plan_to_check, shape_of

if TYPE_CHECKING:
    from compose_core.cluster.site import Site
    from compose_core.plan.model import Plan
    from compose_core.spec import LoadedSpec
    from compose_core.sweep.shape import Shape

_FAULTY_TRIALS_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialPlan:
    """One trial, ready to be written down."""

    trial: Trial
    plan: Plan = field(repr=False)
    script: bytes = field(repr=False)
    script_sha256: str


@dataclass(frozen=True, kw_only=True)
class SweepPlan:
    """A sweep, settled: its trials, and which of them are planned to be submitted."""

    manifest: SweepManifest
    """As it would be before anything is submitted."""
    loaded: LoadedSpec = field(repr=False)
    trials: tuple[TrialPlan, ...]
    """Those that are planned, in order."""

    @cached_property
    def shapes(self) -> dict[Shape, list[TrialPlan]]:
        """The planned trials by what they ask of the scheduler, in order."""
        found: dict[Shape, list[TrialPlan]] = {}
        for one in self.trials:
            found.setdefault(shape_of(one.plan), []).append(one)
        return found

    @property
    def plan_to_check(self) -> Plan:
        """One plan that needs whatever any of the trials needs."""
        return plan_to_check([one.plan for one in self.trials])

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What is to be said of the trials, each thing once."""
        found = {(each.code, each.message, each.where): each for one in self.trials for each in one.plan.warnings}
        return tuple(found.values())


def expand_sweep(loaded: LoadedSpec, *, sweep_id: str, max_trials: int | None = None) -> tuple[Trial, ...]:
    """All trials of the file.

    Raises: UsageError: it has no sweep, or more trials than allowed.  HpccError: the exclusions leave none.
    """
    sweep = loaded.spec.sweep
    if sweep is None:
        raise UsageError(
            f"{loaded.source} has no `sweep`", remedy="Add `sweep: {parameters: {…}}`, or run it once with `hpcc up`."
        )
    limit = max_trials or sweep.max_trials or DEFAULT_MAX_TRIALS
    count = trial_count(sweep, limit=limit)
    if count > limit:
        shown = f"more than {limit}" if sweep.exclude else str(count)
        raise UsageError(
            f"the sweep has {shown} trials; {limit} are allowed",
            remedy=f"Allow more with --max-trials or `sweep.max_trials`, or draw some: `matrix: {{random: {limit}}}`.",
            code="sweep-too-large",
        )
    return tuple(trials(sweep, sweep_id=sweep_id))


def plan_sweep(
    site: Site,
    file: Path,
    *,
    sweep_id: str,
    max_trials: int | None = None,
    throttle: int | None = None,
    strict_env: bool = False,
    overlay: SweepOverlay | None = None,
) -> SweepPlan:
    """A new sweep of this file, with all of its trials; nothing is written. `overlay` is what a program adds to the file.

    Raises: SpecError: the file or some trial is wrong.  UsageError: it has no sweep, or too many trials.
    """
    loaded = load_overlaid(site, file, overlay, strict_env=strict_env)
    found = expand_sweep(loaded, sweep_id=sweep_id, max_trials=max_trials)
    manifest = new_manifest(site, loaded, found, sweep_id=sweep_id, throttle=throttle)
    manifest = manifest.model_copy(update={"overlay": overlay})
    planned = plan_trials(site, file, manifest, manifest.trials, strict_env=strict_env)
    if source_digests(loaded) != manifest.sources:
        raise HpccError(f"{file} was changed while its trials were planned", remedy="Run the command again.")
    return SweepPlan(manifest=manifest, loaded=loaded, trials=planned)


def new_manifest(
    site: Site,
    loaded: LoadedSpec,
    found: Sequence[Trial],
    *,
    sweep_id: str,
    throttle: int | None = None,
    digests: Mapping[str, str] | None = None,
) -> SweepManifest:
    """The manifest of a sweep of which nothing has been submitted; `digests` instead of those of its files as they are."""
    sweep = loaded.spec.sweep
    assert sweep is not None
    digests = source_digests(loaded) if digests is None else dict(digests)
    return SweepManifest(
        sweep_id=sweep_id,
        compose_file=str(loaded.source),
        submitted_at=site.clock.now(),
        engine=site.engine_name,
        matrix=_matrix(sweep),
        compose_file_sha256=digests.get(str(loaded.source), ""),
        sources=digests,
        seed=seed_of(sweep, sweep_id),
        total_combinations=total_combinations(sweep),
        objective=SweepObjective(**vars(sweep.objective)) if sweep.objective else None,
        prune=SweepPrune(**vars(sweep.prune)) if sweep.prune else None,
        throttle=throttle or sweep.throttle,
        trials=tuple(
            SweepTrial(
                trial_id=trial.trial_id,
                index=trial.index,
                variables=dict(trial.variables),
                config_key=trial.config_key,
                replicate=trial.replicate,
                seed=trial.seed,
            )
            for trial in found
        ),
    )


def plan_trials(
    site: Site, file: Path, manifest: SweepManifest, wanted: Iterable[SweepTrial], *, strict_env: bool = False
) -> tuple[TrialPlan, ...]:
    """The plan and the script of these trials, in order.

    Raises: SpecError: some trials are impossible, the first of them named.  UsageError: two would use one resume folder.
    """
    programs = str(ProjectPaths(manifest.project_dir).sweep(manifest.sweep_id).programs(shared_programs()[1]))
    found: list[TrialPlan] = []
    faults: dict[tuple[object, ...], Problem] = {}
    faulty = 0
    for one in wanted:
        trial = Trial(**one.model_dump(include={"trial_id", "index", "config_key", "replicate", "seed", "variables"}))
        variables = sweep_variables(trial, manifest.sweep_id)
        try:
            loaded = load_overlaid(site, file, manifest.overlay, sweep_variables=variables, strict_env=strict_env)
            plan = build_plan(loaded, plan_context(site, loaded))
        except SpecError as error:
            faulty += 1
            for problem in error.problems:
                told = replace(problem, message=f"trial {trial.trial_id} ({trial.config_key}): {problem.message}")
                faults.setdefault((problem.code, problem.where, problem.message), told)
            if faulty == _FAULTY_TRIALS_SHOWN:
                break
            continue
        script = render_trial(plan, programs=programs, variables=variables).encode("utf-8", "surrogateescape")
        sha256 = hashlib.sha256(script).hexdigest()
        found.append(TrialPlan(trial=trial, plan=plan, script=script, script_sha256=sha256))
    if faults:
        raise SpecError(tuple(faults.values()))
    _refuse_shared_resume_folders(found)
    return tuple(found)


def source_digests(loaded: LoadedSpec) -> dict[str, str]:
    """Every file that the spec was read from, to its SHA-256.

    Raises: RecordError: one cannot be read any more.
    """
    return {str(path): _digest(path) for path in loaded.sources}


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise RecordError(f"{path} cannot be read: {error.strerror}", remedy="It was there a moment ago.") from error


def _matrix(sweep: Sweep) -> SweepMatrix:
    if sweep.trials:
        return SweepMatrix(mode="list", replicates=sweep.replicates)
    if isinstance(sweep.matrix, RandomMatrix):
        return SweepMatrix(mode="random", random=sweep.matrix.count, replicates=sweep.replicates)
    return SweepMatrix(mode="full", replicates=sweep.replicates)


def _refuse_shared_resume_folders(found: Sequence[TrialPlan]) -> None:
    """Two trials with one resume folder would go on from each other's checkpoints."""
    owners: dict[str, str] = {}
    for one in found:
        if one.plan.resume is None:
            continue
        owner = owners.setdefault(one.plan.resume.path, one.trial.trial_id)
        if owner != one.trial.trial_id:
            raise HpccError(
                f"the trials {owner} and {one.trial.trial_id} have the same resume folder {one.plan.resume.path}, so "
                "they would go on from each other's checkpoints",
                remedy="Put ${HPC_COMPOSE_SWEEP_TRIAL} into x-slurm.resume.path.",
                code="shared-resume-folder",
            )
