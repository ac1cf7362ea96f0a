"""Jobs by their keys, for those who look at many: one submission in doubt hides no other."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_hpccompose.doors import Door, JobHandle

log = logging.getLogger(__name__)


def find_known(door: Door, keys: Sequence[str]) -> dict[str, JobHandle]:
    """The jobs of those keys that have one; keys of which nobody can say so now are left out, and told of in the log.

    Raises: HpccError: nobody can say it of any of them.
    """
    found, error = _find(door, list(keys))
    if error is not None and not found:
        raise error
    return found


def _find(door: Door, keys: list[str]) -> tuple[dict[str, JobHandle], Exception | None]:
    """What is found, and the last doubt: halves of the keys are asked for until the doubtful ones stand alone."""
    from compose_core import SchedulerUnreachable, SubmissionUnresolved

    if not keys:
        return {}, None
    try:
        return dict(door.find(keys)), None
    except (SchedulerUnreachable, SubmissionUnresolved) as error:
        if len(keys) == 1:
            log.warning("The submission %s is left out: %s", keys[0], error)
            return {}, error
        if getattr(error, "code", "") == "ssh-unreachable":
            return {}, error  # no half of them will be answered
    middle = len(keys) // 2
    first, doubt = _find(door, keys[:middle])
    second, other = _find(door, keys[middle:])
    return {**first, **second}, other or doubt
