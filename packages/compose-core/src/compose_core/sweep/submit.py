"""Trials become arrays: written down first, one submission for each shape, split where the site takes no larger one.

A group of trials is one submission with a run key of its own, so a client that died at any point is followed by one that
attaches to what is there; no trial is ever a task of two arrays by accident.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from compose_core import operations
from compose_core.cluster.slurm import Slurm
from compose_core.errors import HpccError, SchedulerRefused
from compose_core.plan.model import Plan
from compose_core.records.atomic import create_file, create_files, read_file
from compose_core.records.job_record import SweepPlace
from compose_core.records.paths import ProjectPaths, SweepPaths
from compose_core.records.sweep_journal import (
    create_sweep,
    note_group,
    note_refused,
    note_submitted,
    publish,
    read_sweep,
)
from compose_core.records.sweep_manifest import SweepGroup, SweepManifest
from compose_core.render.trial import render_group, shared_programs
from compose_core.submission.context import SubmissionEvent, keep_quiet
from compose_core.submission.submit import submit_plan
from compose_core.sweep.hold import held_sweep
from compose_core.sweep.records import group_tasks, write_records
from compose_core.sweep.shape import array_plan

if TYPE_CHECKING:
    from compose_core.cluster.lease import Lease
    from compose_core.cluster.site import Site
    from compose_core.submission.context import SubmitContext
    from compose_core.sweep.planning import SweepPlan, TrialPlan

Listener = Callable[[SubmissionEvent], None]

EXISTS = "sweep-exists"
"""The code of the error that there is a sweep with this id."""
USUAL_ARRAY_SIZE = 1000
"""Slurm's own MaxArraySize is 1001: an array of so many tasks is tried without asking."""
_MOST_VERSIONS = 1000


@dataclass(slots=True, kw_only=True)
class SweepSubmission:
    """What one command submitted of a sweep."""

    manifest: SweepManifest
    submitted: list[str] = field(default_factory=list)
    """Ids of the trials that have a job now."""
    resubmitted: list[str] = field(default_factory=list)
    """Those of them that had one before."""
    groups: list[str] = field(default_factory=list)
    """The groups that were taken."""
    refused: dict[str, str] = field(default_factory=dict)
    """Ids of the trials that have none, and why."""
    open: list[str] = field(default_factory=list)
    """Ids of the trials of which it is not known yet whether the scheduler has them."""
    trouble: HpccError | None = None
    """What kept the command from going on."""
    skipped: int = 0
    """Trials that had been submitted before."""
    warnings: list[str] = field(default_factory=list)
    """What is worth telling of a new sweep."""
    resumed: bool = False


def new_sweep_id(site: Site) -> str:
    """An id that no other sweep of this machine has."""
    return f"sweep-{int(site.clock.now() * 1000)}-{os.getpid()}"


def submit_sweep(site: Site, plan: SweepPlan, *, on_event: Listener = keep_quiet) -> SweepSubmission:
    """Submit the trials of a new sweep; some may be refused, which stops no others.

    Raises: HpccError: there is a sweep with this id.  RecordError: it cannot be written down; nothing was submitted.
    """
    project = ProjectPaths(plan.manifest.project_dir)
    paths = project.sweep(plan.manifest.sweep_id)
    with held_sweep(site, paths) as held:
        if read_sweep(paths) is not None:
            raise HpccError(
                f"there is a sweep {plan.manifest.sweep_id} already",
                remedy="`hpcc sweep resume` goes on.",
                code=EXISTS,
            )
        create_sweep(paths, plan.manifest)
        publish(project, plan.manifest)
        submitter = Submitter(site, plan.manifest, held, of=len(plan.trials), on_event=on_event)
        for shape in plan.shapes.values():
            submitter.submit(shape)
        return submitter.finish()


class Submitter:
    """Submits trials of one sweep, group by group; the caller holds the sweep."""

    def __init__(
        self, site: Site, manifest: SweepManifest, held: Lease, *, of: int, on_event: Listener = keep_quiet
    ) -> None:
        """`of` is the number of trials that are to be submitted, among which the throttle is divided."""
        self._site = site
        self._manifest = manifest
        self._held = held
        self._project = ProjectPaths(manifest.project_dir)
        self._context: SubmitContext = operations.submit_context(site, manifest.project_dir, on_event=on_event)
        self._largest: int | None = None
        self._made = len(manifest.groups)
        self._total = of
        self._had_a_job = {trial.trial_id for trial in manifest.trials if trial.job_id is not None}
        self.result = SweepSubmission(manifest=manifest)

    @property
    def _paths(self) -> SweepPaths:
        return self._project.sweep(self._manifest.sweep_id)

    def submit(self, trials: Sequence[TrialPlan]) -> None:
        """Submit trials of one shape, in as few arrays as the site takes; what a limit leaves over is noted as refused."""
        size = min(len(trials), self._array_size(len(trials)))
        rest = list(trials)
        while rest and self.result.trouble is None:
            if self._is_stopped():
                self._refuse(rest, "the sweep was stopped before this trial was submitted")
                return
            size = min(size, len(rest))
            answer = self._submit_new(rest[:size])
            smaller = self._smaller(answer, size) if answer is not None else 0
            if smaller:
                size = smaller
            elif answer is not None and answer.code == "refused-limit":
                self._refuse(rest, answer.message)
                return
            else:
                rest = rest[size:]

    def submit_open(self, group: SweepGroup, trials: Sequence[TrialPlan]) -> None:
        """Go on with a group that an earlier client wrote down: with its scripts as they are, under its run key."""
        known = {trial.trial_id: trial for trial in self._manifest.trials}
        scripts = [
            (str(known[name].script_path).rpartition("/")[2], str(known[name].script_sha256)) for name in group.trials
        ]
        plan = array_plan([one.plan for one in trials], name=self._manifest.sweep_id, throttle=group.throttle)
        self._hand_over(group, plan, scripts)

    def finish(self) -> SweepSubmission:
        """`sweep.json` says what became of it."""
        self.result.manifest = read_sweep(self._paths) or self._manifest
        publish(self._project, self.result.manifest)
        return self.result

    def _submit_new(self, trials: Sequence[TrialPlan]) -> SchedulerRefused | None:
        """None when the group was submitted, or it is not known; the refusal is noted."""
        name = f"g{self._made:03d}"
        self._made += 1
        group = SweepGroup(
            name=name,
            run_key=f"sweep {self._manifest.sweep_id} {name}",
            trials=tuple(one.trial.trial_id for one in trials),
            throttle=self._share(len(trials)),
        )
        scripts = self._write_scripts(trials)
        files = [str(self._paths.folder / script) for script, _ in scripts]
        tasks = group_tasks(self._context, self._manifest.sweep_id, name, trials, files)
        tasks.replace(self._paths.tasks(name))
        note_group(
            self._paths,
            group,
            [(path, sha256) for path, (_, sha256) in zip(files, scripts)],
            at=self._site.clock.now(),
        )
        plan = array_plan([one.plan for one in trials], name=self._manifest.sweep_id, throttle=group.throttle)
        return self._hand_over(group, plan, scripts)

    def _hand_over(self, group: SweepGroup, plan: Plan, scripts: Sequence[tuple[str, str]]) -> SchedulerRefused | None:
        """The group's one submission; a refusal is noted and given back, doubts are kept."""
        script = render_group(
            plan.directives,
            sweep_id=self._manifest.sweep_id,
            compose_file=self._manifest.compose_file,
            folder=str(self._paths.folder),
            scripts=scripts,
            early_signal=plan.early_signal,
        )
        try:
            submission = submit_plan(
                self._context,
                plan,
                script,
                run_key=group.run_key,
                kind="sweep",
                sweep=SweepPlace(sweep_id=self._manifest.sweep_id),
            )
        except SchedulerRefused as error:
            note_refused(self._paths, group.name, error.message, at=self._site.clock.now())
            self.result.refused |= dict.fromkeys(group.trials, error.message)
            return error
        except HpccError as error:  # it is not known, or nothing can be written down: a later command goes on from here
            self.result.open.extend(group.trials)
            self.result.trouble = error
            return None
        note_submitted(
            self._paths,
            group.name,
            token=submission.token,
            array_job_id=submission.job_id,
            at=submission.record.submitted_at,
        )
        self.result.groups.append(group.name)
        self.result.submitted.extend(group.trials)
        self.result.resubmitted.extend(name for name in group.trials if name in self._had_a_job)
        for trial_id in group.trials:
            self.result.refused.pop(trial_id, None)
        taken = group.model_copy(update={"token": submission.token, "array_job_id": submission.job_id})
        write_records(self._project, self._manifest, taken)
        return None

    def _is_stopped(self) -> bool:
        """Somebody ended the sweep, or took it over, while this command was at work."""
        if not self._held.is_ours():
            return True
        now = read_sweep(self._paths) if self.result.submitted else None
        return now is not None and now.stopped_at is not None

    def _refuse(self, trials: Sequence[TrialPlan], message: str) -> None:
        self.result.refused |= {one.trial.trial_id: message for one in trials}

    def _array_size(self, wanted: int) -> int:
        """How many tasks an array may have here; asked only for more than is usual."""
        if wanted <= USUAL_ARRAY_SIZE or self._context.engine.name != "slurm":
            return wanted
        return self._site_size() or USUAL_ARRAY_SIZE

    def _site_size(self) -> int | None:
        if self._largest is None and isinstance(self._context.engine, Slurm):
            settings = self._context.engine.settings()
            text = settings.get("MaxArraySize", "") if isinstance(settings, dict) else ""
            self._largest = int(text) if text.isascii() and text.isdigit() else None
        return self._largest

    def _smaller(self, answer: SchedulerRefused, size: int) -> int:
        """How many trials to try next; 0 when fewer would be refused, too."""
        if answer.code == "refused-limit":
            return size // 2
        if "array" in answer.message.lower() and answer.code == "refused-permanent":
            largest = self._site_size() or 0
            return largest if 0 < largest < size else 0
        return 0

    def _share(self, count: int) -> int | None:
        """The group's part of the trials that may run at once; at least one."""
        throttle = self._manifest.throttle
        return None if throttle is None else max(1, throttle * count // self._total)

    def _write_scripts(self, trials: Sequence[TrialPlan]) -> list[tuple[str, str]]:
        """File name and SHA-256 of each trial's script, on disk."""
        programs, sha256 = shared_programs()
        files: dict[str, bytes] = {}
        names = []
        for one in trials:
            name = self._free_name(one)
            files[name] = one.script
            names.append((name, one.script_sha256))
        create_file(self._paths.programs(sha256), programs.encode())
        create_files(self._paths.folder, files)
        return names

    def _free_name(self, one: TrialPlan) -> str:
        """The trial's script, or another one beside it when that was submitted with other content."""
        for version in range(1, _MOST_VERSIONS):
            path = self._paths.script(one.trial.trial_id, version)
            if not path.path.exists():
                return path.name
            if read_file(path, max_bytes=64 * 1024 * 1024) == one.script:
                return path.name
        raise HpccError(f"there are too many scripts of trial {one.trial.trial_id}", remedy="Submit a new sweep.")
