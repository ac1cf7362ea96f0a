"""The scripts of a sweep: one for each trial, and one that an array of them is submitted with."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cache

from compose_core import supervisor
from compose_core.plan.model import Directive, EarlySignal, Plan
from compose_core.render.description import description_text
from compose_core.render.script import about, programs_text, rendered, shared_loader
from compose_core.version import __version__


def render_trial(plan: Plan, *, programs: str, variables: Mapping[str, str]) -> str:
    """The script of one trial: a job script that finds supervisor and sampler in the file `programs`."""
    heading = f"# ---- supervisor {__version__}, in a file that all trials share; SHA-256 {supervisor.sha256()} ----"
    return rendered(
        "job.sh.j2",
        **{**about(plan), "shared": programs, "exports": dict(sorted(variables.items()))},
        description=description_text(plan, release=__version__),
        loader=shared_loader(),
        programs=heading + "\n",
    )


def render_group(
    directives: Sequence[Directive],
    *,
    sweep_id: str,
    compose_file: str,
    folder: str,
    scripts: Sequence[tuple[str, str]],
    early_signal: EarlySignal | None,
) -> str:
    """The script of an array of trials; `scripts` are file names in `folder`, each with its SHA-256, by number of task."""
    return rendered(
        "group.sh.j2",
        directives=directives,
        sweep_id=sweep_id,
        compose_file=compose_file,
        folder=folder,
        scripts=scripts,
        signal=early_signal.name if early_signal and early_signal.from_slurm else None,
        release=__version__,
    )


@cache
def shared_programs() -> tuple[str, str]:
    """Supervisor and sampler of this release as one text, and its SHA-256."""
    text = programs_text(with_sampler=True)
    return text, hashlib.sha256(text.encode()).hexdigest()
