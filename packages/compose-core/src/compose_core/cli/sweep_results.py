"""`hpcc sweep results`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from compose_core.cli import options, sweep_options
from compose_core.cli.output import json_text
from compose_core.cli.sweep_rows import print_results
from compose_core.cli.tools import Tools
from compose_core.errors import UsageError

if TYPE_CHECKING:
    from compose_core.sweep.results import SweepResults


@click.command(
    name="results",
    help="What came of a sweep: the figure of every trial, mean and deviation over replicates, the ranking.",
)
@options.compose_file
@sweep_options.sweep_id
@click.option("--scaling", is_flag=True, help="Show the scaling along the objective's axis, too.")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Write to this file instead of stdout.")
@options.common_with("text", "json", "csv", "html")
def sweep_results(tools: Tools, file: Path, sweep_id: str | None, scaling: bool, output: Path | None) -> None:
    """One look, in the form that is asked for."""
    from compose_core.sweep.observe import SweepObserver

    form = tools.output.format
    if form == "html" and output is None:
        raise UsageError("an HTML report goes to a file", remedy="Name it: --output report.html.")
    if form == "text" and output is not None:
        raise UsageError("--output takes json, csv or html", remedy="Add --format html, or redirect the text.")
    observer = SweepObserver(tools.site, sweep_options.find_sweep(tools, file, sweep_id))
    results = observer.look(with_curves=form == "html")
    observer.write_down(results)
    if form == "text":
        print_results(tools.output, results, with_scaling=scaling)
    elif output is not None:
        _write(output, _rendered(tools, results))
        tools.output.talk(f"written to {output}")
    elif form == "csv":
        tools.output.data(results.as_csv(), newline=False)
    else:
        tools.output.json(results.as_json())


def _rendered(tools: Tools, results: SweepResults) -> str:
    if tools.output.format == "html":
        return results.as_html(made_at=tools.site.clock.now())
    if tools.output.format == "csv":
        return results.as_csv()
    return json_text(results.as_json()) + "\n"


def _write(path: Path, text: str) -> None:
    """A whole file or none, where the user says.

    Raises: RecordError: it cannot be written.
    """
    from compose_core.records.atomic import replace_file
    from compose_core.records.our_path import OurPath

    place = path.absolute()
    replace_file(OurPath(place.parent) / place.name, text.encode("utf-8", "replace"))
