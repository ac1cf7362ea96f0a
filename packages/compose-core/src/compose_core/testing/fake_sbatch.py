"""The fake `sbatch`: takes a job, or refuses it with the real one's words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from compose_core.array_tasks import array_tasks
from compose_core.cluster.sbatch_directives import directive_words
from compose_core.testing.fake_job import FakeJob
from compose_core.testing.tool_text import Call, Grammar, Said, Wrong, options_of
from compose_core.units import parse_memory_mib, parse_slurm_time_s

if TYPE_CHECKING:
    from compose_core.testing.fake_cluster import FakeCluster

_MAX_SCRIPT = 4 * 1024 * 1024
_MAX_NAME = 1024
_VALUES = """account array begin chdir clusters comment constraint cpus-per-task cpus-per-gpu dependency error exclude
export gpus gpus-per-node gpus-per-task gres input job-name kill-on-invalid-dep licenses mail-type mail-user mem mem-per-cpu
mem-per-gpu nice nodelist nodes ntasks ntasks-per-node open-mode output partition priority qos reservation signal switches
tmp time time-min wckey wrap"""
_FLAGS = "exclusive hold ignore-pbs no-requeue overcommit oversubscribe parsable quiet requeue verbose"
_SBATCH = Grammar(
    program="sbatch",
    values=frozenset(_VALUES.split()),
    flags=frozenset(_FLAGS.split()),
    short={
        "A": "account", "a": "array", "b": "begin", "D": "chdir", "M": "clusters", "C": "constraint", "c": "cpus-per-task",
        "d": "dependency", "e": "error", "x": "exclude", "G": "gpus", "i": "input", "J": "job-name", "L": "licenses",
        "w": "nodelist", "N": "nodes", "n": "ntasks", "o": "output", "p": "partition", "q": "qos", "t": "time",
        "H": "hold", "Q": "quiet", "v": "verbose", "s": "oversubscribe", "O": "overcommit",
    },
    wrong_rc=255,
)  # fmt: skip


def sbatch(cluster: FakeCluster, call: Call) -> Said:
    """Take a job, or refuse it with the real words."""
    try:
        given, rest = options_of(_SBATCH, call.argv[1:])
        text, command = _script(given, rest, call)
        options = {**_directives(text), **given}
        _check_options(options)
        job = _job_of(cluster, call, options, command)
        _check_request(cluster, options, job)
    except Wrong as wrong:
        return wrong.said
    cluster.accept(job)
    suffix = f";{cluster.settings.cluster_name}" if "clusters" in options else ""
    if "parsable" in given:
        return Said(stdout=f"{job.number}{suffix}\n")
    return Said(stdout=f"Submitted batch job {job.number}\n")


def _script(given: Mapping[str, str], rest: Sequence[str], call: Call) -> tuple[str, str]:
    if "wrap" in given:
        return f"#!/bin/sh\n{given['wrap']}\n", ""
    if rest:
        path = call.cwd / rest[0]
        try:
            data = path.read_bytes()
        except OSError:
            raise Wrong(1, f"sbatch: error: Unable to open file {rest[0]}\n") from None
        command = " ".join([str(path), *rest[1:]])
    else:
        data, command = call.stdin, ""
    _check_script(data)
    return data.decode("utf-8", "surrogateescape"), command


def _check_script(data: bytes) -> None:
    if not data.strip():
        raise Wrong(1, "sbatch: error: Batch script is empty!\n")
    if not data.startswith(b"#!"):
        raise Wrong(
            1,
            "sbatch: error: This does not look like a batch script.  The first\n"
            "sbatch: error: line must start with #! followed by the path to an interpreter.\n"
            "sbatch: error: For instance: #!/bin/sh\n",
        )
    if b"\0" in data:
        raise Wrong(
            1,
            "sbatch: error: The Slurm controller does not allow scripts that\n"
            "sbatch: error: contain a NULL character '\\0'.\n",
        )
    if b"\r\n" in data:
        raise Wrong(
            1,
            "sbatch: error: Batch script contains DOS line breaks (\\r\\n)\n"
            "sbatch: error: instead of expected UNIX line breaks (\\n).\n",
        )
    if len(data) > _MAX_SCRIPT:
        raise _refused("Pathname of a file, directory or other parameter too long")


def _directives(text: str) -> dict[str, str]:
    given, rest = options_of(_SBATCH, directive_words(text))
    if rest:
        raise Wrong(255, f"sbatch: error: Invalid directive found in batch script: {rest[0]}\n")
    return given


def _check_options(options: Mapping[str, str]) -> None:
    if len(options.get("job-name", "")) > _MAX_NAME:
        raise _refused("Pathname of a file, directory or other parameter too long")
    if "time" in options:
        try:
            parse_slurm_time_s(options["time"])
        except ValueError:
            raise Wrong(255, "sbatch: error: Invalid --time specification\n") from None
    for name in ("cpus-per-task", "ntasks"):
        value = options.get(name, "1")
        if not value.isdigit() or int(value) == 0:
            raise Wrong(1, f'sbatch: error: Invalid numeric value "{value}" for --{name}.\n')


def _check_request(cluster: FakeCluster, options: Mapping[str, str], job: FakeJob) -> None:
    settings = cluster.settings
    if job.partition not in settings.partitions:
        first = f"sbatch: error: invalid partition specified: {job.partition}\n"
        raise _refused("Invalid partition name specified", before=first)
    account = options.get("account")
    if account and settings.accounts is not None and account not in settings.accounts:
        raise _refused("Invalid account or account/partition combination specified")
    if options.get("qos") and settings.accounts is not None and options["qos"] != "normal":
        raise _refused("Invalid qos specification")
    if "constraint" in options:
        raise _refused("Invalid feature specification")
    too_large = "mem" in options and parse_memory_mib(options["mem"]) > settings.memory_mib_per_node
    if too_large or "gres" in options:
        cluster.refuse(job, "BadConstraints")
        first = "sbatch: error: Memory specification can not be satisfied\n" if too_large else ""
        raise _refused("Requested node configuration is not available", before=first)
    if "array" in options and (not job.waiting_tasks or max(job.waiting_tasks) >= settings.max_array_size):
        raise _refused("Invalid job array specification")
    dependency = options.get("dependency", "afterok:1")
    if not re.fullmatch(r"singleton|after\w*:\d+(:\d+)*([,?].*)?", dependency):
        raise _refused("Job dependency problem")
    active = sum(max(1, len(other.waiting_tasks)) for other in cluster.jobs if not other.is_over)
    if settings.max_submit_jobs is not None and active + max(1, len(job.waiting_tasks)) > settings.max_submit_jobs:
        raise _refused(
            "Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)",
            before="sbatch: error: QOSMaxSubmitJobPerUserLimit\n",
        )


def _refused(text: str, before: str = "") -> Wrong:
    return Wrong(1, f"{before}sbatch: error: Batch job submission failed: {text}\n")


def _job_of(cluster: FakeCluster, call: Call, options: Mapping[str, str], command: str) -> FakeJob:
    partition = options.get("partition") or next(iter(cluster.settings.partitions))
    array, _, throttle = options.get("array", "").partition("%")
    name = "wrap" if "wrap" in options else Path(command.split(" ", maxsplit=1)[0]).name or "sbatch"
    return FakeJob(
        number=0,
        waiting_tasks=sorted(set(array_tasks(array))) if array else [],
        throttle=int(throttle) if throttle.isdigit() else None,
        name=options.get("job-name") or name,
        comment=options.get("comment", ""),
        submit_line=" ".join(call.argv),
        user=cluster.user,
        uid=cluster.uid,
        partition=partition,
        account=options.get("account") or "root",
        submit_dir=call.cwd / options.get("chdir", ""),
        command=command,
        output=options.get("output", ""),
        time_limit_s=parse_slurm_time_s(options["time"]) if "time" in options else 600,
        nodes_wanted=int(options.get("nodes", "1").partition("-")[0] or 1),
        may_requeue="no-requeue" not in options,
        held="hold" in options,
        ending=cluster.ending,
    )
