"""What can be wrong with a rule before anything of it is submitted."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from compose_core import HpccError, Location

if TYPE_CHECKING:
    from snakemake_executor_plugin_hpccompose.ready_jobs import ReadyJob

_RESOURCES = {
    "account": "slurm_account",
    "constraint": "constraint",
    "partition": "slurm_partition",
    "qos": "qos",
    "reservation": "reservation",
    "submit_args": "slurm_extra",
    "time": "runtime",
}
"""The resource of a rule that says the same as a key of `x-slurm`."""
_KEY = re.compile(rf"\bx-slurm\.({'|'.join(_RESOURCES)})\b")


class RuleError(HpccError):
    """A rule asks for something that it cannot get; its text goes to the user as the error of the job."""

    code = "rule"

    def __init__(
        self, rule: str, what: str, *, where: Location | None = None, remedy: str = "", details: str = ""
    ) -> None:
        super().__init__(what, where=where, remedy=remedy, details=details)
        self.rule = rule
        """The rule's name, of a group the group's."""

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        remedy = f" {self.remedy}" if self.remedy else ""
        details = f"\n{self.details}" if self.details else ""
        return f"rule {self.rule}: {place}{self.message}{remedy}{details}"


def why_not_submitted(job: ReadyJob, error: Exception) -> str:
    """What keeps this job from being submitted, with the file and the line that the cause or the rule is written at."""
    from compose_core import PrepareFailed

    places = job.compose.places if job.compose is not None else {}
    failed = error.services if isinstance(error, PrepareFailed) else ()
    where = next((places[name] for name in failed if name in places), None)
    if where is None and job.facts.snakefile:
        where = Location(file=job.facts.snakefile, line=job.facts.line)
    if isinstance(error, RuleError):
        error.where = error.where or where
        return str(error)
    told = _as_resources(str(error)) if isinstance(error, HpccError) else f"{type(error).__name__}: {error}"
    return f"rule {job.facts.title}: {where}: {told}" if where else told


def _as_resources(told: str) -> str:
    """A remedy that names a key of a compose file names the resource of the rule instead, which decides before any file."""
    return _KEY.sub(lambda match: f"the resource {_RESOURCES[match[1]]}", told)
