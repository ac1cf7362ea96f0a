"""One question and one answer as JSON text: what `hpcc door` reads and prints.

A question has `schema_version`, `verb`, `workspace`, `engine` and `arguments`; an answer has `schema_version` and `ok`, and then
`answer`, or `error` with code, exit_code, message, details and problems, as in the JSON reports of all commands.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from compose_core import errors
from compose_core.errors import ExitCode, HpccError, Location, Problem, SpecError, UsageError
from compose_core.records.json_text import json_object

if TYPE_CHECKING:
    from compose_core.cluster.site import Site

SCHEMA_VERSION = 1

_KINDS: dict[str, type[HpccError]] = {
    kind.code: kind
    for kind in (
        errors.UsageError,
        errors.EnvironmentProblem,
        errors.SchedulerUnreachable,
        errors.SchedulerRefused,
        errors.SubmissionUnresolved,
        errors.NoSuchJob,
        errors.RecordError,
    )
}
_BY_STATUS: dict[int, type[HpccError]] = {
    ExitCode.USAGE: errors.UsageError,
    ExitCode.ENVIRONMENT: errors.EnvironmentProblem,
    ExitCode.UNREACHABLE: errors.SchedulerUnreachable,
}


def question(verb: str, arguments: Mapping[str, Any], *, workspace: str, engine: str) -> bytes:
    """The text of a question."""
    said = {
        "schema_version": SCHEMA_VERSION,
        "verb": verb,
        "workspace": workspace,
        "engine": engine,
        "arguments": dict(arguments),
    }
    return json.dumps(said, allow_nan=False).encode() + b"\n"


def answered(data: bytes, site_of: Callable[[str], Site]) -> dict[str, Any]:
    """The answer to the text of a question, errors included; `site_of` gives the site with an engine."""
    from compose_core.door.session import DoorSession

    try:
        asked = _read_question(data)
        site = site_of(str(asked.get("engine") or "auto"))
        session = DoorSession(site, _workspace(site, str(asked.get("workspace") or "")))
        answer = session.call(str(asked.get("verb")), asked.get("arguments") or {})
    except HpccError as error:
        return {"schema_version": SCHEMA_VERSION, "ok": False, "error": error.as_json()["error"]}
    return {"schema_version": SCHEMA_VERSION, "ok": True, "answer": answer}


def answer_of(text: str) -> dict[str, Any]:
    """The answer that the text holds; what a login shell printed before it is passed over.

    Raises: ValueError: there is none in it.  HpccError: the answer is an error.
    """
    for line in reversed(text.splitlines()):
        if line.startswith("{") and '"schema_version"' in line:
            said = json_object(line.encode("utf-8", "surrogateescape"))
            break
    else:
        raise ValueError("no answer")
    if said.get("ok") is True and isinstance(said.get("answer"), dict):
        return cast("dict[str, Any]", said["answer"])
    if said.get("ok") is False and isinstance(said.get("error"), dict):
        raise error_of(said["error"])
    raise ValueError("an answer of another shape")


def error_of(said: Mapping[str, Any]) -> HpccError:
    """The error that was told, as if it had happened here."""
    problems = [_problem(entry) for entry in said.get("problems") or () if isinstance(entry, Mapping)]
    code = str(said.get("code") or "failed")
    if code == SpecError.code and problems:
        return SpecError(problems)
    kind = _kind(code, _status(said))
    first = problems[0] if problems else None
    error = kind(
        str(said.get("message") or "it failed without saying why"),
        where=first.where if first else None,
        remedy=first.remedy if first else "",
        details=_details(said, problems),
        code=code,
    )
    return error


def _kind(code: str, status: int) -> type[HpccError]:
    if code.startswith("refused-"):
        return errors.SchedulerRefused
    return _KINDS.get(code) or _BY_STATUS.get(status, HpccError)


def _details(said: Mapping[str, Any], problems: list[Problem]) -> str:
    """Beside the first problem, which is the message itself unless there are several."""
    several = [str(problem) for problem in problems if problem.message != said.get("message")]
    return "\n".join([*several, str(said.get("details") or "")]).strip()


def _status(said: Mapping[str, Any]) -> int:
    status = said.get("exit_code")
    return status if isinstance(status, int) else int(ExitCode.FAILED)


def _problem(entry: Mapping[str, Any]) -> Problem:
    where = None
    if entry.get("file"):
        where = Location(
            file=str(entry["file"]),
            line=int(entry.get("line") or 0),
            column=int(entry.get("column") or 0),
            key_path=str(entry.get("key_path") or ""),
        )
    return Problem(
        code=str(entry.get("code") or "failed"),
        message=str(entry.get("message") or ""),
        where=where,
        remedy=str(entry.get("remedy") or ""),
        severity="warning" if entry.get("severity") == "warning" else "error",
    )


def _read_question(data: bytes) -> dict[str, Any]:
    try:
        asked = json_object(data)
    except ValueError as error:
        raise UsageError(f"the question is no JSON object: {error}", code="door-arguments") from error
    version = asked.get("schema_version")
    if version != SCHEMA_VERSION:
        raise UsageError(
            f"the question has schema_version {version!r}; this release reads {SCHEMA_VERSION}",
            remedy="Use the same release of hpc-compose on both sides.",
            code="door-version",
        )
    if not isinstance(asked.get("arguments") or {}, dict):
        raise UsageError("the arguments are no JSON object", code="door-arguments")
    return asked


def _workspace(site: Site, text: str) -> Path:
    """The folder that is named, `~` and paths relative to the home included."""
    folder = Path(text.replace("~/", "", 1) if text.startswith("~/") else text or "hpc-compose")
    return site.home / folder
