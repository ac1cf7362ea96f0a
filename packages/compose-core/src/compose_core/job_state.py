"""Job identity and the one vocabulary of job states.

Source: sbatch(1), squeue(1) and sacct(1), JOB STATE CODES; slurm_protocol_defs.c for the order of flags.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import NewType

JobId = NewType("JobId", str)
"""`1234`, an array task `1234_7`, a heterogeneous component `1234+1`, or a local engine's number."""

_JOB_ID = re.compile(r"[1-9][0-9]*(?:_[0-9]+|\+[0-9]+)?")


def parse_job_id(text: str) -> JobId:
    """`text` as a job id.

    Raises: ValueError: it is none.
    """
    if not _JOB_ID.fullmatch(text):
        raise ValueError(f"{text!r} is not a job id such as 1234 or 1234_7")
    return JobId(text)


class JobState(StrEnum):
    """Every state that Slurm shows, and two of ours: what is known of a job right now."""

    PENDING = "PENDING"
    CONFIGURING = "CONFIGURING"
    POWER_UP_NODE = "POWER_UP_NODE"
    EXPEDITING = "EXPEDITING"
    REQUEUED = "REQUEUED"
    REQUEUE_FED = "REQUEUE_FED"
    REQUEUE_HOLD = "REQUEUE_HOLD"
    SPECIAL_EXIT = "SPECIAL_EXIT"
    RESV_DEL_HOLD = "RESV_DEL_HOLD"
    RUNNING = "RUNNING"
    COMPLETING = "COMPLETING"
    STAGE_OUT = "STAGE_OUT"
    SIGNALING = "SIGNALING"
    RESIZING = "RESIZING"
    SUSPENDED = "SUSPENDED"
    STOPPED = "STOPPED"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    TIMEOUT = "TIMEOUT"
    OUT_OF_MEMORY = "OUT_OF_MEMORY"
    NODE_FAIL = "NODE_FAIL"
    PREEMPTED = "PREEMPTED"
    BOOT_FAIL = "BOOT_FAIL"
    DEADLINE = "DEADLINE"
    REVOKED = "REVOKED"
    """Another cluster of the federation runs the job: no end, only that this cluster does not know it.

    Source: squeue(1), JOB STATE CODES.
    """
    LAUNCH_FAILED = "LAUNCH_FAILED"
    RECONFIG_FAIL = "RECONFIG_FAIL"
    GETENV_FAILED = "GETENV_FAILED"
    SUBMITTING = "SUBMITTING"
    """Ours: the intent is on disk and the scheduler has not confirmed the job yet."""
    UNKNOWN = "UNKNOWN"
    """Ours: the scheduler answered with a word that is in no manual, or nothing is known yet; never final."""
    UNREACHABLE = "UNREACHABLE"
    """Ours: the scheduler did not answer; the last known state is kept beside it."""
    LOST = "LOST"
    """Ours: no trace anywhere after the grace time."""

    @property
    def is_terminal(self) -> bool:
        """The job will not change any more (a requeue may still revive those of `may_be_requeued`)."""
        return self in _TERMINAL

    @property
    def is_failure(self) -> bool:
        """The job ended, and not well."""
        return self in _TERMINAL and self is not JobState.COMPLETED

    @property
    def is_waiting(self) -> bool:
        """The job holds no resources yet."""
        return self in _WAITING

    @property
    def is_active(self) -> bool:
        """The job holds resources."""
        return self in _ACTIVE

    @property
    def may_be_requeued(self) -> bool:
        """Slurm may put the job back into the queue, so the end is only final after a while."""
        return self in _REQUEUABLE


_TERMINAL = frozenset(
    {
        JobState.COMPLETED,
        JobState.FAILED,
        JobState.CANCELLED,
        JobState.TIMEOUT,
        JobState.OUT_OF_MEMORY,
        JobState.NODE_FAIL,
        JobState.PREEMPTED,
        JobState.BOOT_FAIL,
        JobState.DEADLINE,
        JobState.LAUNCH_FAILED,
        JobState.RECONFIG_FAIL,
        JobState.GETENV_FAILED,
        JobState.LOST,
    }
)
_WAITING = frozenset(
    {
        JobState.SUBMITTING,
        JobState.PENDING,
        JobState.CONFIGURING,
        JobState.POWER_UP_NODE,
        JobState.EXPEDITING,
        JobState.REQUEUED,
        JobState.REQUEUE_FED,
        JobState.REQUEUE_HOLD,
        JobState.SPECIAL_EXIT,
        JobState.RESV_DEL_HOLD,
    }
)
_ACTIVE = frozenset(
    {
        JobState.RUNNING,
        JobState.COMPLETING,
        JobState.STAGE_OUT,
        JobState.SIGNALING,
        JobState.RESIZING,
        JobState.SUSPENDED,
        JobState.STOPPED,
    }
)
_REQUEUABLE = frozenset({JobState.NODE_FAIL, JobState.PREEMPTED, JobState.BOOT_FAIL})

_COMPACT = {
    "PD": JobState.PENDING,
    "CF": JobState.CONFIGURING,
    "RQ": JobState.REQUEUED,
    "RF": JobState.REQUEUE_FED,
    "RH": JobState.REQUEUE_HOLD,
    "SE": JobState.SPECIAL_EXIT,
    "RD": JobState.RESV_DEL_HOLD,
    "R": JobState.RUNNING,
    "CG": JobState.COMPLETING,
    "SO": JobState.STAGE_OUT,
    "SI": JobState.SIGNALING,
    "RS": JobState.RESIZING,
    "S": JobState.SUSPENDED,
    "ST": JobState.STOPPED,
    "CD": JobState.COMPLETED,
    "F": JobState.FAILED,
    "CA": JobState.CANCELLED,
    "TO": JobState.TIMEOUT,
    "OOM": JobState.OUT_OF_MEMORY,
    "NF": JobState.NODE_FAIL,
    "PR": JobState.PREEMPTED,
    "BF": JobState.BOOT_FAIL,
    "DL": JobState.DEADLINE,
    "RV": JobState.REVOKED,
}


def parse_job_state(text: str) -> JobState:
    """The state behind a word of squeue or sacct, long, compact, or cut by a narrow column.

    `CANCELLED by 1000`, `CANCELLED+` and `OUT_OF_ME+` are read as what they mean; a word that is in no manual is UNKNOWN.
    """
    words = text.split()
    if not words:
        return JobState.UNKNOWN
    word = words[0].upper()
    if word in _COMPACT:
        return _COMPACT[word]
    if word.endswith("+"):
        stem = word[:-1]
        matches = [state for state in _SLURM_STATES if state.value.startswith(stem)]
        return matches[0] if stem and len(matches) == 1 else JobState.UNKNOWN
    return next((state for state in _SLURM_STATES if state.value == word), JobState.UNKNOWN)


_SLURM_STATES = tuple(
    state
    for state in JobState
    if state not in {JobState.SUBMITTING, JobState.UNKNOWN, JobState.UNREACHABLE, JobState.LOST}
)
