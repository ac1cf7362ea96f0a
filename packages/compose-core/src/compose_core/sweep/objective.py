"""How good a trial is: the figure that its objective names, read from what the trial left."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from compose_core.errors import HpccError, RecordError
from compose_core.records.atomic import read_file
from compose_core.records.job_record import JobRecord
from compose_core.records.paths import JobPaths
from compose_core.records.trial_metrics import trial_points
from compose_core.spec.models import Objective
from compose_core.tracking.job_files import attempt_paths
from compose_core.tracking.log_source import service_log
from compose_core.tracking.service_logs import read_logs

_JSON_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What was found of a trial's figure."""

    value: float | None = None
    error: str | None = None
    """Why there is none, in one sentence."""


@dataclass(slots=True)
class ObjectiveReader:
    """Reads the figure of any number of trials; one whose files did not change since is not read again."""

    objective: Objective
    _known: dict[str, tuple[object, Reading]] = field(default_factory=dict)

    def read(self, record: JobRecord) -> Reading:
        """The figure as it is now, of the trial's newest attempt; never raises for what a trial wrote."""
        try:
            paths = attempt_paths(record, None)
            print_now = self._print(record, paths)
            known = self._known.get(record.job_id)
            if known is not None and print_now is not None and known[0] == print_now:
                return known[1]
            reading = self._read(record, paths)
        except HpccError as error:
            return Reading(error=error.message)
        self._known[record.job_id] = (print_now, reading)
        return reading

    def _read(self, record: JobRecord, paths: JobPaths) -> Reading:
        if self.objective.metric is not None:
            return _from_metric(self.objective, paths)
        if self.objective.log_pattern is not None:
            return _from_logs(self.objective, record, paths)
        return _from_json(self.objective, paths)

    def _print(self, record: JobRecord, paths: JobPaths) -> object:
        """What changes when the files do; None where nothing was written yet."""
        if self.objective.metric is not None:
            files = [paths.trial_metrics.path]
        elif self.objective.log_pattern is not None:
            files = [paths.log(service).path for service in record.services]
        else:
            files = [place.path for place in _json_places(self.objective, paths)]
        found = [_stamp(file.stat) for file in files]
        return found if any(found) else None


def _stamp(stat: Callable[[], Any]) -> tuple[int, int, int] | None:
    try:
        status = stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def _from_metric(objective: Objective, paths: JobPaths) -> Reading:
    assert objective.metric is not None
    values = (point.value for point in trial_points(paths.trial_metrics) if point.name == objective.metric)
    return _chosen(values, objective, f"trial.jsonl has no {objective.metric!r} yet")


def _from_logs(objective: Objective, record: JobRecord, paths: JobPaths) -> Reading:
    """The figure of the one service whose log has it.

    A pattern that several services' logs match would give the figure of whichever is looked at: it is an error.
    """
    services = (objective.service,) if objective.service is not None else record.services
    found: dict[str, Reading] = {}
    for service in services:
        reading = _chosen(_matches(objective, paths, service), objective, "")
        if reading.error != "":
            found[service] = reading
    if len(found) > 1:
        return Reading(error=f"the logs of {', '.join(found)} match; name one with `objective.service`")
    return next(iter(found.values()), Reading(error="no line of the log matches yet"))


def _matches(objective: Objective, paths: JobPaths, service: str) -> Iterator[float | str]:
    """Every figure in the log of the service, one at a time; what the group holds where that is no number."""
    pattern = re.compile(objective.log_pattern or "")
    for line in read_logs([service_log(paths, service)], lines=None):
        if not line.is_note:
            for match in pattern.finditer(line.text):
                text = match[objective.group] or ""
                number = _number(text)
                yield text if number is None else number


def _number(text: str) -> float | None:
    try:
        return float(text.replace("_", "x"))  # Python alone reads 1_000 as a number
    except ValueError:
        return None


def _chosen(values: Iterator[float] | Iterator[float | str], objective: Objective, none_yet: str) -> Reading:
    """The last of the figures, or the best one; one that is not finite is never the best."""
    last: float | str | None = None
    best: float | None = None
    for value in values:
        last = value
        if isinstance(value, float) and math.isfinite(value) and (best is None or is_better(value, best, objective)):
            best = value
    if last is None:
        return Reading(error=none_yet)
    if objective.take == "best":
        return Reading(value=best) if best is not None else Reading(error=f"the figure is {last}, which is no number")
    if isinstance(last, str) or not math.isfinite(last):
        return Reading(error=f"the figure is {str(last)[:60]!r}, which is no finite number")
    return Reading(value=last)


def is_better(one: float, other: float, objective: Objective) -> bool:
    """Whether the first figure beats the second."""
    return one < other if objective.direction == "minimize" else one > other


def _from_json(objective: Objective, paths: JobPaths) -> Reading:
    for place in _json_places(objective, paths):
        try:
            data = read_file(place, max_bytes=_JSON_BYTES)
        except RecordError as error:
            return Reading(error=error.message)
        if data is not None:
            return _from_document(data, objective)
    return Reading(error=f"{objective.json_path} is not there yet")


def _json_places(objective: Objective, paths: JobPaths) -> tuple[Any, Any]:
    """Where the trial wrote it, and where it was collected to."""
    parts = [part for part in (objective.json_path or "").split("/") if part not in ("", ".")]
    if (objective.json_path or "").startswith("/hpc-compose/job/"):
        parts = parts[2:]
    own, collected = paths.folder, paths.payload
    for part in parts:
        own, collected = own / part, collected / part
    return own, collected


def _from_document(data: bytes, objective: Objective) -> Reading:
    try:
        value: Any = json.loads(data)
    except (ValueError, RecursionError):
        return Reading(error=f"{objective.json_path} holds no JSON")
    for part in (objective.json_field or "").split("."):
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isascii() and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            return Reading(error=f"{objective.json_path} has no field {objective.json_field!r}")
    number = _finite(value)
    if number is None:
        return Reading(error=f"{objective.json_field} of {objective.json_path} is no finite number")
    return Reading(value=number)


def _finite(value: Any) -> float | None:
    """The figure; a whole number may be too large for one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
