"""What a command works with: the output, the site, and the way from a compose file to a plan."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from compose_core.cli.output import Format, Output
from compose_core.errors import NoSuchJob, SubmissionUnresolved

if TYPE_CHECKING:
    from compose_core.cluster.engine import Engine
    from compose_core.cluster.site import Site
    from compose_core.plan import Plan
    from compose_core.plan.model import Backend
    from compose_core.records.job_record import JobRecord
    from compose_core.spec import LoadedSpec
    from compose_core.submission.context import SubmissionEvent, SubmitContext
    from compose_core.submission.resolve import Resolution
    from compose_core.tracking.snapshot import JobSnapshot

EngineChoice = Literal["auto", "slurm", "local"]


@dataclass(frozen=True)
class Tools:
    """Built once per command; what is expensive is built when it is first used."""

    output: Output
    engine_choice: EngineChoice

    @classmethod
    def of(cls, *, output_format: str, engine: str, quiet: bool) -> Tools:
        """The tools that the common options ask for."""
        return cls(
            output=Output(format=cast("Format", output_format), quiet=quiet),
            engine_choice=cast("EngineChoice", engine),
        )

    @cached_property
    def site(self) -> Site:
        """This machine, its user, and the engine that runs jobs here."""
        from compose_core.cluster.site import Site

        return Site.detect(engine=self.engine_choice, environment=os.environ)

    def load(self, file: Path, *, strict_env: bool = False) -> LoadedSpec:
        """The checked compose file, with the variables of this process.

        Raises: SpecError: the file is wrong.
        """
        from compose_core.spec import load_spec

        return load_spec(file, variables=os.environ, strict_env=strict_env)

    def plan(self, file: Path, *, strict_env: bool = False) -> Plan:
        """The plan of the compose file at this site.

        Raises: SpecError: the file is wrong, or asks for what cannot run here.
        """
        return self.plan_of(self.load(file, strict_env=strict_env))

    def plan_of(self, loaded: LoadedSpec) -> Plan:
        """The plan of a loaded file at this site."""
        from compose_core.plan import PlanContext, build_plan

        return build_plan(
            loaded,
            PlanContext(
                engine=self.site.engine_name,
                home=str(self.site.home),
                container_backends=self._container_backends(),
            ),
        )

    def project_dir(self, file: Path) -> Path:
        """The folder of the compose file; the file itself need not be there any more."""
        return file.absolute().parent

    def settle(self, project_dir: Path) -> tuple[Resolution, ...]:
        """The submissions of earlier commands that are still open after a look; each is told."""
        from compose_core.submission.resolve import resolve_pending

        looked = resolve_pending(self.submit_context(project_dir))
        still_open = tuple(resolution for resolution in looked if resolution.status != "settled")
        for resolution in still_open:
            self.output.talk(f"submission {resolution.token} ({resolution.name}): {resolution.message}")
        return still_open

    def find_job(self, file: Path, job_id: str | None) -> JobRecord:
        """The job that the command means, after open submissions have been settled.

        Raises: NoSuchJob, UsageError: there is none.  SubmissionUnresolved: there may be one, nobody can tell now.
        """
        from compose_core.records.paths import ProjectPaths
        from compose_core.tracking.find_job import find_job

        project_dir = self.project_dir(file)
        still_open = self.settle(project_dir)
        try:
            return find_job(ProjectPaths(project_dir), job_id)
        except NoSuchJob as error:
            if not any(resolution.status in ("unanswered", "doubtful") for resolution in still_open):
                raise
            raise SubmissionUnresolved(
                f"{error.message} as far as is known, but {still_open[0].message}",
                remedy="Run the command again when the scheduler answers; nothing is submitted twice.",
            ) from error

    def engine_of(self, record: JobRecord) -> Engine:
        """The engine that runs this job, whichever new jobs would go to."""
        from compose_core.cluster.site import Site

        if record.backend == self.site.engine_name:
            return self.site.engine
        return Site.detect(engine=record.backend, environment=os.environ).engine

    def observe(self, records: Sequence[JobRecord]) -> list[JobSnapshot]:
        """How these jobs are now: one question per engine, however many they are."""
        from compose_core.tracking.observe import observe

        engines: dict[str, Engine] = {}
        for record in records:
            if record.backend not in engines:
                engines[record.backend] = self.engine_of(record)
        return observe(records, engines, self.site.clock)

    def submit_context(self, project_dir: Path) -> SubmitContext:
        """What a submission in this folder works with; what it says goes to stderr."""
        from compose_core.records.paths import ProjectPaths, StatePaths
        from compose_core.submission.context import Client, SubmitContext
        from compose_core.version import __version__

        site = self.site
        return SubmitContext(
            engine=site.engine,
            clock=site.clock,
            project=ProjectPaths(project_dir),
            state=StatePaths(site.state_dir),
            client=Client.this_process(host=site.host, user=site.user),
            on_event=self._tell_event,
            tool_version=__version__,
        )

    def _tell_event(self, event: SubmissionEvent) -> None:
        if event.kind in ("doubt", "waiting", "adopted", "absent", "warning"):
            self.output.talk(event.message)

    def _container_backends(self) -> tuple[Backend, ...]:
        """On a cluster the nodes decide, which planning cannot see; here it is what is installed."""
        if self.site.engine_name == "slurm":
            return ("pyxis", "enroot", "apptainer")
        return self.site.available_backends
