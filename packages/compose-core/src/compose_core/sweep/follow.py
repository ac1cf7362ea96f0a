"""A sweep, looked at until nothing of it runs or waits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from compose_core import operations
from compose_core.records.paths import ProjectPaths
from compose_core.records.sweep_journal import read_sweep
from compose_core.records.sweep_manifest import SweepManifest
from compose_core.sweep.records import array_records
from compose_core.sweep.state import SweepState, settled_sweep, trial_states

if TYPE_CHECKING:
    from compose_core.cluster.site import Site


def follow_sweep(site: Site, manifest: SweepManifest) -> Iterator[SweepState]:
    """The sweep at every look, the last one when it is over; the scheduler is asked as seldom as the poller allows.

    What other commands submit meanwhile is seen, too.  Raises: RecordError: the journal cannot be read.
    """
    project = ProjectPaths(manifest.project_dir)
    poller = operations.poller(site)
    while True:
        manifest = settled_sweep(site, read_sweep(project.sweep(manifest.sweep_id)) or manifest)
        arrays = array_records(project, manifest)
        poller.follow(arrays.values())
        state = SweepState(manifest=manifest, trials=trial_states(manifest, arrays, poller.look()))
        yield state
        if state.is_over:
            return
        site.clock.sleep(poller.pause_s())
