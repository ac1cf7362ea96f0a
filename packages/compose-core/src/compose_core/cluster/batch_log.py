"""Where the batch script's own output goes: Slurm's file name patterns, filled in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from compose_core.job_state import JobId

_FIELD = re.compile(r"%(?:%|([0-9]*)([A-Za-z]))")


def batch_log_path(
    options: Mapping[str, str], *, job_id: JobId, job_name: str, user: str, project_dir: Path, host: str | None = None
) -> Path | None:
    """The resolved `--output` of a job with these options, `slurm-<id>.out` when it has none.

    None when the pattern holds what is only known on the node (`%N` without a host), and for an array as a whole.

    Source: sbatch(1), FILENAME PATTERN.
    """
    folder = project_dir / options.get("chdir", "")
    base, _, task = job_id.partition("_")
    is_array = bool(task) or bool(options.keys() & {"array", "a"})
    pattern = options.get("output") or ("slurm-%A_%a.out" if is_array else "slurm-%j.out")
    if "\\" in pattern:
        # A backslash turns the patterns off.
        return folder / pattern.replace("\\", "")
    values = {
        "j": None if is_array else job_id,  # each task has a number of its own that only Slurm knows
        "J": None if is_array else job_id,
        "A": base,
        "a": task or (None if is_array else "4294967294"),
        "x": job_name,
        "u": user,
        "N": host,
        "n": "0" if host else None,
        "t": "0" if host else None,
        "s": "batch",
    }
    parts: list[str] = []
    position = 0
    for match in _FIELD.finditer(pattern):
        text = _filled(match, values)
        if text is None:
            return None
        parts.extend((pattern[position : match.start()], text))
        position = match.end()
    return folder / "".join((*parts, pattern[position:]))


def task_log_pattern(options: Mapping[str, str], *, job_id: JobId, job_name: str, user: str) -> str:
    """The `--output` of an array's tasks with all filled in that they have in common: `slurm-12_%a.out`."""
    pattern = options.get("output") or "slurm-%A_%a.out"
    values = {"A": job_id, "x": job_name, "u": user}
    if "\\" in pattern:
        return pattern

    def common(match: re.Match[str]) -> str:
        text = _filled(match, values) if match[2] in values else None
        return match[0] if text is None else text.replace("%", "%%")

    return _FIELD.sub(common, pattern)


def with_own_number(pattern: str, number: str) -> str:
    """The pattern with `%j` of an array task filled in: a number that Slurm gives, and that stands in no id of the task."""
    return _FIELD.sub(
        lambda match: _filled(match, {"j": number, "J": number}) or match[0] if match[2] in ("j", "J") else match[0],
        pattern,
    )


def make_log_folders(options: Mapping[str, str], *, job_name: str, user: str, project_dir: Path) -> str | None:
    """Make the folders of `--output` and `--error`: without them Slurm fails the job and leaves no trace.

    Gives why that cannot work, None when all is well. A folder that cannot be made here may exist on the nodes.

    Source: seen with Slurm 22.05: FAILED 0:53, JobLaunchFailure.
    """
    for key in ("output", "error"):
        folder = options.get(key, "").rpartition("/")[0]
        fields = () if "\\" in folder else _FIELD.finditer(folder)
        unknown = next((match for match in fields if match[2] and match[2] in "AaJj"), None)
        if unknown is not None:
            return f"the folder of --{key}={options[key]} depends on {unknown[0]}, and Slurm makes no folders"
        log = batch_log_path(
            {**options, "output": with_own_number(options.get(key, ""), "0")},
            job_id=JobId("0_0" if options.keys() & {"array", "a"} else "0"),
            job_name=job_name,  # it may hold a slash
            user=user,
            project_dir=project_dir,
            host="node",
        )
        if key in options and log is not None:
            with suppress(OSError):
                log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return None


def _filled(match: re.Match[str], values: Mapping[str, str | None]) -> str | None:
    width, letter = match[1], match[2]
    if letter is None:
        return "%"
    if letter not in values:
        return match[0]
    value = values[letter]
    return value.zfill(min(int(width), 10)) if value is not None and width and letter in "jAant" else value
