"""The exit status of jobs that failed before their supervisor could tell: the queue knows that they ended, not how."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from compose_core.cluster.engine import Engine, JobRow, Rows, Unavailable
from compose_core.cluster.job_rows import RowIndex
from compose_core.cluster.slurm_text import exit_status
from compose_core.job_state import JobId, JobState
from compose_core.tracking.evidence import Evidence, Word, word_of

_HAVE_A_STATUS = frozenset({JobState.FAILED, JobState.OUT_OF_MEMORY})
"""Whatever else ends a job, its exit status says nothing more."""
MOST_SINGLE_QUESTIONS = 8
"""The controller is asked after one job at a time: of more than this, further ones stay without."""


def with_exit_codes(evidences: list[Evidence], positions: Sequence[int], engine: Engine, *, since: float) -> None:
    """Put the exit status beside the end that the queue tells, for those of these jobs that have none.

    The accounting is asked once for all; where it cannot tell, the controller is, which remembers a job for a while.
    """
    silent = [position for position in positions if _ended_silently(evidences[position])]
    if not silent:
        return
    ids = list(dict.fromkeys(JobId(_asked_id(evidences[position])) for position in silent))
    answer = engine.accounting(ids, since_epoch_s=since)
    rows = RowIndex(answer.rows) if isinstance(answer, Rows) else None
    left = MOST_SINGLE_QUESTIONS
    for position in silent:
        evidence = evidences[position]
        told = word_of(answer, evidence.record, rows).row
        status = (told.exit_code, told.signal) if told is not None and told.state.is_terminal else (None, None)
        if status[0] is None and left > 0:
            left -= 1
            status = _by_controller(engine, JobId(evidence.record.job_id))
        if status[0] is not None:
            evidences[position] = replace(evidence, queue=_with(evidence.queue, status))


def _ended_silently(evidence: Evidence) -> bool:
    row = evidence.queue.row if evidence.queue is not None else None
    is_over = row is not None and row.state in _HAVE_A_STATUS and row.exit_code is None
    state = evidence.files.state
    return is_over and evidence.files.end is None and not (state is not None and state.is_terminal)


def _asked_id(evidence: Evidence) -> str:
    return evidence.record.array_job_id or evidence.record.job_id


def _by_controller(engine: Engine, job_id: JobId) -> tuple[int | None, int | None]:
    shown = engine.show_job(job_id)
    return (None, None) if isinstance(shown, Unavailable) else exit_status(shown.get("ExitCode", ""))


def _with(word: Word | None, status: tuple[int | None, int | None]) -> Word:
    assert word is not None
    assert word.row is not None
    row: JobRow = replace(word.row, exit_code=status[0], signal=status[1])
    return replace(word, row=row)
