"""`4G`, `1-00:00:00`, `30m` to typed values and back."""

from __future__ import annotations

import re

_MEMORY = re.compile(r"([0-9]+)([KMGT]?)B?", re.IGNORECASE)
_KIB = {"K": 1, "": 1024, "M": 1024, "G": 1024**2, "T": 1024**3}
_TIME_DAYS = re.compile(r"([0-9]+)-([0-9]+)(?::([0-9]+))?(?::([0-9]+))?")
_TIME = re.compile(r"([0-9]+)(?::([0-9]+))?(?::([0-9]+))?")
_DURATION = re.compile(r"(?:([0-9]+)d)?(?:([0-9]+)h)?(?:([0-9]+)m)?(?:([0-9]+)s)?")
UNLIMITED_WORDS = frozenset({"UNLIMITED", "INFINITE"})


def parse_memory_mib(text: str) -> int:
    """MiB of a Slurm memory size such as `4G`, `500M` or `2048` (MiB when there is no suffix), rounded up; 0 means all of a node.

    Raises: ValueError: it is none.  Source: sbatch(1), --mem.
    """
    match = _MEMORY.fullmatch(text.strip())
    if not match:
        raise ValueError(f"{text!r} is not a memory size such as 4G, 500M or 2048 (MiB)")
    kib = int(match[1]) * _KIB[match[2].upper()]
    return -(-kib // 1024)


def format_memory(mib: int) -> str:
    """A size that a person reads at once: `512M`, `4G`, `1.5T`."""
    for unit, size in (("T", 1024**2), ("G", 1024)):
        if mib >= size:
            return f"{mib / size:.4g}{unit}"
    return f"{mib}M"


def format_bytes(count: float) -> str:
    """A size that a person reads at once: `0 B`, `4 KiB`, `1.5 GiB`."""
    for unit, size in (("TiB", 1024**4), ("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count:.0f} B"


def counted(number: int, noun: str) -> str:
    """`1 task`, `3 tasks`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def parse_slurm_time_s(text: str) -> int | None:
    """Seconds of a Slurm time limit; None is no limit (`UNLIMITED`, `INFINITE`).

    Accepts minutes, MM:SS, HH:MM:SS, D-HH, D-HH:MM and D-HH:MM:SS.

    Raises: ValueError: another form, or a field out of range.  Source: sbatch(1), --time.
    """
    text = text.strip()
    if text.upper() in UNLIMITED_WORDS:
        return None
    if match := _TIME_DAYS.fullmatch(text):
        days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
        _check_range(text, hours=hours, minutes=minutes, seconds=seconds)
        return ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    if match := _TIME.fullmatch(text):
        first, second, third = match.groups()
        if second is None:
            return int(first) * 60
        if third is None:
            _check_range(text, seconds=int(second))
            return int(first) * 60 + int(second)
        _check_range(text, minutes=int(second), seconds=int(third))
        return (int(first) * 60 + int(second)) * 60 + int(third)
    raise ValueError(f"{text!r} is not a Slurm time such as 30 (minutes), 00:30:00 or 1-12:00:00")


def format_slurm_time(seconds: int | None) -> str:
    """`HH:MM:SS`, with days before it when there are any; `UNLIMITED` for None."""
    if seconds is None:
        return "UNLIMITED"
    days, rest = divmod(int(seconds), 86400)
    clock = f"{rest // 3600:02d}:{rest // 60 % 60:02d}:{rest % 60:02d}"
    return f"{days}-{clock}" if days else clock


def parse_duration_s(text: str) -> int:
    """Seconds of `30s`, `15m`, `2h`, `1d`, `1h30m`, or of a bare number of seconds.

    Raises: ValueError: it is none.
    """
    text = text.strip()
    if text.isascii() and text.isdigit():
        return int(text)
    match = _DURATION.fullmatch(text)
    if not match or not text:
        raise ValueError(f"{text!r} is not a duration such as 30s, 15m, 2h, 1d or 1h30m")
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def format_duration(seconds: float) -> str:
    """What a person says: `0.4s`, `12s`, `3m05s`, `2h10m`, `1d03h`."""
    if seconds < 10:
        return f"{seconds:.1f}s"
    whole = int(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole // 60 % 60:02d}m"
    return f"{whole // 86400}d{whole // 3600 % 24:02d}h"


def service_token(name: str) -> str:
    """A file name for a service: `[A-Za-z0-9_-]` stay, other bytes become `_xHH_`, a literal `_x` is escaped, so no two names meet.

    `my.app` gives `my_x2e_app`.
    """
    text = []
    data = name.encode("utf-8", "surrogateescape")
    for position, byte in enumerate(data):
        character = chr(byte)
        starts_escape = character == "_" and data[position + 1 : position + 2] == b"x"
        literal = byte < 128 and (character.isalnum() or character in "_-")
        text.append(character if literal and not starts_escape else f"_x{byte:02x}_")
    return "".join(text)


def _check_range(text: str, *, hours: int = 0, minutes: int = 0, seconds: int = 0) -> None:
    for name, value, limit in (("hours", hours, 23), ("minutes", minutes, 59), ("seconds", seconds, 59)):
        if value > limit:
            raise ValueError(f"{text!r} has {value} {name}; 0-{limit} are allowed there")
