"""`hpcc cache list`, `inspect` and `prune`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from compose_core.cli import options
from compose_core.cli.age import age_s
from compose_core.cli.prepare import decision_rows
from compose_core.cli.tools import Tools
from compose_core.clock import iso
from compose_core.errors import UsageError
from compose_core.units import counted, format_bytes

if TYPE_CHECKING:
    from compose_core.prepare.cache import CacheEntry, PruneReport, PruneRule

cache_dir_option = click.option(
    "--cache-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="The cache; without it that of the compose file if there is one, else ~/.cache/hpc-compose.",
)


@click.group(help="Look at the cached images, and remove those that nothing needs.")
def cache() -> None:
    """The group of the three commands."""


@cache.command(name="list", help="Every cached image: size, last use, and the jobs that need it.")
@options.compose_file
@cache_dir_option
@options.common
def list_images(tools: Tools, file: Path, cache_dir: Path | None) -> None:
    """Everything that lies in the cache."""
    from compose_core.images import cached_images

    folder = _cache_dir(tools, file, cache_dir)
    entries = cached_images(tools.site, folder)
    if tools.output.is_json:
        tools.output.json(
            {"schema_version": 1, "cache_dir": str(folder), "entries": [entry.as_json() for entry in entries]}
        )
        return
    if entries:
        rows = [_row(entry) for entry in entries]
        tools.output.table(["IMAGE", "KIND", "SIZE", "LAST USED", "JOBS", "FILE"], rows)
    size = format_bytes(sum(entry.size_bytes for entry in entries))
    tools.output.talk(f"{folder}: {counted(len(entries), 'image')}, {size}")


@cache.command(help="What `hpcc prepare` would do for the images of a compose file now, and what is known of each.")
@options.compose_file
@options.strict_env
@options.service
@options.common
def inspect(tools: Tools, file: Path, strict_env: bool, services: tuple[str, ...]) -> None:
    """The decisions, with what lies in the cache of each file."""
    from compose_core.images import cached_images, image_decisions

    plan = tools.plan(file, strict_env=strict_env)
    decisions = image_decisions(plan, services=services)
    known = {entry.path: entry for entry in cached_images(tools.site, Path(plan.cache_dir))}
    if tools.output.is_json:
        images = [
            {**item.as_json(), "entry": known[item.path].as_json() if item.path in known else None}
            for item in decisions
        ]
        tools.output.json({"schema_version": 1, "cache_dir": plan.cache_dir, "images": images})
        return
    for item, row in zip(decisions, decision_rows(decisions)):
        tools.output.heading(f"{', '.join(item.services)}: {item.reference}")
        tools.output.data(f"  {item.action:<9}{row[2]}\n  because  {row[3]}")
        entry = known.get(item.path)
        record = entry.found.record if entry is not None else None
        if entry is not None and record is not None:
            tools.output.data(f"  size     {format_bytes(entry.size_bytes)}, sha256 {record.sha256}")
            tools.output.data(f"  made     {iso(record.created_at)} on {record.host} in {record.took_s:.1f} s")


@cache.command(
    help="Remove cached images by age, or all that a compose file does not need; exactly one of --age and "
    "--all-unused.\n\n"
    "The images of jobs that wait or run stay, and so do those of jobs of which nobody can tell."
)
@options.compose_file
@cache_dir_option
@click.option("--age", metavar="AGE", help="Those last used longer ago than this: 14 or 14d (days), 12h …; 0 is all.")
@click.option("--all-unused", is_flag=True, help="All that the compose file, named with -f, does not need.")
@click.option("--dry-run", is_flag=True, help="Say what would go, and remove nothing.")
@options.common
def prune(tools: Tools, file: Path, cache_dir: Path | None, age: str | None, all_unused: bool, dry_run: bool) -> None:
    """Rule → removal."""
    from compose_core.images import prune_images

    rule = _rule(tools, file, age, all_unused=all_unused)
    folder = _cache_dir(tools, file, cache_dir)
    report = prune_images(tools.site, folder, rule, dry_run=dry_run)
    if tools.output.is_json:
        tools.output.json({**report.as_json(), "cache_dir": str(folder)})
    else:
        _tell(tools, report)


def _rule(tools: Tools, file: Path, age: str | None, *, all_unused: bool) -> PruneRule:
    from compose_core.prepare.cache import PruneRule

    if (age is not None) == all_unused:
        raise UsageError("which images?", remedy="Give exactly one of --age and --all-unused.")
    if age is not None:
        return PruneRule(older_than_s=age_s(age))
    context = click.get_current_context()
    if context.get_parameter_source("file") is click.core.ParameterSource.DEFAULT:
        raise UsageError("--all-unused needs the compose file whose images stay", remedy="Name it with -f.")
    plan = tools.plan(file)
    needed = {item.path for image in plan.images for item in (image.base, image.prepared) if item is not None}
    return PruneRule(needed=needed)


def _cache_dir(tools: Tools, file: Path, cache_dir: Path | None) -> Path:
    if cache_dir is not None:
        return cache_dir.absolute()
    from compose_core.planning import cache_dir_of

    context = click.get_current_context()
    is_named = context.get_parameter_source("file") is not click.core.ParameterSource.DEFAULT
    if is_named or file.exists():
        return cache_dir_of(tools.site, tools.load(file))
    return tools.site.home / ".cache" / "hpc-compose"


def _row(entry: CacheEntry) -> list[str]:
    image = entry.found.record.source_image if entry.found.record else f"not usable: {entry.found.why}"
    used = iso(entry.used_at) if entry.used_at is not None else "-"
    return [image, entry.kind, format_bytes(entry.size_bytes), used, ", ".join(entry.jobs) or "-", entry.path]


def _tell(tools: Tools, report: PruneReport) -> None:
    verb = "would remove" if report.dry_run else "removed"
    for one in report.entries:
        if one.outcome == "removed":
            tools.output.data(f"{verb} {one.entry.path} ({format_bytes(one.entry.size_bytes)})")
        else:
            jobs = f" {', '.join(one.entry.jobs)}" if one.entry.jobs else ""
            tools.output.talk(f"kept {one.entry.path}: {one.outcome}{jobs}")
    tools.output.data(f"{format_bytes(report.bytes_freed)} {'would be freed' if report.dry_run else 'freed'}")
