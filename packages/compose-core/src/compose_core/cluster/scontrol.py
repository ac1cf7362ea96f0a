"""`scontrol`: all that the controller knows of one job, the site's settings, and whether anybody is there."""

from __future__ import annotations

import re

from compose_core.job_state import JobId

_KEY = re.compile(r"(?:^|(?<=\s))([A-Z][A-Za-z0-9/:_]*)=")
_FREE_TEXT = ("JobName", "Comment", "AdminComment", "SystemComment", "WorkDir", "Command", "StdErr", "StdIn", "StdOut")
"""Values with spaces stand alone on their line in the long form, which is why the short one is not used."""
_SETTING = re.compile(r"^(\S+)\s*=\s?(.*)$")


def show_job_argv(job_id: JobId, program: str = "scontrol") -> list[str]:
    """All that the controller knows of one job."""
    return [program, "show", "job", str(job_id)]


def parse_show_job(stdout: str) -> dict[str, str]:
    """Key and value of the first job in `show_job_argv` output; empty when it holds none."""
    found: dict[str, str] = {}
    for line in stdout.split("\n\n", 1)[0].splitlines():
        line = line.strip()
        alone = next((key for key in _FREE_TEXT if line.startswith(f"{key}=")), None)
        if alone:
            found[alone] = line[len(alone) + 1 :].rstrip()
            continue
        head, named, name = line.partition(" JobName=")
        keys = list(_KEY.finditer(head))
        for position, match in enumerate(keys):
            end = keys[position + 1].start() if position + 1 < len(keys) else len(head)
            found[match[1]] = head[match.end() : end].strip()
        if named:
            found["JobName"] = name
    return found


def show_config_argv(program: str = "scontrol") -> list[str]:
    """The site's settings."""
    return [program, "show", "config"]


def parse_show_config(stdout: str) -> dict[str, str]:
    """Setting and value of `show_config_argv` output."""
    matches = (_SETTING.match(line) for line in stdout.splitlines())
    return {match[1]: match[2].strip() for match in matches if match}


def seconds_setting(settings: dict[str, str], name: str) -> int | None:
    """The number of `30 sec`; None when the setting is missing or no number."""
    words = settings.get(name, "").split()
    return int(words[0]) if words and words[0].isascii() and words[0].isdigit() else None


def ping_argv(program: str = "scontrol") -> list[str]:
    """Is a controller there? Answers at once, also when none is."""
    return [program, "ping"]


def parse_ping(stdout: str) -> bool:
    """True when at least one controller is up: `Slurmctld(primary) at host is UP`."""
    return any(re.search(r"\bis UP\b", line) for line in stdout.splitlines())
