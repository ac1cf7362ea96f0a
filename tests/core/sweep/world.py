"""A project with a sweep on the fake cluster."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from textwrap import dedent
from typing import Any

from compose_core.records.paths import ProjectPaths
from compose_core.records.sweep_manifest import SweepManifest
from compose_core.sweep.hold import find_sweep
from compose_core.sweep.planning import SweepPlan, plan_sweep
from compose_core.sweep.resume import Choice, resume_sweep
from compose_core.sweep.state import SweepState, settled_sweep, sweep_state
from compose_core.sweep.submit import SweepSubmission, submit_sweep
from compose_core.testing import FakeCluster
from compose_core.testing.fake_cluster import Settings

FOUR = """
    name: train
    runtime: {backend: host}
    sweep: {parameters: {lr: [1, 2], batch: [8, 16]}}
    services: {work: {command: [train, "${lr}", "${batch}"]}}
"""


class Sweeps:
    """The project and its cluster."""

    def __init__(self, folder: Path, settings: Settings | None = None) -> None:
        self.cluster = FakeCluster(settings=settings or Settings())
        self.folder = folder / "project"
        self.folder.mkdir()
        self.site = self.cluster.site(folder)
        self.project = ProjectPaths(self.folder)

    @property
    def file(self) -> Path:
        return self.folder / "compose.yaml"

    def write(self, text: str = FOUR) -> None:
        self.file.write_text(dedent(text))

    def plan(self, sweep_id: str = "s", **options: Any) -> SweepPlan:
        return plan_sweep(self.site, self.file, sweep_id=sweep_id, **options)

    def submit(self, text: str = FOUR, **options: Any) -> SweepSubmission:
        self.write(text)
        return submit_sweep(self.site, self.plan(**options))

    def resume(self, choice: Choice = "unsubmitted", **options: Any) -> SweepSubmission:
        return resume_sweep(self.site, self.manifest(), choice, **options)

    def manifest(self) -> SweepManifest:
        return find_sweep(self.project)

    def state(self) -> SweepState:
        return sweep_state(self.site, settled_sweep(self.site, self.manifest()))

    def sbatch_calls(self) -> int:
        return self.cluster.programs_run.count("sbatch")

    def arrays(self) -> list[str]:
        """The `--array` of every accepted job, as its script says it."""
        found = []
        for job in self.cluster.jobs:
            script = Path(job.command.split(" ", maxsplit=1)[0]).read_text()
            found.append(next(line.partition("=")[2] for line in script.splitlines() if "--array=" in line))
        return found

    def tasks_by_trial(self) -> Counter[str]:
        """In how many arrays that the cluster took each trial is."""
        taken = {str(job.number) for job in self.cluster.jobs}
        groups = [group for group in self.manifest().groups if group.array_job_id in taken]
        assert len(groups) == len(taken)
        return Counter(trial for group in groups for trial in group.trials)

    def end(self, array: str, *states: str) -> None:
        """Every task of the array has ended, in these states."""
        for task in range(len(states)):
            self.cluster.start(f"{array}_{task}")
        for task, state in enumerate(states):
            self.cluster.finish(f"{array}_{task}", state=state)
