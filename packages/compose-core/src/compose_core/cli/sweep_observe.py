"""`hpcc sweep observe`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from compose_core.cli import options, sweep_options
from compose_core.cli.sweep_rows import print_results
from compose_core.cli.tools import Tools
from compose_core.errors import ExitCode, UsageError
from compose_core.units import parse_duration_s

if TYPE_CHECKING:
    from compose_core.sweep.observe import SweepObserver
    from compose_core.sweep.results import SweepResults
    from compose_core.sweep.stop_when import StopWhen


@click.command(
    name="observe",
    help="Look at the figures of a sweep while it runs, and write them into its manifest.\n\n"
    "With --watch it goes on until no trial waits or runs: it tells every new figure, ends hopeless trials where the"
    " file has `sweep.prune`, and stops the sweep when --stop-when is met.",
)
@options.compose_file
@sweep_options.sweep_id
@click.option("--watch", is_flag=True, help="Go on until the sweep is over.")
@click.option("--stop-when", metavar="CONDITION", help="Stop the sweep when a trial meets it: 'objective < 0.05'.")
@click.option(
    "--poll-interval", metavar="DURATION", default="30s", show_default=True, help="Between two looks; 1s at least."
)
@click.option("--timeout", metavar="DURATION", help="Leave after so long; the sweep goes on.")
@click.option("--scaling", is_flag=True, help="Show the scaling along the objective's axis, too.")
@options.common
def sweep_observe(
    tools: Tools,
    file: Path,
    sweep_id: str | None,
    watch: bool,
    stop_when: str | None,
    poll_interval: str,
    timeout: str | None,
    scaling: bool,
) -> int:
    """One look, or as many as it takes."""
    from compose_core.sweep.observe import SweepObserver
    from compose_core.sweep.stop_when import StopWhen
    from compose_core.tracking.poller import Pace

    condition = StopWhen.parse(stop_when) if stop_when is not None else None
    interval_s = _seconds("--poll-interval", poll_interval)
    timeout_s = _seconds("--timeout", timeout) if timeout is not None else None
    pace = Pace(first_s=interval_s, longest_s=interval_s, longest_silent_s=max(300.0, interval_s), files_s=interval_s)
    manifest = sweep_options.find_sweep(tools, file, sweep_id)
    observer = SweepObserver(tools.site, manifest, pace=pace)
    if condition is not None and manifest.objective is None:
        raise UsageError("--stop-when needs an objective", remedy="Add `sweep.objective` to the compose file.")
    watcher = _Watcher(tools, observer, condition)
    try:
        results = watcher.run(timeout_s=timeout_s) if watch else watcher.look()
    except KeyboardInterrupt:
        tools.output.talk("\nthe sweep goes on; the same command goes on observing it")
        return int(ExitCode.INTERRUPTED)
    if tools.output.is_json:
        tools.output.json({**results.as_json(), "pruned": watcher.pruned, "stopped_because": watcher.stopped_because})
    else:
        print_results(tools.output, results, with_scaling=scaling)
    return int(ExitCode.OK)


class _Watcher:
    """Looks, and tells what is new in each."""

    def __init__(self, tools: Tools, observer: SweepObserver, condition: StopWhen | None) -> None:
        self._tools = tools
        self._observer = observer
        self._condition = condition
        self._told: dict[str, object] = {}
        self._trouble = ""
        self.pruned: list[dict[str, object]] = []
        self.stopped_because: str | None = None

    def run(self, *, timeout_s: float | None) -> SweepResults:
        """Look until the sweep is over, stopped, or the time is up."""
        clock = self._tools.site.clock
        deadline = clock.monotonic() + timeout_s if timeout_s is not None else float("inf")
        while True:
            results = self.look()
            self._tell(results)
            left_s = deadline - clock.monotonic()
            if results.is_over or self.stopped_because is not None:
                return results
            if left_s <= 0:
                self._tools.output.talk("the time is up; the sweep goes on")
                return results
            clock.sleep(min(left_s, self._observer.pause_s()))

    def look(self) -> SweepResults:
        """One look, written down; hopeless trials are ended, and the sweep when its condition is met."""
        results = self._observer.look()
        self._observer.write_down(results)
        for decision in self._observer.prune(results):
            self._tools.output.talk(f"pruned {decision}")
            self.pruned.append(decision.as_json())
        self._stop_if_met(results)
        return results

    def _stop_if_met(self, results: SweepResults) -> None:
        if self._condition is None or results.is_over:
            return
        condition = self._condition
        for row in results.rows:
            if (
                row.objective is not None
                and row.status in ("completed", "running")
                and condition.is_met_by(row.objective)
            ):
                from compose_core.sweep.stop import stop_sweep

                reason = f"{condition}: {row.trial_id} has {row.objective:g}"
                self._tools.output.talk(f"stopping the sweep: {reason}")
                stop_sweep(self._tools.site, self._observer.manifest, reason=reason)
                self.stopped_because = reason
                return

    def _tell(self, results: SweepResults) -> None:
        """What changed since the last look, a line for each trial."""
        output = self._tools.output
        for row in results.rows:
            word = (row.status, row.objective)
            if self._told.get(row.trial_id, ("pending", None)) != word:
                figure = "" if row.objective is None else f"  {row.objective:.6g}"
                output.talk(f"{row.trial_id}  {row.status.replace('_', ' ')}{figure}")
            self._told[row.trial_id] = word
        if self._observer.trouble != self._trouble:
            self._trouble = self._observer.trouble
            output.talk(f"the scheduler does not answer: {self._trouble}" if self._trouble else "it answers again")


def _seconds(option: str, text: str) -> float:
    try:
        seconds = float(parse_duration_s(text))
    except ValueError as error:
        raise UsageError(f"{option}: {error}", code="duration") from error
    if seconds < 1:
        raise UsageError(f"{option} is 1s at least", code="duration")
    return seconds
