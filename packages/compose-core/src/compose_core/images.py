"""What can be done with the images of a plan: the verbs that `hpcc` and the adapters share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from compose_core.errors import UsageError
from compose_core.records.paths import CachePaths
from compose_core.version import __version__

if TYPE_CHECKING:
    from compose_core.cluster.engine import Engine
    from compose_core.cluster.site import Site
    from compose_core.plan import Plan
    from compose_core.plan.model import PlannedImage
    from compose_core.prepare.cache import CacheEntry, PruneReport, PruneRule
    from compose_core.prepare.decisions import Decision
    from compose_core.prepare.make_ready import Progress, Ready
    from compose_core.records.paths import ProjectPaths


def prepare_images(
    site: Site,
    plan: Plan,
    *,
    services: Sequence[str] = (),
    force: bool = False,
    keep_failed: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
) -> tuple[Ready, ...]:
    """Every image of the plan (of these services) is ready to be used; what was done for each file.

    Several processes, also on several hosts, may do so at once: one makes an image, the others wait for it.

    Raises: PrepareFailed: some images could not be made.  EnvironmentProblem: a local image is missing.
    """
    from compose_core.prepare.make_ready import ImageMaker

    maker = ImageMaker(
        cache=CachePaths(Path(plan.cache_dir)),
        clock=site.clock,
        host=site.host,
        environment=site.environment,
        programs=site.container_tools,
        tool_version=__version__,
        keep_failed=keep_failed,
    )
    if on_progress is not None:
        maker = replace(maker, on_progress=on_progress)
    return maker.make_ready(images_of(plan, services), force=force)


def image_decisions(plan: Plan, *, services: Sequence[str] = (), force: bool = False) -> tuple[Decision, ...]:
    """What `prepare_images` would do now, and why; nothing is changed."""
    from compose_core.prepare.decisions import decide
    from compose_core.prepare.found import found_images

    images = images_of(plan, services)
    return decide(images, found_images(images, CachePaths(Path(plan.cache_dir))), force=force)


def verify_images(plan: Plan) -> tuple[Decision, ...]:
    """The images as they are, once their content has been compared with their checksums.

    Raises: EnvironmentProblem: one is not there, or not what was made.
    """
    from compose_core.prepare.make_ready import verified_images

    return verified_images(plan.images, CachePaths(Path(plan.cache_dir)))


def cached_images(site: Site, cache_dir: Path) -> tuple[CacheEntry, ...]:
    """Every image in the cache, with the jobs that need it; one look at the scheduler.

    Raises: RecordError: the cache cannot be read.
    """
    from compose_core.prepare.cache import cache_entries

    return cache_entries(CachePaths(cache_dir), jobs_by_image(site))


def prune_images(site: Site, cache_dir: Path, rule: PruneRule, *, dry_run: bool = False) -> PruneReport:
    """Remove images that the rule lets go; those of jobs that are not over, or of which nobody can tell, stay.

    Raises: RecordError: the cache cannot be read, or something in it cannot be removed.
    """
    from compose_core.prepare.cache import prune

    entries = cached_images(site, cache_dir)
    return prune(CachePaths(cache_dir), entries, rule, site.clock, host=site.host, dry_run=dry_run)


def jobs_by_image(site: Site) -> dict[str, tuple[str, ...]]:
    """Image files to the jobs that are not known to be over and start from them: all of the user's, in all folders."""
    from compose_core.records.journal import read_journal
    from compose_core.records.paths import ProjectPaths, StatePaths
    from compose_core.tracking.jobs import tracked_jobs
    from compose_core.tracking.observe import engine_key, observe

    found: dict[str, list[str]] = {}
    journal = read_journal(StatePaths(site.state_dir).journal)
    projects = {ProjectPaths(Path(entry.project_dir)) for entry in journal if Path(entry.project_dir).is_absolute()}
    records = [record for project in projects for record in tracked_jobs(project).records if record.images]
    engines: dict[str, Engine] = {
        engine_key(record): site.of_jobs(record.backend, record.cluster).engine for record in records
    }
    for snapshot in observe(records, engines, site.clock):
        if not snapshot.terminal:
            for image in snapshot.record.images:
                found.setdefault(image, []).append(snapshot.record.job_id)
    for project in projects:
        for image, token in _of_open_submissions(project):
            found.setdefault(image, []).append(token)
    return {image: tuple(jobs) for image, jobs in found.items()}


def _of_open_submissions(project: ProjectPaths) -> Iterator[tuple[str, str]]:
    """The images of submissions that are not settled, by token: their jobs may exist already."""
    from compose_core.errors import RecordError
    from compose_core.records.atomic import names_in
    from compose_core.records.intent import Intent

    for name in names_in(project.unresolved):
        try:
            intent = Intent.read(project.submission(name.name).intent)
        except (RecordError, ValueError):
            continue  # no submission of ours; nothing can be said of its images
        for image in intent.facts.images if intent is not None else ():
            yield image, name.name


def images_of(plan: Plan, services: Sequence[str]) -> tuple[PlannedImage, ...]:
    """The images that these services run in; all of the plan when none is named.

    Raises: UsageError: the plan has no such service.
    """
    known = [step.service for step in plan.steps]
    for name in services:
        if name not in known:
            raise UsageError(f"there is no service {name!r}", remedy=f"The file has: {', '.join(known)}.")
    return tuple(image for image in plan.images if not services or set(image.services) & set(services))
