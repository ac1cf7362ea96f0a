"""Units of a toy workflow, and the runner on them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from snakemake_executor_plugin_hpccompose.runner.results import Result, read_result, result_name
from snakemake_executor_plugin_hpccompose.runner.unit import Member, Unit, Way, write_unit
from snakemake_executor_plugin_hpccompose.unit_paths import RUNNER_COMMAND

INNER = [
    "--force",
    "--nolock",
    "--ignore-incomplete",
    "--retries",
    "0",
    "--nocolor",
    "--no-hooks",
    "--mode",
    "remote",
    "--cores",
    "1",
    "--latency-wait",
    "0",
    "--force-use-threads",
]


@dataclass(frozen=True)
class UnitWorld:
    """A working directory."""

    root: Path

    def member(self, name: str, argv: Sequence[str] = (), *, attempt: int = 1) -> Member:
        """A member whose key is its name."""
        result = self.root / "results" / result_name(name, attempt)
        return Member(
            key=name,
            attempt=attempt,
            rule="toy",
            argv=tuple(argv),
            log=str(self.root / f"logs/{name}.log"),
            result=str(result),
        )

    def unit(
        self, members: Sequence[Member], *, parallel: int = 1, general: Sequence[str] = (), runner: Way = "auto"
    ) -> Unit:
        """Task 0 of a unit."""
        return Unit(
            run="run",
            unit="unit",
            task=0,
            cwd=str(self.root),
            members=tuple(members),
            parallel=parallel,
            general_args=tuple(general),
            runner=runner,
        )

    def result(self, name: str, attempt: int = 1) -> Result:
        """What became of a member."""
        result = read_result(self.root / "results" / result_name(name, attempt))
        assert result is not None, f"no result of {name}"
        return result

    def log(self, name: str) -> str:
        """The output of a member."""
        return (self.root / f"logs/{name}.log").read_text()

    def toy(self, targets: Sequence[str], snakefile: str, *, parallel: int = 1, runner: Way = "auto") -> Path:
        """The folder of a unit of the rule `toy`, one member for each value of its wildcard `i`."""
        (self.root / "Snakefile").write_text(snakefile)
        members = [
            self.member(i, ["--snakefile", "Snakefile", "--target-jobs", f"toy:i={i}", "--allowed-rules", "toy"])
            for i in targets
        ]
        folder = self.root / "units/unit"
        write_unit(folder, self.unit(members, parallel=parallel, general=INNER, runner=runner))
        return folder

    def start(self, folder: Path | None, environment: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """The runner, as a job starts it; without a folder the environment names it."""
        return subprocess.Popen(
            [*RUNNER_COMMAND, *([str(folder)] if folder else [])],
            cwd=self.root,
            env=os.environ | {"SLURM_ARRAY_TASK_ID": "0"} | dict(environment or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
