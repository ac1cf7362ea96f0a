"""The bench as a command: `up`, `down`, `env` and `run`."""

from __future__ import annotations

import argparse
import json
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.slurm.bench import SlurmBench
from tests.slurm.bench_end import STATE_FILE, BenchError, stop_recorded
from tests.slurm.bench_host import outer_environment


@contextmanager
def _interruptible() -> Iterator[None]:
    """TERM ends this command like an interrupt, so that the bench is stopped on the way out."""

    def interrupt(signum: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _command_up(options: argparse.Namespace) -> int:
    folder: Path = options.dir
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / STATE_FILE).exists():
        raise BenchError(f"there is a bench in {folder} already; end it with `down --dir {folder}`")
    bench = SlurmBench(accounting=options.accounting, nodes=options.nodes, detached=True).start()
    # The bench itself lives in a folder with a short name: socket paths are limited to 107 bytes.
    (folder / STATE_FILE).write_text(json.dumps({"bench": str(bench.root), "environment": bench.environment}))
    print(f"up in {bench.startup_s['nodes']} s: {bench.root}", file=sys.stderr)
    return 0


def _command_down(options: argparse.Namespace) -> int:
    pointer = options.dir / STATE_FILE
    if not pointer.exists():
        print(f"no bench in {options.dir}", file=sys.stderr)
        return 1
    stop_recorded(Path(json.loads(pointer.read_text())["bench"]))
    pointer.unlink()
    return 0


def _command_env(options: argparse.Namespace) -> int:
    environment = json.loads((options.dir / STATE_FILE).read_text())["environment"]
    for name, value in environment.items():
        print(f"export {name}={shlex.quote(value)}")
    return 0


def _command_run(options: argparse.Namespace) -> int:
    argv = options.argv[1:] if options.argv[:1] == ["--"] else options.argv
    if not argv:
        raise BenchError("run: a command is missing, e.g. `run -- sinfo`")
    with _interruptible(), SlurmBench(accounting=options.accounting, nodes=options.nodes) as bench:
        env = {**outer_environment(), **bench.environment, "SLURM_BENCH_SHARED_DIR": str(bench.shared_dir)}
        return subprocess.run(argv, env=env, check=False).returncode


def _command_guard(options: argparse.Namespace) -> int:
    sys.stdin.buffer.read()
    stop_recorded(options.dir)
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="A private Slurm cluster on this host, for tests.")
    commands = parser.add_subparsers(dest="command", required=True)
    acts = {"up": _command_up, "down": _command_down, "env": _command_env, "guard": _command_guard, "run": _command_run}
    for name, act in acts.items():
        command = commands.add_parser(name)
        command.set_defaults(act=act)
        if name != "run":
            command.add_argument("--dir", type=lambda text: Path(text).resolve(), required=True)
        if name in ("up", "run"):
            command.add_argument("--no-accounting", dest="accounting", action="store_false")
            command.add_argument("--nodes", type=int, default=4)
        if name == "run":
            command.add_argument("argv", nargs=argparse.REMAINDER)
    options = parser.parse_args(arguments)
    try:
        code: int = options.act(options)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    return code
