"""The local engine's keeper of one job: starts the script, outlives the client, records how the script ended.

Runs as a program of its own (`python -I -S local_monitor.py FOLDER LOG CWD TOKEN BASH SCRIPT…`) and imports nothing of
compose_core, so that it starts in milliseconds and stays small for as long as the job lasts.

It prints `started` once the script runs, `taken` when another monitor of the same job was faster, `cancelled` when the
job was cancelled before it began. `started.json` is made by a link: of several monitors one gets it, and no script runs
without it. `end.json` says how the script ended.

Where the folder holds `array.json`, the script runs once for each task in it, so many at once as it allows, and the same
files are made for every task in `tasks/<number>/`; those of the job itself then speak of this process.
"""

# Not pathlib: it would take longer to import than all the rest.
# ruff: noqa: PTH103, PTH108, PTH116, PTH118, PTH119, PTH120, PTH123, PTH208
from __future__ import annotations

import json
import os
import resource
import signal
import socket
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

TOKEN_VARIABLE = "HPC_COMPOSE_SUBMISSION_TOKEN"  # noqa: S105 - a variable's name
"""Every process of a job has it in its environment, which is how strays are found."""
TASK_VARIABLE = "SLURM_ARRAY_TASK_ID"
_SWEEPS = 20


def main(arguments: list[str]) -> int:
    """Start the job; this process returns once that is settled, its child stays until the job ends."""
    folder, log, cwd, token, *command = arguments
    os.umask(0o077)
    reader, writer = os.pipe()
    if os.fork():
        os.close(writer)
        answer = os.read(reader, 256)
        os.write(1, answer)
        return 0 if answer else 1
    os.close(reader)
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    _leave_the_client(folder)
    array = _array_of(folder)
    if array is None:
        _keep(folder, log, cwd, token, command, writer)
    else:
        _keep_array(folder, array, cwd, token, command, writer)
    return 0


def _leave_the_client(folder: str) -> None:
    """Let go of the client's pipes; what goes wrong from here on is told in the job's folder."""
    null = os.open(os.devnull, os.O_RDWR)
    told = os.open(os.path.join(folder, "monitor.log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    for descriptor, target in ((0, null), (1, told), (2, told)):
        os.dup2(target, descriptor)
    os.close(null)
    os.close(told)


def _keep(folder: str, log: str, cwd: str, token: str, command: list[str], answer: int) -> None:
    gate_reader, gate = os.pipe()
    script = os.fork()
    if script == 0:
        os.close(gate)
        _become_the_script(gate_reader, log, cwd, command)
    os.close(gate_reader)
    word = _admit(folder, script)
    if word == b"started":
        os.write(gate, b"go")
    os.close(gate)
    os.write(answer, word)
    os.close(answer)
    _, status, used = os.wait4(script, 0)
    if word == b"taken":
        return
    if word == b"cancelled":
        status = signal.SIGTERM
    kill_strays(token)
    _write_end(folder, status, used)


def _array_of(folder: str) -> dict[str, Any] | None:
    try:
        with open(os.path.join(folder, "array.json"), "rb") as stream:
            array = json.load(stream)
    except FileNotFoundError:
        return None
    return array if isinstance(array, dict) else {}


def _keep_array(folder: str, array: dict[str, Any], cwd: str, token: str, command: list[str], answer: int) -> None:
    """Run the tasks in order, at most `workers` at once; after a request to cancel no further one starts."""
    word = _admit(folder, os.getpid())
    os.write(answer, word)
    os.close(answer)
    if word == b"taken":
        return
    waiting, failed = list(array["tasks"]), word == b"cancelled"
    running: dict[int, dict[str, Any]] = {}
    while running or (waiting and not _is_cancelled(folder)):
        while waiting and len(running) < array["workers"] and not _is_cancelled(folder):
            task = waiting.pop(0)
            pid = _start_task(folder, array, task, cwd, command)
            if pid is not None:
                running[pid] = task
        if not running:
            continue
        pid, status, used = os.wait4(-1, 0)
        task = running.pop(pid)
        kill_strays(token, task["task"])
        _write_end(_task_folder(folder, task), status, used)
        failed = failed or status != 0
    _write_end(folder, (1 if failed or waiting else 0) << 8)


def _start_task(folder: str, array: dict[str, Any], task: dict[str, Any], cwd: str, command: list[str]) -> int | None:
    """The process of the task; None when it was cancelled before it began."""
    place = _task_folder(folder, task)
    os.makedirs(place, mode=0o700, exist_ok=True)
    if _is_cancelled(place):
        return None
    environment = {**os.environ, **array["environment"], **task["environment"]}
    gate_reader, gate = os.pipe()
    script = os.fork()
    if script == 0:
        os.close(gate)
        _become_the_script(gate_reader, task["batch_log"], cwd, command, environment)
    os.close(gate_reader)
    word = _admit(place, script)
    is_wanted = word == b"started" and not _is_cancelled(folder)
    if is_wanted:
        os.write(gate, b"go")
    os.close(gate)
    if is_wanted:
        return script
    os.waitpid(script, 0)
    if word != b"taken":
        _write_end(place, signal.SIGTERM)
    return None


def _task_folder(folder: str, task: dict[str, Any]) -> str:
    return os.path.join(folder, "tasks", str(int(task["task"])))


def _is_cancelled(folder: str) -> bool:
    return os.path.lexists(os.path.join(folder, "cancel_requested.json"))


def _admit(folder: str, script: int) -> bytes:
    """Whether the script may run: not twice, and not when the job was cancelled meanwhile.

    Who cancels writes the request first and looks for `started.json` then; here it is the other way round, so one of
    the two sees the other.
    """
    record = {
        "schema_version": 1,
        "pid": script,
        "start_ticks": _start_ticks(script),
        "boot_id": _boot_id(),
        "host": socket.gethostname(),
        "monitor_pid": os.getpid(),
        "monitor_start_ticks": _start_ticks(os.getpid()),
        "started_at": _now(),
    }
    if not _create(folder, "started.json", record):
        return b"taken"
    return b"cancelled" if _is_cancelled(folder) else b"started"


def _become_the_script(
    gate: int, log: str, cwd: str, command: list[str], environment: Mapping[str, str] | None = None
) -> None:
    """Wait until the record of this process is on disk, then become the script; without a record end unseen."""
    if os.read(gate, 2) != b"go":
        os._exit(0)
    os.close(gate)
    os.setsid()
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    try:
        os.chdir(cwd)
        os.makedirs(os.path.dirname(log), mode=0o700, exist_ok=True)
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.close(output)
        os.execvpe(command[0], command, environment or os.environ)  # noqa: S606 - there is no shell on purpose
    except OSError as error:
        os.write(2, f"the job could not be started: {error}\n".encode())
    os._exit(127)


def kill_strays(token: str, task: int | None = None) -> int:
    """Kill every process of this user that carries the token, and the number of the task if one is given; how many there were.

    A scheduler does the same at the end of a job: nothing of it goes on unseen, not even what left its session.
    """
    killed = 0
    for _ in range(_SWEEPS):
        found = [pid for pid in _processes_of(token, task) if pid != os.getpid()]
        if not found:
            break
        killed += len(found)
        for pid in found:
            try:
                os.kill(pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                continue  # gone meanwhile
    return killed


def _processes_of(token: str, task: int | None) -> list[int]:
    if not token:
        return []
    marks = {f"{TOKEN_VARIABLE}={token}".encode()}
    if task is not None:
        marks.add(f"{TASK_VARIABLE}={task}".encode())
    user = os.geteuid()
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            if os.stat(f"/proc/{name}").st_uid != user:
                continue
            with open(f"/proc/{name}/environ", "rb") as stream:
                if marks.issubset(stream.read().split(b"\0")) and not _is_monitor(name):
                    found.append(int(name))
        except OSError:
            continue  # gone meanwhile, or not ours to read
    return found


def _is_monitor(pid: str) -> bool:
    """The keepers themselves carry the token too; they end by themselves."""
    with open(f"/proc/{pid}/cmdline", "rb") as stream:
        return os.path.basename(__file__).encode() in [
            os.path.basename(word) for word in stream.read().split(b"\0")[:5]
        ]


def _write_end(folder: str, status: int, used: resource.struct_rusage | None = None) -> None:
    signalled = os.WIFSIGNALED(status)
    record: dict[str, object] = {
        "schema_version": 1,
        "rc": None if signalled else os.WEXITSTATUS(status),
        "signal": os.WTERMSIG(status) if signalled else None,
        "ended_at": _now(),
    }
    if used is not None:  # of the script and of all processes that were waited for below it
        record["cpu_s"] = used.ru_utime + used.ru_stime
        record["largest_process_bytes"] = used.ru_maxrss * 1024
    _create(folder, "end.json", record)


def _create(folder: str, name: str, record: Mapping[str, object]) -> bool:
    """True when this call made the file; it is whole and on disk then."""
    temporary = os.path.join(folder, f".tmp-{name}-{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as stream:
        json.dump(record, stream)
        stream.write("\n")
        stream.flush()
        os.fsync(stream.fileno())
    try:
        os.link(temporary, os.path.join(folder, name))
    except FileExistsError:
        return False
    finally:
        os.unlink(temporary)
    return True


def _start_ticks(pid: int) -> int:
    with open(f"/proc/{pid}/stat", "rb") as stream:
        return int(stream.read().rpartition(b")")[2].split()[19])


def _boot_id() -> str:
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as stream:
            return stream.read().strip()
    except OSError:
        return ""


def _now() -> float:
    return datetime.now(UTC).timestamp()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
