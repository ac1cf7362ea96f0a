"""What can be wrong with a rule before anything of it is submitted."""

from __future__ import annotations

from compose_core import HpccError, Location


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
