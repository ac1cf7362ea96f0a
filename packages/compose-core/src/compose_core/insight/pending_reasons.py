"""Why a job waits or was stopped, in plain words instead of Slurm's.

Source: squeue(1), JOB REASON CODES; resource_limits(5) for the names of limits.
"""

from __future__ import annotations

import re

REASON_WORDS: dict[str, str] = {
    "Priority": "other jobs have a higher priority; this one waits for its turn",
    "Resources": "the resources that it asks for are not free at the moment",
    "Dependency": "it waits for another job",
    "DependencyNeverSatisfied": "a job that it waits for ended otherwise than asked, so it will never start",
    "JobHeldUser": "it is held by its user; `scontrol release` lets it go on",
    "JobHeldAdmin": "it is held by an administrator",
    "BeginTime": "its earliest start is not reached; after a requeue Slurm waits two minutes on purpose",
    "Licenses": "the licenses that it asks for are in use",
    "Reservation": "it waits for its reservation to begin",
    "ReservationDeleted": "its reservation was deleted",
    "ReqNodeNotAvail": "a node that it asks for is down, drained or reserved, for maintenance perhaps",
    "NodeDown": "a node that it needs is down",
    "BadConstraints": "no node has what its constraints ask for",
    "PartitionDown": "its partition is down",
    "PartitionInactive": "its partition takes no jobs at the moment",
    "PartitionNodeLimit": "it asks for more nodes than its partition gives to one job, or for more than are up",
    "PartitionTimeLimit": "it asks for more time than its partition allows",
    "PartitionConfig": "its partition cannot give it what it asks for",
    "AccountNotAllowed": "its account may not use the partition",
    "QOSNotAllowed": "its quality of service may not use the partition",
    "InvalidQOS": "its quality of service is not valid any more",
    "InvalidAccount": "its account is not valid any more",
    "JobArrayTaskLimit": "as many tasks of the array run as may run at once",
    "MaxArraySize": "the array has more tasks than the site allows",
    "Prolog": "the node runs its prologue",
    "Cleaning": "it was put back into the queue and its last run is being cleaned up",
    "SystemFailure": "Slurm or a file system failed",
    "JobLaunchFailure": "it could not be started: its folder, its log or a program on the node is at fault",
    "JobHoldMaxRequeue": "it was put back into the queue too often and is held",
    "NonZeroExitCode": "its script ended with an exit status other than 0",
    "RaisedSignal": "its script was killed by a signal",
    "TimeLimit": "it reached its time limit",
    "InactiveLimit": "it was idle for too long",
    "OutOfMemory": "it needed more memory than it had asked for",
    "FrontEndDown": "no front end node is up",
    "BurstBufferResources": "the burst buffer has not enough room at the moment",
    "BurstBufferStageIn": "its data is being copied to the burst buffer",
    "NodesInvalid": "its node list is not valid",
    "launch_failed_requeued_held": "it could not be started and is held; `scontrol release` tries again",
    "user_env_retrieval_failed_requeued_held": "the user's environment could not be read; it is held",
}
"""Slurm's reason to what it means; names of limits are read by `reason_in_words`."""
_LIMITED = {
    "Cpu": "CPUs",
    "CPU": "CPUs",
    "GRES": "GPUs or other devices",
    "Gres": "GPUs or other devices",
    "Memory": "memory",
    "Mem": "memory",
    "Node": "nodes",
    "Jobs": "running jobs",
    "Job": "jobs",
    "SubmitJobs": "submitted jobs",
    "SubmitJob": "submitted jobs",
    "Wall": "time",
    "CPUMinutes": "CPU time",
    "CpuMinutes": "CPU time",
    "CPURunMinutes": "CPU time of running jobs",
    "GRESMinutes": "GPU time",
    "Billing": "billing units",
    "BB": "burst buffer",
    "Energy": "energy",
    "License": "licenses",
}
_LIMIT = re.compile(r"(Assoc|QOS)?(Grp|Max)?(.*?)(Per(?:Job|Node|User|Account|TRES)\w*|Limit)?$")
_OWNERS = {"Assoc": "its account", "QOS": "its quality of service"}


def reason_in_words(reason: str) -> str:
    """One sentence without a full stop; empty when Slurm gave no reason or one that no manual has.

    `reason` may carry a remark: `ReqNodeNotAvail, UnavailableNodes:n[1-3]`.
    """
    word, _, remark = reason.strip("() ").partition(",")
    known = REASON_WORDS.get(word.strip().replace(" ", "_"), REASON_WORDS.get(word.strip(), "")) or _limit_in_words(
        word.strip()
    )
    nodes = remark.partition("UnavailableNodes:")[2].strip()
    return f"{known} ({nodes})" if known and nodes else known


def is_hopeless(reason: str) -> bool:
    """The job will not start by itself, however long it waits."""
    word = reason.strip("() ").partition(",")[0]
    return word in _HOPELESS


_HOPELESS = frozenset(
    {
        "DependencyNeverSatisfied",
        "JobHeldUser",
        "JobHeldAdmin",
        "JobHoldMaxRequeue",
        "BadConstraints",
        "PartitionTimeLimit",
        "PartitionNodeLimit",
        "AccountNotAllowed",
        "QOSNotAllowed",
        "InvalidQOS",
        "InvalidAccount",
        "ReservationDeleted",
        "launch_failed_requeued_held",
        "launch failed requeued held",
    }
)


def _limit_in_words(word: str) -> str:
    """`AssocGrpCpuLimit`, `QOSMaxSubmitJobPerUserLimit`, `MaxGRESPerAccount` …"""
    match = _LIMIT.fullmatch(word)
    if not match or not (match[1] or match[2]):
        return ""
    owner = _OWNERS.get(match[1] or "", "the site")
    per = (match[4] or "").removesuffix("Limit").removeprefix("Per").lower()
    what = _LIMITED.get(match[3].removesuffix("Limit"), "resources")
    whose = {"user": " for one user", "job": " in one job", "account": " for one account", "node": " on one node"}.get(
        per, ""
    )
    if match[2] == "Grp":
        return f"all jobs of {owner} together reach what it allows of {what}"
    return f"it or the user's other jobs reach what {owner} allows of {what}{whose}"
