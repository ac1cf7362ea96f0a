"""Why a job failed, in words that help: what Slurm says, where it ran, what was asked for and used, what to do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from snakemake_executor_plugin_hpccompose.ready_jobs import Placed
from snakemake_executor_plugin_hpccompose.runner.results import Result
from snakemake_executor_plugin_hpccompose.tails import tail

if TYPE_CHECKING:
    from compose_core import JobSnapshot

_MIB = 1024 * 1024


def why(placed: Placed, result: Result | None, snapshot: JobSnapshot | None) -> str:
    """One paragraph for the user; it ends with a blank, because Snakemake puts a sentence behind it."""
    parts = [_what(placed, result, snapshot), _asked_and_used(placed, result), _remedy(placed, result, snapshot)]
    shown = (*_failed_services(snapshot), placed.log, batch_log(placed, snapshot))
    tails = [text for path in shown if (text := tail(path))]
    text = " ".join(part for part in parts if part)
    return f"{text} " if not tails else f"{text}\n" + "\n".join(tails) + "\n"


def logs(placed: Placed, snapshot: JobSnapshot | None) -> list[str]:
    """The files that Snakemake shows with `--show-failed-logs`: the job's own, then that of Slurm, then the services'."""
    services = [Path(one.log_path) for one in snapshot.services if one.name != "main"] if snapshot else []
    found = [placed.log, batch_log(placed, snapshot), *services]
    return [str(path) for path in dict.fromkeys(found) if path is not None and path.is_file()]


def batch_log(placed: Placed, snapshot: JobSnapshot | None) -> Path | None:
    """What the scheduler wrote for this job or task, as far as its name is known."""
    name = snapshot.record.batch_log if snapshot is not None else placed.record.batch_log
    return None if not name or "%" in Path(name).name else Path(name)


def failed_nodes(snapshot: JobSnapshot | None) -> str:
    """The nodes of a job that ended because of them, as Slurm lists them; empty for any other end."""
    ended_by_node = snapshot is not None and str(snapshot.state) in ("NODE_FAIL", "BOOT_FAIL")
    return snapshot.nodelist if snapshot is not None and ended_by_node else ""


def state_word(result: Result | None, snapshot: JobSnapshot | None) -> str:
    """OUT_OF_MEMORY, TIMEOUT, …; FAILED when only the rule itself failed."""
    if snapshot is not None and snapshot.terminal and str(snapshot.state) != "COMPLETED":
        return str(snapshot.state)
    return "FAILED" if result is None or not result.ok else "COMPLETED"


def _what(placed: Placed, result: Result | None, snapshot: JobSnapshot | None) -> str:
    word = state_word(result, snapshot)
    where = (result.host if result else "") or (snapshot.nodelist if snapshot else "")
    said = f"{word}: job {placed.external_id}" + (f" on {where}" if where else "")
    took_s = _took_s(result, snapshot)
    said += f" after {_clock(took_s)}" if took_s is not None else ""
    if result is not None and result.exit_code and not result.was_stopped:
        said += f", exit code {result.exit_code}"
    reasons = [result.message if result else "", *(_reasons(snapshot) if snapshot else ())]
    told = "; ".join(dict.fromkeys(reason.strip(" .") for reason in reasons if reason and reason != "None"))
    return said + (f" ({told})." if told else ".")


def _reasons(snapshot: JobSnapshot) -> list[str]:
    services = [
        f"service {one.name}: {one.state.failure_reason}"
        for one in snapshot.services
        if one.state is not None and one.state.failure_reason and one.name != "main"
    ]
    own = [snapshot.reason, snapshot.detail] if snapshot.terminal else []  # else they tell of a job that runs
    return [*own, *services]


def _failed_services(snapshot: JobSnapshot | None) -> list[Path]:
    """The logs of services beside the rule that ended the job."""
    services = snapshot.services if snapshot is not None else ()
    failed = [one for one in services if one.state is not None and one.state.failure_reason and one.name != "main"]
    return [Path(one.log_path) for one in failed]


def _took_s(result: Result | None, snapshot: JobSnapshot | None) -> float | None:
    if result is not None and result.started_at is not None:
        return result.ended_at - result.started_at
    if snapshot is not None and snapshot.started_at is not None and snapshot.ended_at is not None:
        return snapshot.ended_at - snapshot.started_at
    return None


def _asked_and_used(placed: Placed, result: Result | None) -> str:
    compose = placed.ready.compose
    asked = []
    if compose is not None:
        asked = [
            f"{value} {unit}"
            for value, unit in (
                (compose.cpus, "CPUs" if compose.cpus != 1 else "CPU"),
                (compose.mem_mb, "MB"),
                (compose.runtime_min, "minutes"),
            )
            if value
        ]
    used = f"largest process {result.max_rss_bytes // _MIB} MB" if result is not None and result.max_rss_bytes else ""
    said = [f"asked for {', '.join(asked)}" if asked else "", used]
    text = "; ".join(part for part in said if part)
    return f"It {text}." if text.startswith("asked") else f"Its {text}." if text else ""


def _remedy(placed: Placed, result: Result | None, snapshot: JobSnapshot | None) -> str:
    compose, name = placed.ready.compose, placed.ready.facts.rules[0] if placed.ready.facts.rules else "RULE"
    match state_word(result, snapshot):
        case "OUT_OF_MEMORY":
            more = 2 * compose.mem_mb if compose is not None and compose.mem_mb else "MORE"
            return f"Try --set-resources {name}:mem_mb={more}."
        case "TIMEOUT" | "DEADLINE":
            more = 2 * compose.runtime_min if compose is not None and compose.runtime_min else "MORE"
            return f"Try --set-resources {name}:runtime={more}."
        case "NODE_FAIL" | "BOOT_FAIL" | "PREEMPTED":
            return "The rule is not to blame: --retries 1 or --hpccompose-requeue runs it again."
        case "CANCELLED":
            return "Somebody, or the site, ended it."
        case "LOST":
            return "Neither the queue nor the accounting knows it any more, and it left no result."
        case _:
            return ""


def _clock(seconds: float) -> str:
    whole = max(0, round(seconds))
    return f"{whole // 3600:02d}:{whole % 3600 // 60:02d}:{whole % 60:02d}"
