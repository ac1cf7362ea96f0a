"""The intent: what is about to be submitted, on disk before the scheduler hears of it."""

from __future__ import annotations

from typing import Literal

from compose_core.records.format import Format, TokenText
from compose_core.records.job_record import JobFacts


class Intent(Format):
    """`submissions/<token>/intent.json`."""

    token: TokenText
    run_key: str | None = None
    engine: Literal["slurm", "local"]
    kind: str = "main"
    name: str
    compose_file: str
    project_dir: str
    spec_sha256: str
    script_sha256: str
    submit_argv: tuple[str, ...] = ()
    """What the user adds to the submit command, then the script and its claim."""
    secret_variables: tuple[str, ...] = ()
    """Names of the user's variables that the job's secrets are read from."""
    created_at: float
    host: str
    boot_id: str
    pid: int
    start_ticks: int = 0
    """When the client's process started, in ticks since boot: tells it from a later one with the same id; 0: unknown."""
    user: str
    facts: JobFacts
    """What the job record will say, so that any later client can write it."""
