"""The tasks of a job array: Slurm's expressions for them, such as `0-15%4`, `1,3,5-7` and `0-100:10`.

Source: sbatch(1), --array; squeue(1) prints the tasks that still wait together in the same form.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise

_MAX_TASKS = 4_000_001
"""One more than the largest array that Slurm can be configured for (MaxArraySize)."""


def array_tasks(expression: str) -> Iterator[int]:
    """The task numbers of `2-5%2`, `1,3,7-9` or `0-100:10`, one after the other; what was cut off (`...`) is left out."""
    given = 0
    for part in expression.split("%", 1)[0].split(","):
        match = re.fullmatch(r"\s*(\d{1,9})(?:-(\d{1,9})(?::(\d{1,9}))?)?\s*", part, re.ASCII)
        if not match:
            continue
        first, last, step = int(match[1]), int(match[2] or match[1]), int(match[3] or 1)
        for task in range(first, last + 1, max(1, step)):
            given += 1
            if given > _MAX_TASKS:
                return
            yield task


def holds_task(expression: str, task: int) -> bool:
    """Whether the expression holds the task, without walking through it."""
    for part in expression.split("%", 1)[0].split(","):
        match = re.fullmatch(r"\s*(\d{1,9})(?:-(\d{1,9})(?::(\d{1,9}))?)?\s*", part, re.ASCII)
        if match:
            first, last, step = int(match[1]), int(match[2] or match[1]), int(match[3] or 1)
            if first <= task <= last and (task - first) % max(1, step) == 0:
                return True
    return False


def task_count(expression: str) -> int:
    """How many tasks there are; one that is named twice is one."""
    return len(set(array_tasks(expression)))


def throttle(expression: str) -> int | None:
    """How many tasks may run at once: the N of `%N`; None when nothing is said."""
    text = expression.partition("%")[2]
    return int(text) if text.isascii() and text.isdigit() and int(text) > 0 else None


def expression_of(tasks: Iterable[int]) -> str:
    """The shortest expression of these tasks that knows only single numbers and ranges: `0-3,7`."""
    numbers = sorted(set(tasks))
    gaps = [position for position, (one, other) in enumerate(pairwise(numbers), start=1) if other != one + 1]
    parts = [numbers[start:end] for start, end in pairwise([0, *gaps, len(numbers)])] if numbers else []
    return ",".join(str(part[0]) if len(part) == 1 else f"{part[0]}-{part[-1]}" for part in parts)
