"""How long something may take, as a DAG says it."""

from __future__ import annotations

from datetime import timedelta


def duration(value: timedelta | float, what: str, *, may_be_zero: bool = False) -> timedelta:
    """The time that is meant by a `timedelta` or a number of seconds; more than none, unless it `may_be_zero`.

    Raises: TypeError, ValueError: it is neither; said when the DAG is read, because a job would run already when it is needed.
    """
    if isinstance(value, bool) or not isinstance(value, timedelta | int | float):
        raise TypeError(f"{what} is a {type(value).__name__}; it can be a timedelta or a number of seconds.")
    found = value if isinstance(value, timedelta) else timedelta(seconds=value)
    if found < timedelta(0) or (not found and not may_be_zero):
        raise ValueError(
            f"{what} is {value!r}; it has to be {'no time or more' if may_be_zero else 'more than no time'}."
        )
    return found


def duration_or_none(value: timedelta | float | None, what: str) -> timedelta | None:
    """The same where nothing may be said.

    Raises: TypeError, ValueError: as `duration`.
    """
    return None if value is None else duration(value, what)
