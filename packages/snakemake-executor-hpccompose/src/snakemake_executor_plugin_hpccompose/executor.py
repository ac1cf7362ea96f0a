"""The jobs of one run of a workflow: submitted, watched, ended."""

from __future__ import annotations

from typing import Any, NoReturn

from snakemake_interface_common.exceptions import WorkflowError

NOT_YET = (
    "The hpccompose executor cannot run jobs yet: it will submit each rule as a compose job. No job was started. "
    "Run the workflow with another executor, such as --executor local, or run a compose file with `hpcc up`."
)


class Jobs:
    """All that the executor does with jobs."""

    def __init__(self, executor: Any, workflow: Any, logger: Any) -> None:
        _refuse()

    def run(self, jobs: list[Any]) -> None:
        """Submit these."""

    def wait_arguments(self, job: Any) -> str:
        """What the inner Snakemake is told to wait for."""
        return ""

    async def check(self, active: list[Any]) -> list[Any]:
        """Those that go on."""
        return active

    async def sleep(self) -> None:
        """Until the next look."""

    def cancel(self, active: list[Any]) -> None:
        """End these."""

    def close(self) -> None:
        """No more jobs come."""


def _refuse() -> NoReturn:
    raise WorkflowError(NOT_YET)
