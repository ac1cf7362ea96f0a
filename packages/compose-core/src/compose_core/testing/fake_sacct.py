"""The fake `sacct`: the jobs that the accounting has heard of by now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from compose_core.testing.fake_job import FakeJob, Heard
from compose_core.testing.fake_usage import USAGE_WIDTHS, step_cells, usage_cells
from compose_core.testing.tool_text import Call, Grammar, Said, Wrong, is_meant, options_of, shown_time, zone_of

if TYPE_CHECKING:
    from compose_core.testing.fake_cluster import FakeCluster

_SACCT = Grammar(
    program="sacct",
    values=frozenset(["clusters", "delimiter", "endtime", "format", "jobs", "name", "starttime", "state", "user", "uid"]),
    flags=frozenset(["allocations", "allusers", "brief", "duplicates", "noconvert", "noheader", "parsable", "parsable2", "long"]),
    short={
        "M": "clusters", "E": "endtime", "o": "format", "j": "jobs", "S": "starttime", "s": "state", "u": "user",
        "X": "allocations", "a": "allusers", "b": "brief", "D": "duplicates", "n": "noheader", "p": "parsable",
        "P": "parsable2", "l": "long",
    },
)  # fmt: skip
_SACCT_WIDTHS = {
    "JobID": 12, "JobName": 10, "Partition": -10, "Account": 10, "AllocCPUS": 10, "State": 10, "ExitCode": 8,
    "JobIDRaw": 12, "Submit": 19, "Start": 19, "End": 19, "Reason": 22, "NodeList": 15, "User": 9, "Comment": 14,
    "SubmitLine": 20, **dict.fromkeys(USAGE_WIDTHS, 12),
}  # fmt: skip
_SACCT_DEFAULT = "JobID,JobName,Partition,Account,AllocCPUS,State,ExitCode"
_DBD_DOWN = (
    "sacct: error: slurm_persist_conn_open_without_init: failed to open persistent connection to host:dbd:6819:"
    " Connection refused\n"
    "sacct: error: Sending PersistInit msg: Connection refused\n"
    "sacct: error: Problem talking to the database: Connection refused\n"
)


def sacct(cluster: FakeCluster, call: Call) -> Said:
    """The jobs that the accounting has heard of by now."""
    if cluster.accounting == "disabled":
        return Said(rc=1, stderr="Slurm accounting storage is disabled\n")
    if cluster.accounting == "down":
        return Said(rc=1, stderr=_DBD_DOWN)
    try:
        given, _ = options_of(_SACCT, call.argv[1:])
        fields = [_sacct_field(name) for name in given.get("format", _SACCT_DEFAULT).split(",")]
        accounted = _accounted(cluster, given, call)
    except Wrong as wrong:
        return wrong.said
    rows: list[dict[str, str]] = []
    for job, heard in accounted:
        row = _sacct_cells(cluster, job, heard, call)
        rows.append(row)
        if "allocations" not in given and heard.started_at is not None:
            rows.extend(_step_rows(row, job))
    return Said(stdout=_sacct_text(given, fields, rows), takes_s=0.09)


def _accounted(cluster: FakeCluster, given: Mapping[str, str], call: Call) -> list[tuple[FakeJob, Heard]]:
    """The newest job of each id, with the newest thing heard of it, within the time that was asked for."""
    heard_by = cluster.now() - cluster.settings.accounting_lag_s
    since = _since(given.get("starttime", ""), cluster.now(), call)
    _check_window(since, cluster.now(), call)
    ids = [word for word in given.get("jobs", "").split(",") if word]
    users = given.get("user", cluster.user).split(",")
    found: dict[str, tuple[FakeJob, Heard]] = {}
    for job in cluster.jobs:
        known = [heard for heard in job.heard if heard.at <= heard_by]
        if not known or ("allusers" not in given and not ids and job.user not in users):
            continue
        last = known[-1]
        if ids and not any(is_meant(job, job_id) for job_id in ids):
            continue
        if last.ended_at is None or last.ended_at >= since:
            found[job.shown_id] = (job, last)
    return list(found.values())


def _check_window(since: float, now: float, call: Call) -> None:
    if since > now:
        first, last = shown_time(since, call, ""), shown_time(now, call, "")
        raise Wrong(1, f"sacct: error: Start time ({first}) requested is after end time ({last}).\n")


def _since(text: str, now: float, call: Call) -> float:
    if not text:
        day = datetime.fromtimestamp(now, zone_of(call)).replace(hour=0, minute=0, second=0, microsecond=0)
        return day.timestamp()
    return datetime.fromisoformat(text).replace(tzinfo=zone_of(call)).timestamp()


def _sacct_cells(cluster: FakeCluster, job: FakeJob, heard: Heard, call: Call) -> dict[str, str]:
    young = heard.started_at is not None and cluster.now() - heard.started_at < cluster.settings.allocation_lag_s
    behind = young and heard.state == "RUNNING"
    state = "PENDING" if behind else heard.state
    if state == "CANCELLED":
        state = f"CANCELLED by {job.uid}"
    return {
        "JobID": job.shown_id,
        "JobIDRaw": str(job.number),
        "State": state,
        "ExitCode": f"{heard.exit_code}:{heard.signal}",
        "Submit": shown_time(heard.submitted_at, call, "Unknown"),
        "Start": shown_time(heard.started_at, call, "Unknown"),
        "End": shown_time(heard.ended_at, call, "Unknown"),
        "Reason": "None"
        if heard.reason in {"NonZeroExitCode", "TimeLimit", "NodeDown", "BadConstraints"}
        else heard.reason,
        "NodeList": heard.nodes or "None assigned",
        "User": job.user,
        "JobName": "allocation" if young else job.name,
        "Comment": job.comment if heard.ended_at is not None else "",
        "SubmitLine": "" if young else job.submit_line,
        "Partition": "" if behind else job.partition,
        "Account": job.account,
        **usage_cells(cluster, job, heard, behind=behind),
    }


def _step_rows(row: Mapping[str, str], job: FakeJob) -> list[dict[str, str]]:
    empty = dict.fromkeys(row, "")
    state = row["State"].split(" ")[0]
    shared = {name: row[name] for name in ("ExitCode", "Start", "End", "ElapsedRaw", "AllocCPUS", "NodeList", "NNodes")}
    return [
        {
            **empty,
            **shared,
            "JobID": f"{row['JobID']}.{name}",
            "JobName": name,
            "State": state,
            **step_cells(row, job, name),
        }
        for name in ("batch", "extern")
    ]


def _sacct_field(name: str) -> str:
    known = {field.lower(): field for field in _SACCT_WIDTHS}
    found = known.get(name.partition("%")[0].lower())
    if found is None:
        raise Wrong(1, f'sacct: error: Invalid field requested: "{name}"\n')
    return found


def _sacct_text(given: Mapping[str, str], fields: Sequence[str], rows: Sequence[Mapping[str, str]]) -> str:
    if "parsable2" in given or "parsable" in given:
        delimiter = given.get("delimiter", "|")
        end = delimiter if "parsable" in given else ""
        lines = [] if "noheader" in given else [delimiter.join(fields) + end]
        lines += [delimiter.join(row[field] for field in fields) + end for row in rows]
        return "".join(f"{line}\n" for line in lines)
    lines = []
    if "noheader" not in given:
        lines.append("".join(f"{_cut(field, _SACCT_WIDTHS[field])} " for field in fields))
        lines.append("".join("-" * abs(_SACCT_WIDTHS[field]) + " " for field in fields))
    lines += ["".join(f"{_cut(row[field], _SACCT_WIDTHS[field])} " for field in fields) for row in rows]
    return "".join(f"{line}\n" for line in lines)


def _cut(text: str, width: int) -> str:
    width = abs(width)
    return f"{text[: width - 1]}+" if len(text) > width else text.rjust(width)
