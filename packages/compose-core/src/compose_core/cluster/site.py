"""The site: who runs hpc-compose where, with which scheduler and which programs. One value carries the outside world in."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from compose_core.clock import Clock, SystemClock
from compose_core.cluster.container_tools import ContainerTools
from compose_core.cluster.engine import CallCounter, Engine, EngineName
from compose_core.cluster.runner import CommandRunner, HostRunner
from compose_core.cluster.slurm_tools import SlurmTools
from compose_core.errors import EnvironmentProblem, UsageError
from compose_core.records.paths import StatePaths

if TYPE_CHECKING:
    from compose_core.cluster.slurm import Slurm

EngineChoice = Literal["auto", "slurm", "local"]
ContainerBackend = Literal["enroot", "apptainer"]


@dataclass(frozen=True, kw_only=True)
class Site:
    """Everything that depends on the machine and the user."""

    environment: Mapping[str, str] = field(repr=False)
    """Whole environment of the user; not shown, because secrets live in it."""
    home: Path
    user: str
    host: str
    state_dir: Path
    """`$XDG_STATE_HOME/hpc-compose`."""
    engine_choice: EngineChoice = "auto"
    clock: Clock
    runner: CommandRunner
    tools: SlurmTools = field(default_factory=SlurmTools)
    container_tools: ContainerTools = field(default_factory=ContainerTools)
    calls: CallCounter = field(default_factory=CallCounter, compare=False)
    """The scheduler programs that were started for this site, by whichever engine."""

    @classmethod
    def detect(
        cls,
        engine: str = "auto",
        environment: Mapping[str, str] | None = None,
        *,
        tools: SlurmTools | None = None,
        programs: Mapping[str, str] | None = None,
        clock: Clock | None = None,
        runner: CommandRunner | None = None,
        calls: CallCounter | None = None,
    ) -> Self:
        """The site as this process sees it; `programs` names those that are not found on the PATH: `enroot`, `sbatch` …

        Raises: UsageError: no such engine.
        """
        if engine not in ("auto", "slurm", "local"):
            raise UsageError(f"{engine!r} is no engine", remedy="Use auto, slurm or local.", code="engine")
        variables = dict(os.environ if environment is None else environment)
        user, home = _user_and_home(variables)
        used_clock = clock or SystemClock()
        return cls(
            environment=variables,
            home=home,
            user=user,
            host=socket.gethostname(),
            state_dir=_state_dir(variables, home),
            engine_choice=engine,  # type: ignore[arg-type]  # one of the three, looked at above
            clock=used_clock,
            runner=runner or HostRunner(variables, clock=used_clock),
            tools=tools or SlurmTools(**_those_of(SlurmTools, programs or {})),
            container_tools=ContainerTools(**_those_of(ContainerTools, programs or {})),
            calls=calls if calls is not None else CallCounter(),
        )

    def with_engine(self, engine: EngineName) -> Self:
        """The same site with another engine."""
        return replace(self, engine_choice=engine)

    def of_jobs(self, engine: EngineName, cluster: str | None = None) -> Self:
        """The same site as these jobs see it: their engine, and the cluster that they went to by name."""
        site = self if engine == self.engine_name else self.with_engine(engine)
        return replace(site, environment={**self.environment, "SLURM_CLUSTERS": cluster}) if cluster else site

    @property
    def engine_name(self) -> EngineName:
        """The engine that is used: with `auto` Slurm where there is an `sbatch`, else this machine."""
        if self.engine_choice != "auto":
            return self.engine_choice
        return "slurm" if self.which(self.tools.sbatch) else "local"

    @cached_property
    def engine(self) -> Engine:
        """The engine, made when it is first needed.

        Raises: EnvironmentProblem: Slurm is asked for and there is no `sbatch`.
        """
        if self.engine_name == "slurm":
            return self._slurm()
        from compose_core.cluster.local import LocalEngine

        # The job's monitor is started here, whatever the scheduler's programs run on.
        return LocalEngine(
            state_dir=self.state_dir,
            environment=self.environment,
            user=self.user,
            host=self.host,
            clock=self.clock,
            runner=HostRunner(self.environment, clock=self.clock),
            counter=self.calls,
        )

    @cached_property
    def watched_engine(self) -> Engine:
        """The same for those who watch: a scheduler's answers are shared with the user's other processes here.

        Raises: EnvironmentProblem: Slurm is asked for and there is no `sbatch`.
        """
        if self.engine_name != "slurm":
            return self.engine
        from compose_core.cluster.shared_answers import SharedAnswers

        folder = StatePaths(self.state_dir).scheduler_answers(self._which_scheduler())
        return SharedAnswers(engine=self.engine, folder=folder, clock=self.clock)

    def _which_scheduler(self) -> tuple[str, ...]:
        """What tells one cluster from another whose users have the same home."""
        programs = (str(self.which(program) or program) for program in (self.tools.squeue, self.tools.sacct))
        chosen = (self.environment.get(name, "") for name in ("SLURM_CONF", "SLURM_CLUSTERS"))
        return (self.host, self.user, *programs, *chosen)

    @property
    def available_backends(self) -> tuple[ContainerBackend, ...]:
        """The container programs that are installed here."""
        programs: dict[ContainerBackend, str] = {
            "enroot": self.container_tools.enroot,
            "apptainer": self.container_tools.apptainer,
        }
        return tuple(backend for backend, program in programs.items() if self.which(program))

    def which(self, program: str) -> Path | None:
        """Where the program is on the user's PATH; None when it is not there."""
        found = shutil.which(program, path=self.environment.get("PATH", os.defpath))
        return Path(found) if found else None

    def _slurm(self) -> Slurm:
        from compose_core.cluster.slurm import SBATCH_TIMEOUT_S, Slurm

        if isinstance(self.runner, HostRunner) and not self.which(self.tools.sbatch):
            raise EnvironmentProblem(
                f"{self.tools.sbatch} was not found on PATH",
                remedy="Load the site's Slurm, or choose the local engine (`--engine local`).",
                code="no-sbatch",
            )
        return Slurm(
            self.runner,
            environment=self.environment,
            user=self.user,
            tools=self.tools,
            clock=self.clock,
            counter=self.calls,
            sbatch_timeout_s=_positive(self.environment.get("HPC_COMPOSE_SBATCH_TIMEOUT_S", "")) or SBATCH_TIMEOUT_S,
        )


def _those_of(tools: type[SlurmTools | ContainerTools], programs: Mapping[str, str]) -> dict[str, str]:
    known = {field.name for field in fields(tools)}
    return {name: path for name, path in programs.items() if name in known}


def _user_and_home(environment: Mapping[str, str]) -> tuple[str, Path]:
    """The user by number, not by what a variable claims; the home by variable first, as shells do."""
    try:
        entry = pwd.getpwuid(os.geteuid())
        user, home = entry.pw_name, entry.pw_dir
    except KeyError:
        user, home = environment.get("USER") or str(os.geteuid()), "/"
    chosen = Path(environment.get("HOME") or home)
    return user, chosen if chosen.is_absolute() else Path(home)


def _state_dir(environment: Mapping[str, str], home: Path) -> Path:
    """Source: XDG Base Directory Specification: a relative path there is ignored."""
    base = Path(environment.get("XDG_STATE_HOME", ""))
    return (base if base.is_absolute() else home / ".local" / "state") / "hpc-compose"


def _positive(text: str) -> float | None:
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if 0 < seconds < 86400 else None
