"""What rules should ask for, judged by what they used: a fragment of a Snakemake profile. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from snakemake_executor_plugin_hpccompose.end_report import RuleFigures

MEMORY_MARGIN = 1.2
RUNTIME_MARGIN = 1.5
MORE_MEMORY = 1.5
"""After an attempt that ran out of memory: so much more than the most that was asked for."""
LEAST_MEMORY_MB = 200
LEAST_RUNTIME_MIN = 2
_STEP_MB = 100
_IDLE_PERCENT = 50.0


@dataclass(frozen=True, kw_only=True)
class Suggestion:
    """What one rule should ask for; None: as before."""

    rule: str
    mem_mb: int | None = None
    runtime_min: int | None = None
    threads: int | None = None
    """Fewer would have done; never written as a setting, because it changes what the command does."""
    scales_memory: bool = False
    """Each further attempt shall ask for as much again: attempts ran out of memory."""
    reasons: tuple[str, ...] = ()


def suggestion_of(figures: RuleFigures) -> Suggestion:
    """From the figures of one rule; what is close to what was asked for already is left out."""
    memory, why_memory = _memory(figures)
    runtime, why_runtime = _runtime(figures)
    threads, why_threads = _threads(figures)
    reasons = tuple(why for why in (why_memory, why_runtime, why_threads) if why)
    scales = memory is not None and bool(figures.out_of_memory)
    return Suggestion(
        rule=figures.rule,
        mem_mb=memory,
        runtime_min=runtime,
        threads=threads,
        scales_memory=scales,
        reasons=reasons,
    )


def profile_of(suggestions: Sequence[Suggestion]) -> str:
    """The fragment as YAML: copy it into the profile's `config.yaml`. Empty: nothing is worth a change."""
    if not any(one.reasons for one in suggestions):
        return ""
    lines = ["# What the rules of the last run needed. Copy what you agree with into your profile's config.yaml."]
    settings = [one for one in suggestions if one.mem_mb is not None or one.runtime_min is not None]
    if settings:
        lines.append("set-resources:")
    for one in settings:
        lines += [f"  # {reason}" for reason in one.reasons]
        lines.append(f"  {json.dumps(one.rule, ensure_ascii=False)}:")
        lines += [
            f"    {name}: {value}"
            for name, value in (("mem_mb", _memory_text(one)), ("runtime", one.runtime_min))
            if value is not None
        ]
    remarks = [one for one in suggestions if one.reasons and one not in settings]
    lines += [f"# {one.rule}: {reason}" for one in remarks for reason in one.reasons]
    return "\n".join(lines) + "\n"


def _memory_text(one: Suggestion) -> str | None:
    """An expression that Snakemake evaluates for each attempt, where a number would fail again."""
    if one.mem_mb is None:
        return None
    return f"{one.mem_mb} * attempt" if one.scales_memory else str(one.mem_mb)


def _memory(figures: RuleFigures) -> tuple[int | None, str]:
    asked, peak = figures.memory_asked_mb, figures.memory_peak_mb
    if figures.out_of_memory and asked:
        wanted = _rounded(max(asked * MORE_MEMORY, (peak or 0) * MEMORY_MARGIN))
        return (
            wanted,
            f"{figures.out_of_memory} of {figures.attempts} attempts ran out of memory, asked were {asked} MB",
        )
    if peak is None or figures.attempts == figures.failed_attempts:
        return None, ""
    if figures.memory_peak_basis != "job":
        return None, ""  # a bound says nothing of what they need
    wanted = max(LEAST_MEMORY_MB, _rounded(peak * MEMORY_MARGIN))
    if asked is None or not _differs(wanted, asked):
        return None, ""
    return wanted, f"memory peak {peak:.0f} MB over {figures.jobs} jobs, asked were {asked} MB"


def _runtime(figures: RuleFigures) -> tuple[int | None, str]:
    asked, longest = figures.runtime_asked_min, figures.wall_max_s
    if asked is None or longest is None:
        return None, ""
    wanted = max(LEAST_RUNTIME_MIN, -int(-longest * RUNTIME_MARGIN // 60))
    if not _differs(wanted, asked):
        return None, ""
    return wanted, f"longest run {_time(longest)} over {figures.jobs} jobs, asked were {asked} minutes"


def _threads(figures: RuleFigures) -> tuple[int | None, str]:
    if figures.cpus < 2 or figures.cpu_percent is None or figures.cpu_percent >= _IDLE_PERCENT:
        return None, ""
    busy = figures.cpus * figures.cpu_percent / 100
    wanted = max(1, -int(-busy * MEMORY_MARGIN // 1))
    return wanted, f"{figures.cpus} CPUs were busy for {figures.cpu_percent:.0f} %: {wanted} may do (set-threads)"


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.1f} minutes"


def _differs(wanted: int, asked: int) -> bool:
    """By more than a quarter: smaller changes are noise."""
    return abs(wanted - asked) > asked / 4


def _rounded(megabytes: float) -> int:
    return -int(-megabytes // _STEP_MB) * _STEP_MB
