"""What can be typed next: ids and names as they are in the folder now, for the shell's completion.

Asked at every press of a key, so nothing heavy is imported, no scheduler is asked, and a file that cannot be read gives
no values instead of an error. Only values that a shell takes as they are get offered: nothing that somebody put into a
file becomes a command.
"""

from __future__ import annotations

import heapq
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from click import Context, Parameter
from click.shell_completion import CompletionItem

from compose_core.errors import HpccError

if TYPE_CHECKING:
    from compose_core.records.our_path import OurPath
    from compose_core.records.paths import ProjectPaths

VARIABLE = "_HPCC_COMPLETE"
"""Set when a shell asks what can be typed next."""

_PLAIN = re.compile(r"[A-Za-z0-9_@%+=:./-]+")
_MOST_JOBS = 200
_MOST_DESCRIBED = 50
_MOST_TASKS = 200
_MAX_BYTES = 1024 * 1024
_MAX_DEPTH = 64
_FAULTS = (OSError, ValueError, TypeError, RecursionError, HpccError)
"""What files that somebody else may have written can bring about."""

Found = Iterable[tuple[str, str]]
"""Values and what they stand for."""


def job_ids(ctx: Context, _parameter: Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """The tracked jobs of the folder, newest first; after `41_` the tasks of that array."""
    return _items(_tracked(_project(ctx), incomplete), incomplete)


def sweep_ids(ctx: Context, _parameter: Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """The sweeps of the folder, newest first."""
    return _items(_sweeps(_project(ctx)), incomplete)


def services(ctx: Context, _parameter: Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """The services of the job that was named, else of the compose file, else of the newest job."""
    return _items(_service_names(ctx), incomplete)


def bundles(ctx: Context, _parameter: Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """The artifact bundles of the compose file."""
    return _items(_bundle_names(ctx), incomplete)


def report_names(_ctx: Context, _parameter: Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """The commands with a JSON report."""
    from compose_core.cli.main import COMMANDS

    return _items(COMMANDS.items(), incomplete)


def _items(found: Found, incomplete: str) -> list[CompletionItem[str]]:
    """Those that begin like what is typed; what went wrong on the way leaves out the rest."""
    from compose_core.terminal_text import terminal_text

    items = []
    try:
        for value, meaning in found:
            if value.startswith(incomplete) and _PLAIN.fullmatch(value) and not value.startswith("-"):
                items.append(CompletionItem(value, help=terminal_text(meaning) or None))
    except _FAULTS:
        pass  # a person who types wants no error, and the command itself will tell it
    return items


def _project(ctx: Context) -> ProjectPaths:
    from compose_core.records.paths import ProjectPaths

    return ProjectPaths(_compose_file(ctx).parent)


def _compose_file(ctx: Context) -> Path:
    return Path(ctx.params.get("file") or "compose.yaml").absolute()


def _tracked(project: ProjectPaths, incomplete: str) -> Iterator[tuple[str, str]]:
    array, is_task, _ = incomplete.partition("_")
    if is_task:
        yield from _tasks(project, array)
        return
    for position, job_id in enumerate(_newest_jobs(project, incomplete)):
        yield job_id, _described(project, job_id) if position < _MOST_DESCRIBED else ""


def _newest_jobs(project: ProjectPaths, incomplete: str) -> list[str]:
    from compose_core.records.our_path import opened_folder
    from compose_core.records.paths import is_job_record

    with opened_folder(project.jobs) as folder, os.scandir(folder) as entries:
        names = [entry for entry in entries if is_job_record(entry.name) and entry.name.startswith(incomplete)]
        newest = heapq.nlargest(
            _MOST_JOBS, ((entry.stat(follow_symlinks=False).st_mtime, entry.name) for entry in names)
        )
    ids = (name.removesuffix(".json") for _, name in newest)
    return [job_id for job_id in ids if re.fullmatch(r"[1-9][0-9]*(\+[0-9]+)?", job_id)]


def _sweeps(project: ProjectPaths) -> Iterator[tuple[str, str]]:
    from compose_core.records.our_path import opened_folder

    with opened_folder(project.sweeps) as folder, os.scandir(folder) as entries:
        folders = [entry for entry in entries if entry.is_dir(follow_symlinks=False)]
        newest = heapq.nlargest(
            _MOST_JOBS, ((entry.stat(follow_symlinks=False).st_mtime, entry.name) for entry in folders)
        )
    yield from ((name, "") for _, name in newest)


def _tasks(project: ProjectPaths, array: str) -> Iterator[tuple[str, str]]:
    from itertools import islice

    from compose_core.array_tasks import array_tasks

    record = _object(project.job_record(array))
    spec = record["array"]["spec"] if isinstance(record.get("array"), dict) else ""
    for task in islice(array_tasks(str(spec)), _MOST_TASKS):
        yield f"{array}_{task}", str(record.get("name", ""))


def _described(project: ProjectPaths, job_id: str) -> str:
    """`train (RUNNING)`: the name, and the state as the job or an earlier command left it."""
    try:
        record = _object(project.job_record(job_id))
        state = _state(project, record)
    except _FAULTS:
        return ""
    name = str(record.get("name", ""))[:40].replace(",", " ")  # at which fish would cut
    return f"{name} ({state})" if state else name


def _state(project: ProjectPaths, record: dict[str, Any]) -> str:
    from compose_core.records.paths import JobPaths

    if record.get("array"):
        return "array"
    ending = _object(project.submission(str(record["submission_token"])).ending).get("state")
    state = ending or _object(JobPaths(Path(record["job_dir"])).state).get("job_status")
    return state if isinstance(state, str) and len(state) < 30 else ""


def _service_names(ctx: Context) -> Iterator[tuple[str, str]]:
    named = ctx.params.get("job_id")
    if named:
        yield from _services_of(_project(ctx), str(named).partition("_")[0])
        return
    try:
        found = _keys_at(_compose_file(ctx), ("services",)) or _keys_at(_compose_file(ctx), ("steps",))
    except _FAULTS:
        found = []  # it is being written just now
    if found:
        yield from ((name, "") for name in found)
        return
    for job_id in _newest_jobs(_project(ctx), "")[:1]:
        yield from _services_of(_project(ctx), job_id)


def _services_of(project: ProjectPaths, job_id: str) -> Iterator[tuple[str, str]]:
    for name in _object(project.job_record(job_id)).get("services", ()):
        yield str(name), f"of job {job_id}"


def _bundle_names(ctx: Context) -> Iterator[tuple[str, str]]:
    yield "default", ""
    for name in _keys_at(_compose_file(ctx), ("x-slurm", "artifacts", "bundles")):
        yield name, ""


def _keys_at(file: Path, path: Sequence[str]) -> list[str]:
    """The keys of the mapping at this place of a YAML file, as far as it can be read: it may be half typed."""
    import yaml

    with file.open("rb") as stream:
        data = stream.read(_MAX_BYTES)
    keys: list[str] = []
    try:
        # Events, because a tree of a file that is nested without end would end the process.
        for key in _keys(yaml.parse(data, getattr(yaml, "CSafeLoader", yaml.SafeLoader)), list(path)):
            keys.append(key)  # noqa: PERF402 - those before a fault are kept
    except yaml.YAMLError:
        pass  # a person is at it
    return keys


@dataclass(slots=True)
class _Open:
    """A collection of which the end has not been read."""

    is_mapping: bool
    key: str | None = None
    """The one it is at."""
    wants_value: bool = False


def _keys(events: Iterable[Any], path: list[str]) -> Iterator[str]:
    """The keys at this place, from a parser's events."""
    import yaml

    above: list[_Open] = []
    for event in events:
        if isinstance(event, yaml.CollectionEndEvent):
            above.pop()
        elif isinstance(event, yaml.NodeEvent):
            if above and above[-1].is_mapping:
                inner = above[-1]
                if not inner.wants_value:
                    inner.key = event.value if isinstance(event, yaml.ScalarEvent) else None
                    if len(above) == len(path) + 1 and [one.key for one in above[:-1]] == path and inner.key:
                        yield inner.key
                inner.wants_value = not inner.wants_value
            if isinstance(event, yaml.CollectionStartEvent):
                above.append(_Open(isinstance(event, yaml.MappingStartEvent)))
                if len(above) > _MAX_DEPTH:
                    return


def _object(path: OurPath) -> dict[str, Any]:
    """The JSON object in the file; empty without one."""
    from compose_core.records.atomic import read_file
    from compose_core.records.json_text import json_object

    data = read_file(path, max_bytes=_MAX_BYTES)
    return json_object(data) if data else {}
