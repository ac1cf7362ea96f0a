"""A rule's shell command without an inner Snakemake: the node does what Snakemake would do around it, and no more.

What follows a command (missing output, `touch`, `protected`, the removal of a failed job's output) is the business of the Snakemake
that waits for the job, which does it for every job of a cluster.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from snakemake_executor_plugin_hpccompose.runner.forking import fork_member

_THREADS = (
    "OMP_NUM_THREADS",
    "GOTO_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)
_TEMPORARY = ("TMPDIR", "TMP", "TEMPDIR", "TEMP")
_WAIT_S = 1.0


class CannotRun(Exception):
    """The command was not started, and why."""


@dataclass(frozen=True, kw_only=True)
class ShellCommand:
    """The command of one member as its rule's shell gets it, and the files around it."""

    executable: str
    command: str
    threads: int = 1
    input: tuple[str, ...] = ()
    output: tuple[str, ...] = ()
    directories: tuple[str, ...] = ()
    """Those of the output that are folders."""
    log: tuple[str, ...] = ()
    latency_wait_s: float = 5.0
    """So long the input may take to be seen on the node."""
    has_tmpdir: bool = True
    """The job has Snakemake's own resource `tmpdir`: the node's folder for temporary files."""

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> ShellCommand:
        """The command that `asdict` gave.

        Raises: KeyError, TypeError, ValueError: it is something else.
        """
        lists = {name: _texts(found[name]) for name in ("input", "output", "directories", "log")}
        return cls(
            executable=str(found["executable"]),
            command=str(found["command"]),
            threads=max(1, int(found["threads"])),
            latency_wait_s=float(found["latency_wait_s"]),
            has_tmpdir=bool(found["has_tmpdir"]),
            **lists,
        )


def run_directly(command: ShellCommand, log: int) -> int:
    """The pid of a process that prepares the files, becomes the shell, and leads its own process group."""
    return fork_member(log, partial(_become_shell, command))


def _become_shell(command: ShellCommand) -> NoReturn:
    try:
        environment = environment_of(command, os.environ)
        prepare(command)
        shell = _shell(command.executable)
        os.execve(shell, [shell, "-c", command.command], environment)  # noqa: S606  (the rule's own shell)
    except (CannotRun, OSError) as error:
        os.write(2, f"The command was not started: {error}\n".encode(errors="replace"))
    finally:
        os._exit(1)


def environment_of(command: ShellCommand, environment: Mapping[str, str]) -> dict[str, str]:
    """The variables of a rule's command: how many threads it has, and where temporary files go."""
    found = {**environment, **dict.fromkeys(_THREADS, str(command.threads))}
    return {**found, **dict.fromkeys(_TEMPORARY, temporary_folder(environment))} if command.has_tmpdir else found


def temporary_folder(environment: Mapping[str, str]) -> str:
    """The node's folder for temporary files.  Source: the documentation of Python's tempfile.gettempdir."""
    named = [environment[name] for name in ("TMPDIR", "TEMP", "TMP") if environment.get(name)]
    for folder in (*named, "/tmp", "/var/tmp", "/usr/tmp"):  # noqa: S108  (the very list of tempfile)
        if Path(folder).is_dir() and os.access(folder, os.W_OK | os.X_OK):
            return str(Path(folder).absolute())
    return str(Path.cwd())


def prepare(command: ShellCommand) -> None:
    """The input is there, the output is not, and the folders of output and logs are.

    Raises: CannotRun: input is missing, or output may not be replaced.  OSError: files cannot be removed or folders made.
    """
    guarded = [path for path in command.output if _is_protected(path)]
    if guarded:
        raise CannotRun(f"write-protected output: {', '.join(guarded)}")
    for path in (*command.output, *command.log):
        _remove(path, with_content=path in command.directories)
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    if missing := _missing_after(command.input, command.latency_wait_s):
        raise CannotRun(f"missing input after {command.latency_wait_s:g} seconds: {', '.join(missing)}")


def _is_protected(path: str) -> bool:
    return Path(path).exists() and not os.access(path, os.W_OK) and not Path(path).is_symlink()


def _remove(path: str, *, with_content: bool) -> None:
    """A folder that is not declared as output goes only if it is empty."""
    if not Path(path).is_dir() or Path(path).is_symlink():
        if path != os.devnull:
            Path(path).unlink(missing_ok=True)
    elif with_content:
        from shutil import rmtree

        rmtree(path)
    else:
        try:
            os.removedirs(path)
        except OSError:
            pass  # something is in it


def _missing_after(paths: Sequence[str], wait_s: float) -> list[str]:
    """Those that are still missing then: a shared file system may show them late."""
    deadline = time.monotonic() + wait_s
    while missing := [path for path in paths if not Path(path).exists()]:
        if time.monotonic() >= deadline:
            return missing
        for folder in {Path(path).parent for path in missing}:
            if folder.is_dir():
                os.listdir(folder)  # noqa: PTH208  (makes NFS look again)
        time.sleep(min(_WAIT_S, max(0.05, wait_s)))
    return []


def _shell(executable: str) -> str:
    """As on the machine that submitted it, else the one of this name on PATH."""
    if os.access(executable, os.X_OK):
        return executable
    from shutil import which

    found = which(Path(executable).name)
    if found is None:
        raise CannotRun(f"this node has no {executable}")
    return found


def _texts(found: Any) -> tuple[str, ...]:
    if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
        raise TypeError("paths are a list of texts")
    return tuple(found)
