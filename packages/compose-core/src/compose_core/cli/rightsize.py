"""`hpcc inspect --rightsize`: what to ask for the next time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compose_core.cli.advice_text import print_advice

if TYPE_CHECKING:
    from pathlib import Path

    from compose_core.cli.tools import Tools


def show_rightsize(tools: Tools, file: Path, job_id: str | None) -> None:
    """The advice for a job that was submitted from the file's folder, the newest one unless it is named."""
    from compose_core.job_advice import job_rightsize

    record = tools.find_job(file, job_id)
    advice = job_rightsize(tools.site, record, say=tools.output.talk)
    if tools.output.is_json:
        tools.output.json(advice.as_json())
        return
    tools.output.talk(f"job {advice.job_id} ({record.name}): {advice.state}")
    print_advice(tools.output, advice)
