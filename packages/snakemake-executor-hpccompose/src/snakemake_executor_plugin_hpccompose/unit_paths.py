"""Where the files of a run lie. A unit is what is submitted at once: one job, or an array whose tasks are numbered from 0.

Standard library only: jobs import it, too. A unit is one compose file: the executor fills in the command of its main service, which is
`RUNNER_COMMAND` with the unit's folder, its job name, its array and where its batch log goes. The manifest of a task there is
`<SLURM_ARRAY_TASK_ID>.json`, without an array `0.json`.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

MAIN_SERVICE = "main"
RUNNER_COMMAND = (sys.executable, "-P", str(Path(__file__).parent / "runner" / "program.py"))
"""What the main service runs, with the folder of its unit."""


@dataclass(frozen=True)
class UnitPaths:
    """The files of one unit."""

    folder: Path

    @property
    def compose_file(self) -> Path:
        """What was submitted, for people to read."""
        return self.folder / "compose.yaml"

    def manifest(self, task: int) -> Path:
        """What the task has to do."""
        return self.folder / f"{task}.json"


@dataclass(frozen=True)
class RunPaths:
    """The files of one run of the workflow in `workdir`."""

    workdir: Path
    run: str
    """What tells this run from others: ten characters."""

    @property
    def state(self) -> Path:
        """What belongs to no single run."""
        return self.workdir / ".snakemake" / "hpccompose"

    @property
    def ledger(self) -> Path:
        """Which job of the workflow went where, over all runs."""
        return self.state / "ledger.jsonl"

    @property
    def folder(self) -> Path:
        return self.state / self.run

    @property
    def results(self) -> Path:
        """How members ended, a file each."""
        return self.folder / "results"

    @property
    def services(self) -> Path:
        """What is known of the services of the workflow."""
        return self.folder / "services"

    @property
    def logs(self) -> Path:
        """The logs of all runs' jobs, unless the settings say otherwise."""
        return self.state / "logs"

    def batch_log(self, unit: str, *, array: bool) -> Path:
        """Where the unit's job writes what it has to say itself; in an array there is one for each task."""
        return self.folder / "batch" / (f"{unit}.%A_%a.log" if array else f"{unit}.%j.log")

    def wait_file(self, key: str, attempt: int) -> Path:
        """The files that the inner Snakemake of this attempt waits for, one a line."""
        return self.folder / "wait" / f"{key}.{attempt}"

    def unit(self, unit: str) -> UnitPaths:
        """The folder of one unit."""
        return UnitPaths(self.folder / "units" / unit)

    def result(self, key: str, attempt: int) -> Path:
        """How this attempt of the member ended."""
        return self.results / f"{key}.{attempt}.json"
