"""The bench as a command: `up`, `env` and `down`."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from pathlib import Path

from tests.airflow.airflow_bench import AirflowBench, tear_down
from tests.slurm.bench_end import STATE_FILE, BenchError


def _command_up(options: argparse.Namespace) -> int:
    folder: Path = options.dir
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / STATE_FILE).exists():
        raise BenchError(f"there is a bench in {folder} already; end it with `down --dir {folder}`")
    bench = AirflowBench(dags=options.dag, detached=True).start()
    (folder / STATE_FILE).write_text(json.dumps({"bench": str(bench.root)}))
    print(f"healthy after {bench.startup_s['healthy']} s: {bench.url}", file=sys.stderr)
    return 0


def _command_env(options: argparse.Namespace) -> int:
    root = Path(json.loads((options.dir / STATE_FILE).read_text())["bench"])
    for name, value in json.loads((root / STATE_FILE).read_text())["environment"].items():
        print(f"export {name}={shlex.quote(value)}")
    return 0


def _command_down(options: argparse.Namespace) -> int:
    pointer = options.dir / STATE_FILE
    if not pointer.exists():
        print(f"no bench in {options.dir}", file=sys.stderr)
        return 1
    tear_down(Path(json.loads(pointer.read_text())["bench"]))
    pointer.unlink()
    return 0


def _command_guard(options: argparse.Namespace) -> int:
    sys.stdin.buffer.read()
    if (options.dir / STATE_FILE).exists():
        tear_down(options.dir)
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description="A private Airflow on this host, for tests.")
    commands = parser.add_subparsers(dest="command", required=True)
    acts = {"up": _command_up, "env": _command_env, "down": _command_down, "guard": _command_guard}
    for name, act in acts.items():
        command = commands.add_parser(name)
        command.set_defaults(act=act)
        command.add_argument("--dir", type=lambda text: Path(text).resolve(), required=True)
        if name == "up":
            command.add_argument("--dag", type=Path, action="append", default=[], help="a file for the DAG folder")
    options = parser.parse_args()
    try:
        code: int = options.act(options)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    return code
