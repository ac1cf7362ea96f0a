"""`airflow hpccompose status` and `airflow hpccompose reap`: the jobs of this Airflow, and the end of those that nobody waits for."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from argparse import Namespace

    from airflow_provider_hpccompose.doors import Door
    from airflow_provider_hpccompose.orphans import ActiveJob, TaskFacts

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_COLUMNS = ("job_id", "state", "age_s", "dag_id", "run_id", "task_id", "map_index", "task_state", "why", "outcome")
_EXIT_FAILED = 1
_EXIT_UNREACHABLE = 4


def get_hpccompose_cli_commands() -> list[Any]:
    """The command group, for Airflow's parser."""
    from airflow.cli.cli_config import ActionCommand, Arg, GroupCommand, lazy_load_command

    conn_id = Arg(
        ("--conn-id",),
        help="Connection of type hpccompose; may be given several times (default: hpccompose_default)",
        action="append",
    )
    form = Arg(("--format",), help="How the jobs are printed", choices=("text", "json"), default="text")
    older = Arg(
        ("--older-than",),
        help="Only jobs that were submitted longer ago are orphans: 90s, 10m, 2h, 1d (default: 10m)",
        type=seconds,
        default=600.0,
    )
    dry_run = Arg(("--dry-run",), help="Say what would be cancelled and cancel nothing", action="store_true")
    module = f"{__package__}.cli"
    return [
        GroupCommand(
            name="hpccompose",
            help="Compose jobs of this Airflow on clusters",
            subcommands=(
                ActionCommand(
                    name="status",
                    help="The jobs of this Airflow that wait or run, and whether their tasks wait for them",
                    func=lazy_load_command(f"{module}.status"),
                    args=(conn_id, older, form),
                ),
                ActionCommand(
                    name="reap",
                    help="Cancel the jobs of this Airflow that no task waits for any more",
                    func=lazy_load_command(f"{module}.reap"),
                    args=(conn_id, older, dry_run, form),
                ),
            ),
        )
    ]


def main(argv: Sequence[str] | None = None) -> None:
    """The same commands as `python -m airflow_provider_hpccompose.cli`: Airflow 3.1 takes none from providers."""
    from argparse import ArgumentParser

    parser = ArgumentParser(prog="python -m airflow_provider_hpccompose.cli")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in get_hpccompose_cli_commands()[0].subcommands:
        one = commands.add_parser(command.name, help=command.help)
        for argument in command.args:
            argument.add_to_parser(one)
        one.set_defaults(func=command.func)
    args = parser.parse_args(argv)
    args.func(args)


def status(args: Namespace) -> None:
    """Print the jobs."""
    _report(args, end_them=False)


def reap(args: Namespace) -> None:
    """Print the jobs and end the orphans."""
    _report(args, end_them=not args.dry_run)


def seconds(text: str) -> float:
    """`90s`, `10m`, `2h`, `1d` or a number, in seconds.

    Raises: ValueError: it is none of these.
    """
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([smhd]?)", text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no duration such as 90s, 10m, 2h or 1d")
    return float(match[1]) * _UNITS[match[2] or "s"]


def _report(args: Namespace, *, end_them: bool) -> None:
    from airflow_provider_hpccompose.core_errors import told_to_airflow
    from airflow_provider_hpccompose.exceptions import HpcComposeError, HpcComposeUnreachable

    code, rows = 0, []
    for conn_id in args.conn_id or ["hpccompose_default"]:
        try:
            with told_to_airflow():
                jobs = _jobs(conn_id, args.older_than, end_them=end_them)
        except HpcComposeError as error:
            print(f"{conn_id}: {error}", file=sys.stderr)  # noqa: T201  (a command talks)
            code = max(code, _EXIT_UNREACHABLE if isinstance(error, HpcComposeUnreachable) else _EXIT_FAILED)
            continue
        rows += [{"conn_id": conn_id, **job.as_json()} for job in jobs]
        if any(job.outcome.startswith("failed") for job in jobs):
            code = code or _EXIT_FAILED
    print(_json(rows) if args.format == "json" else table(rows))  # noqa: T201  (its data)
    if code:
        sys.exit(code)


def _jobs(conn_id: str, older_than_s: float, *, end_them: bool) -> list[ActiveJob]:
    from airflow_provider_hpccompose.operators.connected import instance_id
    from airflow_provider_hpccompose.orphans import active_jobs, end_orphans
    from compose_core import SystemClock

    door = door_in_database(conn_id)
    now = SystemClock().now()
    jobs = active_jobs(door, instance=instance_id(), task_of=task_in_database, now=now, older_than_s=older_than_s)
    return end_orphans(door, jobs, task_of=task_in_database) if end_them else jobs


def door_in_database(conn_id: str) -> Door:
    """The way to the jobs of a connection that is read where the scheduler reads it: a command has no API server to ask.

    Raises: HpcComposeConnectionError: the connection is missing or wrong.
    """
    from airflow.models.connection import Connection

    from airflow_provider_hpccompose.hooks.hpccompose import HpcComposeHook

    class CommandHook(HpcComposeHook):
        @classmethod
        def get_connection(cls, conn_id: str) -> Any:
            return Connection.get_connection_from_secrets(conn_id)

    return CommandHook(conn_id).get_door()


def task_in_database(labels: Mapping[str, str]) -> TaskFacts | None:
    """The task instance of a job; None: its run was deleted."""
    from airflow.models.dagrun import DagRun
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session
    from sqlalchemy import select

    from airflow_provider_hpccompose.orphans import TaskFacts

    with create_session() as session:
        query = (
            select(TaskInstance.state, TaskInstance.operator, DagRun.state)
            .join(DagRun, (DagRun.dag_id == TaskInstance.dag_id) & (DagRun.run_id == TaskInstance.run_id))
            .where(
                TaskInstance.dag_id == labels.get("dag_id"),
                TaskInstance.run_id == labels.get("run_id"),
                TaskInstance.task_id == labels.get("task_id"),
                TaskInstance.map_index == int(labels.get("map_index") or -1),
            )
        )
        row = session.execute(query).one_or_none()
    if row is None:
        return None
    state, operator, run_state = row
    return TaskFacts(state=_word(state), operator=str(operator or ""), run_state=_word(run_state))


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The jobs as text, columns aligned."""
    if not rows:
        return "No job of this Airflow waits or runs."
    lines = [_COLUMNS, *(tuple("" if row.get(name) is None else str(row[name]) for name in _COLUMNS) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_COLUMNS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def _json(rows: Sequence[Mapping[str, Any]]) -> str:
    return json.dumps({"schema_version": 1, "jobs": list(rows)}, indent=2)


def _word(state: Any) -> str | None:
    return None if state is None else str(getattr(state, "value", state))


if __name__ == "__main__":
    main()
