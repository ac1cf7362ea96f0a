"""What all fake tools share: a call, an answer, options, formats and times as Slurm 22.05.8 writes them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from compose_core.testing.fake_job import FakeJob

INVALID_ID = "Invalid job id specified"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of a tool."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: Path
    stdin: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a tool printed, and how long it took."""

    rc: int = 0
    stdout: str = ""
    stderr: str = ""
    takes_s: float = 0.01


class Wrong(Exception):
    """The tool refuses: status and what it says on stderr."""

    def __init__(self, rc: int, stderr: str) -> None:
        super().__init__(stderr)
        self.said = Said(rc=rc, stderr=stderr)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grammar:
    """The options that one tool knows."""

    program: str
    values: frozenset[str]
    flags: frozenset[str]
    short: Mapping[str, str]
    wrong_rc: int = 1


def options_of(grammar: Grammar, words: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """The options by long name, and the words from the first one that is none."""
    given: dict[str, str] = {}
    position = 0
    while position < len(words):
        word = words[position]
        if word == "--" or not word.startswith("-") or word == "-":
            break
        position += 1
        name, value = _one_option(grammar, word)
        if value is None and name in grammar.values:
            if position == len(words):
                raise _usage(grammar, f"option requires an argument -- '{word.lstrip('-')}'")
            value = words[position]
            position += 1
        given[name] = value or ""
    return given, list(words[position:])


def _one_option(grammar: Grammar, word: str) -> tuple[str, str | None]:
    if word.startswith("--"):
        name, equals, value = word[2:].partition("=")
        if name not in grammar.values | grammar.flags:
            raise _usage(grammar, f"unrecognized option '{word}'")
        return name, value if equals else None
    short = grammar.short.get(word[1])
    if short is None:
        raise _usage(grammar, f"invalid option -- '{word[1]}'")
    return short, word[2:] or None


def _usage(grammar: Grammar, text: str) -> Wrong:
    return Wrong(grammar.wrong_rc, f'{grammar.program}: {text}\nTry "{grammar.program} --help" for more information\n')


def filled(layout: str, cells: Mapping[str, str]) -> str:
    """A squeue or sinfo format with its fields filled in; `%.8j` is right-justified and cut to 8."""

    def field(match: re.Match[str]) -> str:
        right, width, letter = match[1], match[2], match[3]
        text = cells.get(letter, match[0])
        if not width:
            return text
        text = text[: int(width)]
        return text.rjust(int(width)) if right else text.ljust(int(width))

    return re.sub(r"%(\.?)(\d*)([A-Za-z])", field, layout)


def shown_time(epoch: float | None, call: Call, nothing: str) -> str:
    if epoch is None:
        return nothing
    if call.env.get("SLURM_TIME_FORMAT") == "%s":
        return str(int(epoch))
    return datetime.fromtimestamp(int(epoch), zone_of(call)).strftime("%Y-%m-%dT%H:%M:%S")


def zone_of(call: Call) -> tzinfo:
    try:
        return ZoneInfo(call.env.get("TZ") or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return UTC


def shown_limit(seconds: int | None) -> str:
    """`10:00`, `1:00:00`, `1-00:00:00`."""
    if seconds is None:
        return "UNLIMITED"
    days, rest = divmod(seconds, 86400)
    hours, minutes, secs = rest // 3600, rest // 60 % 60, rest % 60
    if days:
        return f"{days}-{hours:02d}:{minutes:02d}:{secs:02d}"
    return f"{hours}:{minutes:02d}:{secs:02d}" if hours else f"{minutes}:{secs:02d}"


def is_meant(job: FakeJob, job_id: str) -> bool:
    base, _, task = job_id.partition("_")
    if task:
        return job.shown_id == job_id or (str(job.array_number) == base and int(task) in job.waiting_tasks)
    return str(job.number) == base or str(job.array_number) == base
