"""The jobs of the workflow's services: each submission has a run key on disk first, so a killed run leaves none behind unknown."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from snakemake_executor_plugin_hpccompose.absolute_paths import make_paths_absolute
from snakemake_executor_plugin_hpccompose.runner.whole_file import replace_file

if TYPE_CHECKING:
    from compose_core import JobRecord, JobSnapshot, LoadedSpec, Poller, Site
    from snakemake_executor_plugin_hpccompose.workflow_services import WorkflowService

_VERSION = 1


@dataclass(kw_only=True)
class Turn:
    """One job of a service."""

    name: str
    run_key: str
    fingerprint: str
    record: JobRecord | None = None
    attached: bool = False
    """An earlier run had submitted it."""
    was_ready: bool = False
    was_seen_alive: bool = False
    unready_since: float | None = None
    """Since when it was seen to run without being ready, by our own monotonic clock: its node may have another time of day."""
    limit_s: float | None = None
    fallback_ports: Mapping[str, int] = field(default_factory=dict)
    """Literal ports of its services, by service."""

    def as_json(self) -> dict[str, Any]:
        """What the next run has to know."""
        return {"run_key": self.run_key, "fingerprint": self.fingerprint}


class ServiceJobs:
    """Starts, looks at and ends them; used by one thread."""

    def __init__(self, site: Site, workdir: Path, state_file: Path, *, run: str, take_on: bool) -> None:
        self._site, self._workdir, self._file, self._run = site, workdir, state_file, run
        self._known = _read(state_file)
        """Turns by service, as on disk; those of earlier runs are there until they are taken on or ended."""
        self._is_mine: set[str] = set()
        self._take_on = take_on
        self._poller: Poller | None = None
        self._followed: dict[str, Turn] = {}
        self._numbers = count(1)

    def start(self, asked: WorkflowService, *, fresh: bool, stopped: Callable[[], bool]) -> Turn | None:
        """The service's job: that of an earlier run if it is the same, else a new one; None: the run has been stopped.

        Raises: HpccError: it cannot be had, or nobody knows yet.
        """
        from compose_core import build_plan, plan_context, prepare_images, submit

        loaded = self._loaded(asked)
        plan = build_plan(loaded, plan_context(self._site, loaded))
        turn = None if fresh else self._left_over(asked.name, loaded.sha256)
        turn = turn or self._next(asked.name, loaded.sha256)
        if plan.images:
            prepare_images(self._site, plan)
        if stopped():
            return None
        self._note(turn)
        submission = submit(self._site, plan, run_key=turn.run_key)
        turn.record, turn.attached = submission.record, submission.attached
        turn.fallback_ports = literal_ports(loaded)
        self._follow(turn)
        return turn

    def look(self) -> dict[str, JobSnapshot]:
        """How their jobs are, by run key."""
        if self._poller is None or not self._followed:
            return {}
        by_token = {turn.record.submission_token: key for key, turn in self._followed.items() if turn.record}
        found = {
            by_token[snapshot.record.submission_token]: snapshot
            for snapshot in self._poller.look()
            if snapshot.record.submission_token in by_token
        }
        for key, snapshot in found.items():
            self._followed[key].was_seen_alive |= not snapshot.terminal
        return found

    def cancel(self, turns: Iterable[Turn]) -> list[str]:
        """End these; what could not be done, in words."""
        from compose_core import HpccError, cancel

        problems = []
        for turn in turns:
            if turn.record is None:
                continue
            try:
                cancel(self._site, turn.record, wait_s=0.0)
            except HpccError as error:
                problems.append(
                    f"Service {turn.name} of the workflow could not be cancelled ({error}): run `hpcc cancel {turn.record.job_id}`."
                )
            else:
                self.forget(turn)
        return problems

    def forget(self, turn: Turn) -> None:
        """Its job is over."""
        self._followed.pop(turn.run_key, None)
        if self._poller is not None and turn.record is not None:
            self._poller.forget([turn.record])
        self._known[turn.name] = [one for one in self._known.get(turn.name, []) if one.run_key != turn.run_key]
        self._write()

    def _loaded(self, asked: WorkflowService) -> LoadedSpec:
        from compose_core import load_spec

        variables = {**self._site.environment, **asked.variables}
        written = load_spec(asked.compose, variables=variables)
        spec = written.reloadable()  # secrets stay references; what was filled in stays as it is
        make_paths_absolute(spec, spec.setdefault("x-slurm", {}), written.project_dir)
        spec.setdefault("name", asked.name)
        text = json.dumps(spec, indent=1)
        return load_spec(asked.compose, variables=self._site.environment, project_dir=self._workdir, text=text)

    def _left_over(self, name: str, fingerprint: str) -> Turn | None:
        """The turn of an earlier run that does for this one; those that do not are ended."""
        earlier = [turn for turn in self._known.get(name, []) if turn.run_key not in self._is_mine]
        same = [turn for turn in earlier if self._take_on and turn.fingerprint == fingerprint]
        kept = same[-1] if same else None
        for turn in earlier:
            if turn is kept:
                continue
            self._end_left_over(turn)
        return kept

    def end_left_overs(self) -> list[str]:
        """Services of earlier runs that nobody took on are ended, too; what could not be done, in words."""
        from compose_core import HpccError

        problems = []
        for turn in [turn for turns in self._known.values() for turn in turns if turn.run_key not in self._is_mine]:
            try:
                problems += self._end_left_over(turn)
            except HpccError as error:
                problems.append(f"Service {turn.name} of an earlier run could not be looked for: {error}")
        return problems

    def _end_left_over(self, turn: Turn) -> list[str]:
        from compose_core import find_submission

        submission = find_submission(self._site, self._workdir, turn.run_key)
        if submission is not None:
            turn.record = submission.record
            return self.cancel([turn])
        self.forget(turn)
        return []

    def _next(self, name: str, fingerprint: str) -> Turn:
        number = next(self._numbers)  # of this run, whose keys are used once
        return Turn(name=name, run_key=f"smk-{self._run}-service-{name}-{number}", fingerprint=fingerprint)

    def _note(self, turn: Turn) -> None:
        known = self._known.setdefault(turn.name, [])
        if turn not in known:
            known.append(turn)
        self._is_mine.add(turn.run_key)
        self._write()

    def _write(self) -> None:
        services = {name: [turn.as_json() for turn in turns] for name, turns in self._known.items() if turns}
        data = {"schema_version": _VERSION, "services": services}
        replace_file(self._file, json.dumps(data, indent=1).encode())

    def _follow(self, turn: Turn) -> None:
        from compose_core import Pace, poller

        if self._poller is None:
            pace = Pace(first_s=2.0, longest_s=60.0, longest_silent_s=120.0, files_s=0.5)
            self._poller = poller(self._site, pace=pace)
        self._followed[turn.run_key] = turn
        self._poller.follow([turn.record] if turn.record is not None else [])


def literal_ports(loaded: LoadedSpec) -> dict[str, int]:
    """The ports that services are asked at whether they are ready, by service; dynamic ones are known at run time only."""
    found = {}
    for name, service in loaded.spec.services.items():
        readiness = service.readiness
        port = getattr(readiness, "port", None)
        url = getattr(readiness, "url", "")
        try:
            found[name] = int(port if port is not None else urlsplit(url).port or "")
        except (ValueError, TypeError):
            continue
    return found


def _read(path: Path) -> dict[str, list[Turn]]:
    """What earlier runs noted; a file that cannot be read is none."""
    try:
        data = json.loads(path.read_bytes())
        return {
            str(name): [
                Turn(
                    name=str(name),
                    run_key=str(turn["run_key"]),
                    fingerprint=str(turn["fingerprint"]),
                )
                for turn in turns
            ]
            for name, turns in data["services"].items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
