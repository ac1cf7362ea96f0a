"""Print the table of docs/execution-model.md on what a service sees of each end, from jobs that really ended so.

python -m tests.jobs.ends_table local|slurm
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.jobs.ends import KILL_WAIT_S, Scenario, Seen, run_all
from tests.jobs.project import Project
from tests.slurm.bench import SlurmBench

HEADINGS = (
    "end",
    "what the service sees (seconds after the end began)",
    "one that ignores TERM is killed after",
    "`cause`",
    "`job_status`, exit status",
    "artifacts",
    "`hpcc status`",
)


def row(seen: Seen) -> list[str]:
    """The cells of one end."""
    saw = ", ".join(_shown(word, at) for at, word in seen.app) or "nothing: KILL at once"
    artifacts = {True: "complete", False: "incomplete", None: "none"}[seen.manifest.get("complete")]
    status = seen.state.get("job_status")
    code = seen.state.get("job_exit_code")
    return [
        seen.scenario,
        saw,
        f"{max(0.0, seen.deaf_lived_s):.1f} s",
        f"`{seen.end['cause']}`" if seen.end else "no `end.json`",
        f"`{status}`" + (f", {code}" if code is not None else ""),
        artifacts,
        f"`{seen.hpcc}`",
    ]


def table(found: dict[str, Seen]) -> str:
    """The whole table as Markdown."""
    rows = [list(HEADINGS), ["---"] * len(HEADINGS), *(row(seen) for seen in found.values())]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows).replace("| --- ", "|---").replace("--- |", "---|")


def _shown(word: str, at: float) -> str:
    return f"{'clean-up done' if word == 'saved' else word.removeprefix('SIG')} {at + 0.0:+.1f}"


def main(engine: str) -> None:
    """Run every end and print the table."""
    if engine == "local":
        root = Path(tempfile.mkdtemp(prefix="hpcc-ends-"))
        sys.stdout.write(table(run_all(lambda scenario: _project(root, scenario))) + "\n")
        return
    with SlurmBench(accounting=False, nodes=5, kill_wait_s=KILL_WAIT_S, over_memory_kill=True) as bench:
        sys.stdout.write(table(run_all(lambda scenario: _project(bench.shared_dir, scenario, bench), bench)) + "\n")


def _project(root: Path, scenario: Scenario, bench: SlurmBench | None = None) -> Project:
    folder = root / scenario.name.replace(" ", "-") / "project"
    return Project(folder, "slurm", bench.environment) if bench else Project(folder, "local")


if __name__ == "__main__":
    main(sys.argv[1])
