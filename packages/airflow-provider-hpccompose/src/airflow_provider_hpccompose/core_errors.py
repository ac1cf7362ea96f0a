"""The core's errors as the exceptions of Airflow tasks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from airflow_provider_hpccompose import exceptions

if TYPE_CHECKING:
    from compose_core import HpccError


_OF_CONNECTION = frozenset({"ssh-host-key", "ssh-key", "ssh-config", "no-ssh"})


@contextmanager
def told_to_airflow() -> Iterator[None]:
    """What goes wrong at a door is raised as one of the provider's exceptions, with its place and its remedy."""
    from compose_core import HpccError

    try:
        yield
    except HpccError as error:
        raise exception_of(error) from error


def exception_of(error: HpccError) -> exceptions.HpcComposeError:
    """The exception that stands for the error, so that retries are decided by its cause."""
    from compose_core import (
        EnvironmentProblem,
        NoSuchJob,
        SchedulerRefused,
        SchedulerUnreachable,
        SpecError,
        SubmissionUnresolved,
        UsageError,
    )

    text = str(error)
    if isinstance(error, SpecError | UsageError) or int(error.exit_code) == 2:
        return exceptions.HpcComposeSpecError(text)
    if isinstance(error, SchedulerUnreachable | SubmissionUnresolved):
        is_reached = error.code != "ssh-unreachable"
        return exceptions.HpcComposeUnreachable(text) if is_reached else exceptions.HpcComposeNotReached(text)
    if isinstance(error, SchedulerRefused):
        is_limit = error.code == "refused-limit"
        return exceptions.HpcComposeError(text) if is_limit else exceptions.HpcComposeNeverRunnable(text)
    if isinstance(error, EnvironmentProblem) and error.code in _OF_CONNECTION:
        return exceptions.HpcComposeConnectionError(text)
    if isinstance(error, EnvironmentProblem):
        return exceptions.HpcComposeSiteError(text)
    if isinstance(error, NoSuchJob):
        return exceptions.HpcComposeStateUnknown(text)
    return exceptions.HpcComposeError(text)
