"""Two ways to start the inner Snakemake of a member: off one that is imported already, or as a program of its own."""

from __future__ import annotations

import gc
import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from typing import NoReturn

from snakemake_executor_plugin_hpccompose.runner.forking import fork_member
from snakemake_executor_plugin_hpccompose.runner.program import PACKAGE

TRIAL_S = 60.0
"""So long may the trial of a forked Snakemake take."""

_USED_BY_EVERY_JOB = (
    "snakemake.assets",
    "snakemake.benchmark",
    "snakemake.profiles",
    "snakemake.script",
    "smart_open",
    "yaml",
)
"""What Snakemake imports late. One that a release lacks is left out: the children import what they need anyway."""

Start = Callable[[Sequence[str], int], int]
"""From arguments and the descriptor of the log to the pid of an inner Snakemake, which leads its own process group."""


class CannotFork(RuntimeError):
    """Members cannot be forked off here, and why."""


def spawn(argv: Sequence[str], log: int) -> int:
    """As a program of its own: slower to start, and depends on nothing but Snakemake's command line."""
    null = os.open(os.devnull, os.O_RDONLY)
    try:
        return os.posix_spawn(
            sys.executable,
            [sys.executable, "-m", "snakemake", *argv],
            os.environ,
            file_actions=[(os.POSIX_SPAWN_DUP2, null, 0), (os.POSIX_SPAWN_DUP2, log, 1), (os.POSIX_SPAWN_DUP2, log, 2)],
            setpgroup=0,
            setsigdef=[signal.SIGTERM, signal.SIGINT, signal.SIGALRM],
        )
    finally:
        os.close(null)


def import_once() -> str:
    """Snakemake is in memory afterwards, to be shared with forked children; its version.

    Raises: CannotFork: it is another Snakemake than this runner knows how to start.
    """
    _leave_program()
    try:
        main = import_module("snakemake.cli").main
        version = str(getattr(import_module("snakemake"), "__version__", ""))
    except (ImportError, AttributeError) as error:
        raise CannotFork(f"Snakemake cannot be imported: {error}") from error
    if not callable(main):
        raise CannotFork("snakemake.cli.main is no function")
    if threading.active_count() != 1:
        raise CannotFork("importing Snakemake started threads, which a fork would lose")
    return version


def _leave_program() -> None:
    """Undo what `program` did to start quickly: Snakemake finds the package as it is, and what `python -m snakemake` would find."""
    package = sys.modules.get(PACKAGE)
    if package is not None and package.__spec__ is None:
        del sys.modules[PACKAGE]
        sys.path.insert(0, os.getcwd())  # noqa: PTH109  (as the interpreter itself does it)


def warm_up() -> None:
    """What every inner Snakemake imports and computes again is in memory too: pays from the second member on."""
    for name in _USED_BY_EVERY_JOB:
        try:
            import_module(name)
        except ImportError:
            continue
    import_module("snakemake.cli").get_argument_parser()
    gc.collect()
    gc.freeze()  # a collection in a child would copy the shared memory page by page


def fork(argv: Sequence[str], log: int) -> int:
    """Off this process, which has imported Snakemake; the child never returns."""
    return fork_member(log, partial(_become_snakemake, argv))


def _become_snakemake(argv: Sequence[str]) -> NoReturn:
    code = 1
    try:
        sys.argv = ["snakemake", *argv]
        code = _exit_code_of_main(list(argv))
    finally:
        _leave(code)


def _exit_code_of_main(argv: list[str]) -> int:
    try:
        import_module("snakemake.cli").main(argv)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return int(end.code or 0) & 0xFF
        sys.stderr.write(f"{end.code}\n")
        return 1
    except BaseException:  # noqa: BLE001  (what a program of its own does with any exception: shows it and ends with 1)
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


def _leave(code: int) -> NoReturn:
    """What the interpreter does at its end, without taking the shared memory apart."""
    import atexit
    import logging

    try:
        _cancel_timers_of_snakemake()
        threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001  (ends idle workers of pools, which a join would wait for)
        atexit._run_exitfuncs()  # noqa: SLF001  (temporary folders of Snakemake and of rules are removed there)
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _cancel_timers_of_snakemake() -> None:
    """Its scheduler sets one of a second to limit the rate of jobs, and without this every job would wait for it."""
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer) and _is_of_snakemake(thread.function):
            thread.cancel()


def _is_of_snakemake(function: object) -> bool:
    return str(getattr(function, "__module__", "")).partition(".")[0] == "snakemake"


def try_fork() -> None:
    """One forked Snakemake told its version, so the others can be trusted to start.

    Raises: CannotFork: it did not.
    """
    readable, writable = os.pipe()
    pid = fork(["--version"], writable)
    os.close(writable)
    try:
        said = _read_until(readable, TRIAL_S)
    finally:
        os.close(readable)
    if said is None:
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    if said is None or code != 0:
        raise CannotFork(
            f"a forked Snakemake did not tell its version ({'no answer' if said is None else f'exit code {code}'})"
        )


def _read_until(readable: int, timeout_s: float) -> bytes | None:
    """All that was written until the end; None: that took too long."""
    said = b""
    while select.select([readable], [], [], timeout_s)[0]:
        piece = os.read(readable, 4096)
        if not piece:
            return said
        said += piece
    return None
