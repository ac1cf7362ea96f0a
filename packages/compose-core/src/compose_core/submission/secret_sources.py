"""Whether a job's secrets can be had, as far as the submitting host can tell; no value is looked at."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from compose_core.errors import Problem, raise_if_errors
from compose_core.plan.model import Plan, PlannedSecret
from compose_core.submission.context import SubmitContext

SECRET_LIMIT = 64 * 1024
"""Bytes of a value; the supervisor refuses more."""


def tell_secret_problems(context: SubmitContext, plan: Plan) -> None:
    """Tell what may be wrong with the secrets of the plan.

    Raises: SpecError: the job would end before its first service.
    """
    for problem in secret_problems(plan, context.environment, is_here=context.engine.name == "local"):
        context.tell("warning", problem.message)


def secret_problems(plan: Plan, environment: Mapping[str, str], *, is_here: bool) -> tuple[Problem, ...]:
    """The warnings; `is_here`: the job runs on this host, so a file that is missing here is missing there.

    Raises: SpecError: a secret cannot be had.
    """
    has_setup = bool(plan.setup or plan.modules)
    return raise_if_errors(
        problem
        for secret in plan.secrets
        for problem in (
            _variable_problems(secret, environment, has_setup=has_setup)
            if secret.env is not None
            else _file_problems(secret, Path(secret.file or ""), is_here=is_here)
        )
    )


def _variable_problems(secret: PlannedSecret, environment: Mapping[str, str], *, has_setup: bool) -> Iterator[Problem]:
    value = environment.get(secret.env or "", "")
    if not value:
        how = "is empty here" if secret.env in environment else "is not set here"
        yield Problem(
            code="secret-missing",
            message=f"the secret {secret.name} comes from the variable {secret.env}, which {how}",
            where=secret.where,
            remedy=f"Export {secret.env} before you submit, or name a `file:`.",
            severity="warning" if has_setup else "error",
        )
    elif len(os.fsencode(value)) > SECRET_LIMIT:
        yield _error(
            secret, f"the variable {secret.env}, which holds more than {SECRET_LIMIT} bytes", "Name a shorter one."
        )


def _file_problems(secret: PlannedSecret, path: Path, *, is_here: bool) -> Iterator[Problem]:
    try:
        found = path.lstat()
    except (OSError, ValueError) as error:
        yield Problem(
            code="secret-missing",
            message=f"the secret {secret.name} comes from the file {path}, which cannot be seen here: "
            f"{getattr(error, 'strerror', None) or error}",
            where=secret.where,
            remedy="Write the value into that file, with mode 600." if is_here else "It has to be there on the node.",
            severity="error" if is_here else "warning",
        )
        return
    mode = stat.S_IMODE(found.st_mode)
    allowed = 0o740 if found.st_uid == 0 else 0o700
    if not stat.S_ISREG(found.st_mode):
        yield _error(secret, f"{path}, which is no regular file", "Name the file itself: links are not followed.")
    elif found.st_uid not in (os.geteuid(), 0):
        yield _error(secret, f"{path}, which belongs to user id {found.st_uid}", "Copy it to a file of your own.")
    elif mode & 0o777 & ~allowed:
        yield _error(secret, f"{path}, whose mode {mode:04o} lets others read or change it", f"Run: chmod 600 {path}")
    elif not 0 < found.st_size <= SECRET_LIMIT + 1:
        yield _error(secret, f"{path}, which holds {found.st_size} bytes", f"A secret has 1 to {SECRET_LIMIT} bytes.")


def _error(secret: PlannedSecret, source: str, remedy: str) -> Problem:
    message = f"the secret {secret.name} comes from {source}"
    return Problem(code="secret-source", message=message, where=secret.where, remedy=remedy)
