"""`hpcc artifacts`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from compose_core.cli import live_values, options
from compose_core.cli.tools import Tools
from compose_core.errors import UsageError
from compose_core.units import counted

if TYPE_CHECKING:
    from compose_core.tracking.artifacts import ExportReport


@click.command(help="Copy what a job collected to the export folder that its compose file names.")
@options.compose_file
@options.job_id
@click.option(
    "--bundle",
    "bundles",
    metavar="NAME",
    multiple=True,
    shell_complete=live_values.bundles,
    help="Only this bundle; may be given several times.",
)
@click.option("--tarball", is_flag=True, help="Also write one <bundle>.tar.gz per bundle.")
@click.option(
    "--export-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Another folder than x-slurm.artifacts.export_dir.",
)
@options.attempt
@options.common
def artifacts(
    tools: Tools,
    file: Path,
    job_id: str | None,
    bundles: tuple[str, ...],
    tarball: bool,
    export_dir: Path | None,
    attempt: int | None,
) -> None:
    """Payload → export folder, with provenance."""
    from compose_core.operations import export_array, export_artifacts

    record = tools.find_job(file, job_id)
    if record.array is not None:
        if attempt is not None:
            remedy = f"Name one of its tasks, as in --job-id {record.job_id}_0."
            raise UsageError("the tasks of an array have attempts of their own", remedy=remedy)
        of_array = export_array(tools.site, record, bundles=bundles, tarball=tarball, export_dir=export_dir)
        if of_array.without:
            tools.output.talk(f"nothing collected (yet): {', '.join(of_array.without)}")
        _report(tools, of_array.tasks, of_array.as_json())
        return
    report = export_artifacts(
        tools.site, record, bundles=bundles, tarball=tarball, export_dir=export_dir, attempt=attempt
    )
    _report(tools, [report], report.as_json())


def _report(tools: Tools, reports: Sequence[ExportReport], as_json: dict[str, Any]) -> None:
    """What was exported of one job, or of the tasks of an array."""
    for warning in (warning for report in reports for warning in report.warnings):
        tools.output.talk(f"warning: {warning}")
    if tools.output.is_json:
        tools.output.json(as_json)
        return
    for bundle in (bundle for report in reports for bundle in report.bundles):
        count = len(bundle.files)
        tools.output.data(f"{bundle.name}: {counted(count, 'file')} to {bundle.export_dir}")
        for path in bundle.exported_paths:
            tools.output.data(f"  {path}")
        if bundle.tarball_path:
            tools.output.data(f"  {bundle.tarball_path}")
