"""The program that runs a job on its batch host: starts its services, watches them, ends them, writes down what happened.

It is written as modules and travels inside the job script as one text, so it needs nothing but a Python of 3.6 or
newer. One thread waits in one `select` for children, signals and timers; only readiness checks over the network run
in threads, because a name lookup may block. The script calls `main`; a service is started by running the script again
with `step:NAME`.
"""

from __future__ import annotations

from compose_core.node_program import put_together, sha256_of

PARTS = (
    "talk",
    "files",
    "attempts",
    "claim",
    "policy",
    "readiness",
    "artifacts",
    "host",
    "starts",
    "allocation",
    "service",
    "distributed",
    "record",
    "rotation",
    "surroundings",
    "probing",
    "steps",
    "secrets",
    "runtime_cache",
    "hooks",
    "assertions",
    "notices",
    "budget",
    "job",
    "stopping",
    "early",
    "ending",
    "sampling",
    "state",
    "consequences",
    "starting",
    "timers",
    "children",
    "results",
    "supervise",
    "start",
)
"""The modules, each importing only from those before it."""

_HEADING = """The hpc-compose supervisor: starts the services of a job, watches them, ends them, writes down what happened.

Put together from the modules of `compose_core.supervisor`, which a reader may find easier to read.
"""


def source() -> str:
    """The supervisor as one module, the same in every job of a release."""
    return put_together(_HEADING, *(f"{__name__}.{part}" for part in PARTS))


def sha256() -> str:
    """The SHA-256 of `source()` in UTF-8, in hexadecimal."""
    return sha256_of(source())
