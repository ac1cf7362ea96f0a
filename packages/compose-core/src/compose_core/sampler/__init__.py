"""The program that samples GPUs, steps and CPUs while a job runs: one process on each node of the allocation.

Written as modules that are put together like the supervisor, whose `talk` and `files` it shares; it needs nothing but a
Python of 3.6 or newer. It reads its own text and its settings from standard input, tells its rows on standard output, and
takes its last sample when standard input ends. One thread waits in one `select` for the programs that it asks.
"""

from __future__ import annotations

from compose_core.node_program import put_together, sha256_of

SHARED = ("compose_core.supervisor.talk", "compose_core.supervisor.files")
"""Parts that both programs are made of."""
PARTS = (
    "values",
    "report",
    "probe",
    "collector",
    "owners",
    "reading",
    "mig",
    "nvidia",
    "amd",
    "rocm",
    "gpu",
    "sstat",
    "cpu",
    "diagnostics",
    "sample",
)
"""The modules, each importing only from those before it."""

_HEADING = """The hpc-compose sampler: one process on each node that tells what GPUs, steps and CPUs do.

Put together from the modules of `compose_core.sampler`, which a reader may find easier to read.
"""


def source() -> str:
    """The sampler as one module, the same in every job of a release."""
    return put_together(_HEADING, *SHARED, *(f"{__name__}.{part}" for part in PARTS))


def sha256() -> str:
    """The SHA-256 of `source()` in UTF-8, in hexadecimal."""
    return sha256_of(source())
