"""Every generated part of the pages: `python -m docs.generate_all` writes all of them anew, `PAGES` is what the tests compare."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from docs import (
    generate_command_tables,
    generate_diagrams,
    generate_option_table,
    generate_refusals,
    generate_report_tables,
    generate_spec_tables,
    generate_support_tables,
    generate_troubleshooting,
)
from docs.generated_blocks import rewrite

PAGES: dict[Path, Callable[[], Mapping[str, str]]] = {
    generate_command_tables.PAGE: generate_command_tables.blocks,
    generate_option_table.PAGE: generate_option_table.blocks,
    generate_refusals.PAGE: generate_refusals.blocks,
    generate_report_tables.JSON_PAGE: generate_report_tables.report_blocks,
    generate_report_tables.STATUS_PAGE: generate_report_tables.status_blocks,
    generate_spec_tables.PAGE: generate_spec_tables.blocks,
    generate_support_tables.PAGE: generate_support_tables.blocks,
    generate_troubleshooting.PAGE: generate_troubleshooting.blocks,
}
"""Each page with generated parts, and what writes them."""

if __name__ == "__main__":
    for page, blocks in PAGES.items():
        rewrite(page, blocks())
    generate_diagrams.write()
