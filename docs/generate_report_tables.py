"""The tables of docs/json.md and docs/exit-statuses.md, from the models: `python -m docs.generate_report_tables` writes them anew."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel

from compose_core.cli.report_schemas import REPORTS
from compose_core.errors import ExitCode
from docs.generated_blocks import rewrite, table

JSON_PAGE = Path(__file__).parent / "json.md"
STATUS_PAGE = Path(__file__).parent / "exit-statuses.md"
MEANINGS = {
    ExitCode.OK: "done; of a job: it goes on, or ended well",
    ExitCode.FAILED: "the job ended badly, the scheduler refused it, there is no such job, or the operation failed",
    ExitCode.USAGE: "the command line or the compose file is wrong; nothing was submitted",
    ExitCode.ENVIRONMENT: "this machine or site lacks something that the run needs",
    ExitCode.UNREACHABLE: "the scheduler did not answer, or it is not known whether it took a job; run the command again later",
    ExitCode.INTERRUPTED: "interrupted with Ctrl-C; a submitted job goes on",
    ExitCode.TERMINATED: "told to end with TERM; a submitted job goes on",
}


def report_blocks() -> dict[str, str]:
    """Each command with the fields of what it reports."""
    rows = [
        [f"[`hpcc {command}`](commands.md#hpcc-{command.replace(' ', '-')})", f"`{model.__name__}`", _fields(model)]
        for command, models in REPORTS.items()
        for model in models
    ]
    return {"reports": table(["command", "report", "fields"], rows)}


def status_blocks() -> dict[str, str]:
    """Each status that `hpcc` promises."""
    return {"statuses": table(["status", "meaning"], [[str(int(code)), MEANINGS[code]] for code in ExitCode])}


def _fields(model: type[BaseModel]) -> str:
    names = [field.alias or name for name, field in model.model_fields.items() if name != "schema_version"]
    return ", ".join(f"`{name}`" for name in names)


if __name__ == "__main__":
    rewrite(JSON_PAGE, report_blocks())
    rewrite(STATUS_PAGE, status_blocks())
