"""What a command works with: the output, the site, and the way from a compose file to a plan."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from compose_core.cli.output import Format, Output

if TYPE_CHECKING:
    from compose_core.cluster.engine import CallCounter
    from compose_core.cluster.site import Site
    from compose_core.plan import Plan
    from compose_core.records.job_record import JobRecord
    from compose_core.spec import LoadedSpec
    from compose_core.submission.context import SubmissionEvent
    from compose_core.submission.resolve import Resolution

EngineChoice = Literal["auto", "slurm", "local"]


@dataclass(frozen=True)
class Tools:
    """Built once per command; what is expensive is built when it is first used."""

    output: Output
    engine_choice: EngineChoice
    programs: Mapping[str, str] = field(default_factory=dict)
    """Other programs than those on the PATH: `enroot` to its path."""
    calls: CallCounter | None = None
    """Where the calls to the scheduler are counted, when somebody wants to know; one for all copies of these tools."""

    @classmethod
    def of(cls, *, output_format: str, engine: str, quiet: bool, calls: CallCounter | None = None) -> Tools:
        """The tools that the common options ask for."""
        return cls(
            output=Output(format=cast("Format", output_format), quiet=quiet),
            engine_choice=cast("EngineChoice", engine),
            calls=calls,
        )

    @cached_property
    def site(self) -> Site:
        """This machine, its user, and the engine that runs jobs here."""
        from compose_core.cluster.site import Site

        return Site.detect(engine=self.engine_choice, environment=os.environ, programs=self.programs, calls=self.calls)

    def with_programs(self, programs: Mapping[str, str]) -> Tools:
        """The same tools for a site with these programs."""
        return replace(self, programs=programs)

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
        from compose_core.plan import build_plan
        from compose_core.planning import plan_context

        return build_plan(loaded, plan_context(self.site, loaded))

    def project_dir(self, file: Path) -> Path:
        """The folder of the compose file; the file itself need not be there any more."""
        return file.absolute().parent

    def settle(self, project_dir: Path) -> tuple[Resolution, ...]:
        """The submissions of earlier commands that are still open after a look; each is told."""
        if not _has_open_submissions(project_dir):
            return ()
        from compose_core.operations import resolve_submissions

        still_open = resolve_submissions(self.site, project_dir, on_event=self.tell_event)
        self._tell_open(still_open)
        return still_open

    def find_job(self, file: Path, job_id: str | None) -> JobRecord:
        """The job that the command means, after open submissions have been settled.

        Raises: NoSuchJob, UsageError: there is none.  SubmissionUnresolved: there may be one, nobody can tell now.
        """
        from compose_core.operations import current_job, find_job

        if not _has_open_submissions(self.project_dir(file)):
            return find_job(self.project_dir(file), job_id)
        record, still_open = current_job(self.site, self.project_dir(file), job_id, on_event=self.tell_event)
        self._tell_open(still_open)
        return record

    def _tell_open(self, still_open: tuple[Resolution, ...]) -> None:
        for resolution in still_open:
            name = f" ({resolution.name})" if resolution.name else ""
            self.output.talk(f"submission {resolution.token}{name}: {resolution.message}")

    def tell_event(self, event: SubmissionEvent) -> None:
        """What a person should know while a submission goes on."""
        if event.kind in ("doubt", "waiting", "adopted", "absent", "warning"):
            self.output.talk(event.message)


def _has_open_submissions(project_dir: Path) -> bool:
    """Known from one look at a folder, before anything is loaded that could settle them.

    Raises: RecordError: the folder cannot be read.
    """
    from compose_core.records.atomic import names_in
    from compose_core.records.paths import ProjectPaths

    return bool(names_in(ProjectPaths(project_dir).unresolved))
