"""`hpcc prepare`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from compose_core.cli import options
from compose_core.cli.image_progress import image_progress
from compose_core.cli.preflight import check_cache_link
from compose_core.cli.tools import Tools

if TYPE_CHECKING:
    from compose_core.plan import Plan
    from compose_core.prepare.decisions import Decision
    from compose_core.prepare.make_ready import Ready


@click.command(
    help="Make the images ready that the services run in: import them into the cache and run their `prepare` commands. "
    "What is in the cache already is used again; `hpcc up` does the same before it submits."
)
@options.compose_file
@options.strict_env
@options.service
@click.option("--force", "--force-rebuild", is_flag=True, help="Import and build anew what is in the cache.")
@click.option("--keep-failed-prep", is_flag=True, help="Keep the folder of a build that fails, and say where it is.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and why.")
@options.common
@options.programs
def prepare(
    tools: Tools,
    file: Path,
    strict_env: bool,
    services: tuple[str, ...],
    force: bool,
    keep_failed_prep: bool,
    dry_run: bool,
) -> None:
    """Plan → decide → import and build."""
    from compose_core import images

    plan = tools.plan(file, strict_env=strict_env)
    tools.output.warn(plan.warnings)
    if dry_run:
        _report_decisions(tools, plan, images.image_decisions(plan, services=services, force=force))
        return
    check_cache_link(tools, plan)
    ready = make_images_ready(tools, plan, services=services, force=force, keep_failed=keep_failed_prep)
    if tools.output.is_json:
        tools.output.json({**_head(plan, dry_run=False), "images": [_ready_json(item) for item in ready]})
    elif not ready:
        tools.output.talk("no service runs in an image")
    else:
        rows = [[", ".join(item.decision.services), item.how, item.decision.path] for item in ready]
        tools.output.table(["SERVICES", "IMAGE WAS", "FILE"], rows)


def make_images_ready(
    tools: Tools, plan: Plan, *, services: Sequence[str] = (), force: bool = False, keep_failed: bool = False
) -> tuple[Ready, ...]:
    """The images of the plan, made ready with progress on stderr; also what `up` does."""
    from compose_core import images

    if not images.images_of(plan, services):
        return ()
    with image_progress(tools.output) as listener:
        return images.prepare_images(
            tools.site, plan, services=services, force=force, keep_failed=keep_failed, on_progress=listener
        )


def decision_rows(decisions: Sequence[Decision]) -> list[list[str]]:
    """The decisions as rows of IMAGE, ACTION, FILE, BECAUSE."""
    return [[f"  {item.reference}", item.action, item.path, item.reason] for item in decisions]


def _report_decisions(tools: Tools, plan: Plan, decisions: Sequence[Decision]) -> None:
    if tools.output.is_json:
        tools.output.json(
            {**_head(plan, dry_run=True), "images": [{**item.as_json(), "how": None} for item in decisions]}
        )
    elif not decisions:
        tools.output.talk("no service runs in an image")
    else:
        tools.output.table(
            ["IMAGE", "ACTION", "FILE", "BECAUSE"], [[row[0].strip(), *row[1:]] for row in decision_rows(decisions)]
        )


def _head(plan: Plan, *, dry_run: bool) -> dict[str, Any]:
    return {"schema_version": 1, "compose_file": plan.compose_file, "cache_dir": plan.cache_dir, "dry_run": dry_run}


def _ready_json(ready: Ready) -> dict[str, Any]:
    return {**ready.decision.as_json(), "how": ready.how, "size_bytes": ready.size_bytes, "took_s": ready.took_s}
