"""Files on their way between this machine and a login node, by the calls of the door."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from airflow_provider_hpccompose.job_requests import folder_name

MOST_BYTES = 256 * 1024 * 1024
"""Of all inputs together; data sets belong on the cluster, named by absolute paths."""
MOST_FILES = 10_000
_NOT_SENT = frozenset({".hpc-compose", ".git", "__pycache__"})
_BATCH_BYTES = 6 * 1024 * 1024
_LARGEST_FILE = 64 * 1024 * 1024


class Calls(Protocol):
    """A door's calls."""

    def call(self, verb: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to one question."""
        ...


@dataclass(frozen=True, kw_only=True)
class Sent:
    """Inputs that lie on the login node now."""

    local_root: Path
    remote_root: str
    remote_file: str


def send_inputs(door: Calls, compose_file: Path, *, folder: str) -> Sent:
    """The compose file and what it names, in a folder of the workspace named after their content; what is there is not sent again.

    Raises: SpecError: the file cannot be read.  UsageError: there is too much to send.
    """
    from compose_core import spec_inputs

    inputs = spec_inputs(compose_file)
    root = Path(os.path.commonpath([path if path.is_dir() else path.parent for path in inputs]))
    facts = [_facts(path, root) for path in _files(inputs)]
    name = f"{folder_name(folder)}/inputs-{_digest(facts)}"
    answer = door.call("missing", {"folder": name, "files": facts})
    wanted = set(answer["missing"])
    for batch in _batches([fact for fact in facts if fact["path"] in wanted], root):
        door.call("put", {"folder": name, "files": batch})
    file = Path(os.path.abspath(compose_file)).relative_to(root)  # noqa: PTH100 - as `spec_inputs` names it
    remote_root = str(answer["folder"])
    return Sent(local_root=root, remote_root=remote_root, remote_file=f"{remote_root}/{file}")


@contextmanager
def with_local_places(sent: Sent) -> Iterator[None]:
    """Errors about the sent files name the files here."""
    from compose_core import SpecError

    try:
        yield
    except SpecError as error:
        raise SpecError([_here(problem, sent) for problem in error.problems]) from error


def _files(inputs: tuple[Path, ...]) -> list[Path]:
    from compose_core import UsageError

    found: dict[Path, None] = {}
    for path in inputs:
        below = _files_below(path) if path.is_dir() else [path]
        found.update(dict.fromkeys(below))
        if len(found) > MOST_FILES:
            raise UsageError(
                f"{path} has more than {MOST_FILES} files to send",
                remedy="Keep data on the cluster and mount it by its absolute path.",
            )
    total = sum(file.stat().st_size for file in found)
    largest = max(found, key=lambda file: file.stat().st_size)
    if total > MOST_BYTES or largest.stat().st_size > _LARGEST_FILE:
        raise UsageError(
            f"the inputs have {total} bytes, the largest is {largest}; "
            f"at most {MOST_BYTES} in all and {_LARGEST_FILE} in one file are sent",
            remedy="Keep data on the cluster and mount it by its absolute path.",
        )
    return list(found)


def _files_below(folder: Path) -> list[Path]:
    """What a mounted folder holds, without records of jobs and without version control."""
    found: list[Path] = []
    for where, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in _NOT_SENT)
        found += [file for name in sorted(names) if (file := Path(where) / name).is_file()]
    return found


def _facts(path: Path, root: Path) -> dict[str, Any]:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return {"path": str(path.relative_to(root)), "sha256": digest, "is_executable": os.access(path, os.X_OK)}


def _digest(facts: list[dict[str, Any]]) -> str:
    ordered = sorted(facts, key=lambda fact: str(fact["path"]))
    text = "\0".join(f"{fact['path']}\0{fact['sha256']}{'x' * fact['is_executable']}" for fact in ordered)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _batches(facts: list[dict[str, Any]], root: Path) -> Iterator[list[dict[str, Any]]]:
    batch: list[dict[str, Any]] = []
    size = 0
    for fact in facts:
        data = (root / fact["path"]).read_bytes()
        if batch and size + len(data) > _BATCH_BYTES:
            yield batch
            batch, size = [], 0
        batch.append({**fact, "data": base64.b64encode(data).decode()})
        size += len(data)
    if batch:
        yield batch


def _here(problem: Any, sent: Sent) -> Any:
    where = problem.where
    if where is None or not where.file.startswith(f"{sent.remote_root}/"):
        return problem
    local = sent.local_root / where.file.removeprefix(f"{sent.remote_root}/")
    return replace(problem, where=replace(where, file=str(local)))
