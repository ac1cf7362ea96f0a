"""Every image of a plan made ready: independent ones side by side, each by one process at a time on all hosts."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from compose_core.clock import Clock
from compose_core.cluster.container_tools import ContainerTools
from compose_core.cluster.lease import Lease, lease
from compose_core.cluster.orphans import end_writers
from compose_core.cluster.process_identity import ProcessIdentity
from compose_core.errors import EnvironmentProblem, HpccError, Problem, RecordError
from compose_core.plan.model import PlannedImage, shown
from compose_core.prepare.building import LOG, Stopped, Workshop
from compose_core.prepare.decisions import Decision, decide
from compose_core.prepare.found import Found, cached_image, found_images, is_intact
from compose_core.prepare.publishing import Content, content_of, note_use, publish
from compose_core.records.atomic import file_exists, make_folder, names_in
from compose_core.records.cached_image import CachedImage, PrepareRecord
from compose_core.records.our_path import OurPath
from compose_core.records.paths import CachePaths, image_lease
from compose_core.records.tree import remove_tree
from compose_core.units import counted

PARALLEL = 3
"""Images that are made at the same time: each import has several connections of its own."""
_WAIT_POLL_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Something that happened to one image."""

    kind: str
    """`step`, `waiting`, `reused`, `ready` or `failed`."""
    decision: Decision
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """One image file that can be used."""

    decision: Decision
    how: str
    """`imported`, `built`, `reused` (it was there), `waited` (another process made it meanwhile) or `local`."""
    size_bytes: int | None = None
    took_s: float = 0.0


class PrepareFailed(HpccError):
    """Images that could not be made ready, all of them at once."""

    code = "prepare-failed"

    def __init__(self, failures: Sequence[tuple[Decision, HpccError]]) -> None:
        self._failures = tuple(failures)
        details = "\n".join(error.details for _, error in failures if error.details)
        count = len(failures)
        super().__init__(f"{counted(count, 'image')} could not be made ready", details=details)

    @property
    def services(self) -> tuple[str, ...]:
        """Those whose images these are."""
        return tuple(name for decision, _ in self._failures for name in decision.services)

    @property
    def problems(self) -> tuple[Problem, ...]:
        return tuple(
            Problem(
                code=error.code,
                message=f"image of {', '.join(decision.services)}: {error.message}",
                remedy=error.remedy,
            )
            for decision, error in self._failures
        )


def _keep_quiet(_: Progress) -> None: ...


@dataclass(frozen=True, kw_only=True)
class ImageMaker:
    """Makes images ready in one cache, from this machine."""

    cache: CachePaths
    clock: Clock
    host: str
    environment: Mapping[str, str] = field(repr=False)
    """What the programs get; the user's own, because Enroot finds credentials and settings there."""
    programs: ContainerTools = field(default_factory=ContainerTools)
    tool_version: str = ""
    keep_failed: bool = False
    """Leave the folder of a build that failed, and say where."""
    on_progress: Callable[[Progress], None] = _keep_quiet
    stop: threading.Event = field(default_factory=threading.Event)
    """Set it to break off."""

    def make_ready(self, images: Iterable[PlannedImage], *, force: bool = False) -> tuple[Ready, ...]:
        """All files that steps start from are complete afterwards; what was done for each.

        Raises: PrepareFailed: some could not be made; the others were.  EnvironmentProblem: a local image is missing.
        """
        wanted = tuple(images)
        decisions = decide(wanted, found_images(wanted, self.cache), force=force)
        _refuse_missing(decisions)
        image_of = {path: image for image in wanted for path in _paths(image)}
        began = self.clock.now()
        done: list[Ready] = []
        for kind in ("local", "base", "prepared"):
            stage = [decision for decision in decisions if decision.kind == kind]
            done += self._all(stage, image_of, began)
        for image in wanted:
            if image.base is not None or image.prepared is not None:
                note_use(self.cache.image(image.runtime_path))
        return tuple(done)

    def _all(self, stage: Sequence[Decision], image_of: Mapping[str, PlannedImage], began: float) -> list[Ready]:
        """One stage: all of it is tried, whatever fails."""
        work = [decision for decision in stage if decision.is_work]
        done = [self._reused(decision) for decision in stage if not decision.is_work]
        failures: list[tuple[Decision, HpccError]] = []
        with ThreadPoolExecutor(max_workers=PARALLEL, thread_name_prefix="image") as pool:
            futures = {pool.submit(self._one, decision, image_of[decision.path], began): decision for decision in work}
            self._wait(futures)
        for future, decision in futures.items():
            try:
                done.append(future.result())
            except HpccError as error:
                self.on_progress(Progress(kind="failed", decision=decision, message=error.message))
                failures.append((decision, error))
            except Stopped:
                continue
        if failures:
            raise PrepareFailed(failures)
        return done

    def _wait(self, futures: Mapping[Future[Ready], Decision]) -> None:
        try:
            wait(futures)
        except BaseException:  # Ctrl-C: the programs are ended, then it goes on its way
            self.stop.set()
            wait(futures)
            raise

    def _reused(self, decision: Decision) -> Ready:
        how = "local" if decision.kind == "local" else "reused"
        if how == "reused":
            self._tidy_up(self.cache.image(decision.path), decision)
        self.on_progress(Progress(kind="reused", decision=decision, message=decision.reason))
        return Ready(decision=decision, how=how)

    def _one(self, decision: Decision, image: PlannedImage, began: float) -> Ready:
        """One image made, or taken from whoever makes it now."""
        file = self.cache.image(decision.path)
        make_folder(file.folder)
        told: list[ProcessIdentity | None] = []

        def go_on(holder: ProcessIdentity | None) -> bool:
            if self.stop.is_set():
                raise Stopped
            if not told:
                told.append(holder)
                self.on_progress(Progress(kind="waiting", decision=decision, message=_shown_holder(holder)))
            return True

        while True:
            with lease(image_lease(file), self.clock, host=self.host, go_on=go_on, poll_s=_WAIT_POLL_S) as held:
                found = cached_image(file, key=str(decision.key))
                if found.record is not None and (not decision.is_renewal or found.record.created_at >= began):
                    self._remove_remains(file, decision)  # its maker may have been killed before it tidied up
                    self.on_progress(Progress(kind="ready", decision=decision, message="made by another process"))
                    return Ready(decision=decision, how="waited", size_bytes=found.record.size_bytes)
                assert held is not None  # `go_on` waits for ever
                try:
                    return self._made(decision, image, file, held)
                except HpccError:
                    if held.is_ours():
                        raise
                    # This process was silent for so long that another one took over: its image is as good.

    def _made(self, decision: Decision, image: PlannedImage, file: OurPath, held: Lease) -> Ready:
        self._remove_remains(file, decision)
        folder = self.cache.building / f"{file.name}.{os.getpid()}-{os.urandom(4).hex()}"
        make_folder(folder)
        make_folder(folder / "data")
        began = self.clock.monotonic()
        workshop = Workshop(
            folder=folder.path,
            programs=self.programs,
            environment=self.environment,
            stop=self.stop,
            tell=lambda text: self.on_progress(Progress(kind="step", decision=decision, message=text)),
        )
        try:
            made = workshop.make(image, prepared=decision.kind == "prepared")
            content = content_of(made)
            took_s = self.clock.monotonic() - began
            if not held.is_ours():
                raise HpccError(f"another process took over the making of {file}", remedy="Try again.")
            publish(made, file, self._record(decision, image, content, took_s=took_s))
        except HpccError as error:
            if self.keep_failed:
                error.details = f"{error.details}\nkept for a look: {folder}"
            else:
                self._discard(folder, decision)
            raise
        except BaseException:
            self._discard(folder, decision)
            raise
        self._discard(folder, decision)
        self.on_progress(
            Progress(kind="ready", decision=decision, message=f"{content.size_bytes} bytes in {took_s:.1f} s")
        )
        return Ready(
            decision=decision,
            how="imported" if decision.action == "import" else "built",
            size_bytes=content.size_bytes,
            took_s=took_s,
        )

    def _record(self, decision: Decision, image: PlannedImage, content: Content, *, took_s: float) -> CachedImage:
        prepare = image.prepare if decision.kind == "prepared" else None
        return CachedImage(
            kind="prepared" if decision.kind == "prepared" else "base",
            key=str(decision.key),
            tool=image.tool,
            source_image=image.reference,
            services=decision.services,
            base_key=image.base.key if prepare is not None and image.base is not None else None,
            prepare=None
            if prepare is None
            else PrepareRecord(
                commands=prepare.commands,
                mounts=tuple(f"{shown(mount.source)}:{mount.target}" for mount in prepare.mounts),
                env_names=tuple(name for name, _ in prepare.environment),
                root=prepare.root,
            ),
            size_bytes=content.size_bytes,
            sha256=content.sha256,
            modified_at=content.modified_at,
            created_at=self.clock.now(),
            took_s=took_s,
            host=self.host,
            tool_version=self.tool_version,
        )

    def _remove_remains(self, file: OurPath, decision: Decision) -> None:
        """What killed makers of this image left; nobody else makes it now, because the lease is ours."""
        for name in names_in(self.cache.building):
            if name.kind == "folder" and name.name.startswith(f"{file.name}."):
                folder = self.cache.building / name.name
                end_writers(folder.path / LOG, self.clock, host=self.host)
                self._discard(folder, decision)

    def _tidy_up(self, file: OurPath, decision: Decision) -> None:
        """What a maker left that was killed after the image was finished; nothing to do in all other cases."""
        if file_exists(image_lease(file)):
            with lease(image_lease(file), self.clock, host=self.host, go_on=lambda _: False) as held:
                if held is not None:
                    self._remove_remains(file, decision)

    def _discard(self, folder: OurPath, decision: Decision) -> None:
        """The image is what counts: a folder that cannot be removed is told of, and stays for `cache prune`."""
        try:
            remove_tree(folder)
        except RecordError as error:
            self.on_progress(Progress(kind="step", decision=decision, message=f"left behind: {error.message}"))


def verified_images(images: Iterable[PlannedImage], cache: CachePaths) -> tuple[Decision, ...]:
    """The decisions of a plan whose images are used as they are, their content compared with its checksum.

    Raises: EnvironmentProblem: an image is not there or not whole; nothing is made.
    """
    wanted = tuple(images)
    found = found_images(wanted, cache)
    problems = [fault for image in wanted if (fault := _fault(image, found[image.runtime_path], cache))]
    if problems:
        raise EnvironmentProblem(
            "; ".join(problems), remedy="Run `hpcc prepare`, or leave --skip-prepare out.", code="image-not-ready"
        )
    for image in wanted:
        if image.runtime_path != image.source:
            note_use(cache.image(image.runtime_path))
    return decide(wanted, found)


def _fault(image: PlannedImage, found: Found, cache: CachePaths) -> str:
    services = ", ".join(image.services)
    if found.state == "absent":
        return f"the image of {services} is not ready: {image.runtime_path} is not there"
    if found.state == "unusable":
        return f"the image of {services} cannot be used: {image.runtime_path}: {found.why}"
    if found.record is not None and not is_intact(cache.image(image.runtime_path), found.record):
        return f"the image of {services} is damaged: {image.runtime_path} does not match its checksum"
    return ""


def _paths(image: PlannedImage) -> Iterable[str]:
    if image.kind == "local":
        yield image.source
    for file in (image.base, image.prepared):
        if file is not None:
            yield file.path


def _refuse_missing(decisions: Iterable[Decision]) -> None:
    missing = [decision for decision in decisions if decision.action == "missing"]
    if missing:
        raise EnvironmentProblem(
            "; ".join(f"the image of {', '.join(item.services)} at {item.path}: {item.reason}" for item in missing),
            remedy="Correct the path, or name an image of a registry.",
            code="image-missing",
        )


def _shown_holder(holder: ProcessIdentity | None) -> str:
    return f"process {holder.pid} on {holder.host} makes it" if holder is not None else "another process makes it"
