"""Times as rules and partitions give them, in minutes."""

from __future__ import annotations

import math
import re

_PARTS = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]+)\s*")
_MINUTES = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1 / 60),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 1.0),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 60.0),
    **dict.fromkeys(("d", "day", "days"), 1440.0),
    **dict.fromkeys(("w", "week", "weeks"), 10080.0),
}
_SLURM = re.compile(r"(?:(?P<days>\d+)-)?(?P<clock>\d+(?::\d+){0,2})")


def minutes_of(text: str) -> int:
    """Whole minutes, rounded up: of a number (minutes), of `90m`, `2h`, `1d12h`, or of Slurm's `D-HH:MM:SS`, `D-HH`, `HH:MM:SS`, `MM:SS`.

    Raises: ValueError: it is none of them.
    """
    text = text.strip().lower()
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return math.ceil(float(text))
    if match := _SLURM.fullmatch(text):
        return _slurm_minutes(match)
    if re.fullmatch(rf"(?:{_PARTS.pattern})+", text):
        parts = _PARTS.findall(text)
        if all(unit in _MINUTES for _, unit in parts):
            return math.ceil(round(sum(float(number) * _MINUTES[unit] for number, unit in parts), 6))
    raise ValueError(f"{text!r} is no time")


def _slurm_minutes(match: re.Match[str]) -> int:
    fields = [int(field) for field in match["clock"].split(":")]
    if match["days"] is not None:
        hours, minutes, seconds = [*fields, 0, 0][:3]
        return int(match["days"]) * 1440 + hours * 60 + minutes + math.ceil(seconds / 60)
    if len(fields) == 3:
        return fields[0] * 60 + fields[1] + math.ceil(fields[2] / 60)
    return fields[0] + math.ceil(fields[1] / 60)


def slurm_time(minutes: int) -> str:
    """As Slurm writes it: `1-02:30:00`."""
    days, rest = divmod(minutes, 1440)
    clock = f"{rest // 60:02d}:{rest % 60:02d}:00"
    return f"{days}-{clock}" if days else clock
