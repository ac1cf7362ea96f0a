"""What an operator is told of a sweep's compose file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, cast

from airflow_provider_hpccompose.operators.connected import ConnectedOperator
from airflow_provider_hpccompose.operators.spec_source import SPEC_FIELDS, SPEC_RENDERERS, SpecOperator
from airflow_provider_hpccompose.sweep_doors import SweepCalls, SweepRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.providers.common.compat.sdk import Context

SOURCE_FIELDS = (*SPEC_FIELDS, "max_trials")


class SweepSourceOperator(SpecOperator):
    """Arguments that say which sweep is meant: those of `SpecOperator` for a spec with a `sweep`, and

    :param max_trials: Allow so many trials, whatever the file says.
    """

    template_fields: Sequence[str] = SOURCE_FIELDS
    template_fields_renderers: ClassVar[dict[str, str]] = SPEC_RENDERERS

    def __init__(self, *, max_trials: int | None = None, **spec_options: Any) -> None:
        super().__init__(**spec_options)
        self.max_trials = max_trials

    def request(
        self, context: Context, *, key: str, supersedes: list[str] | None = None, throttle: int | None = None
    ) -> SweepRequest:
        """The sweep under this key.

        Raises: HpcComposeSpecError: an argument is wrong.
        """
        return SweepRequest(
            key=key,
            max_trials=int(self.max_trials) if self.max_trials else None,
            throttle=throttle,
            supersedes=supersedes or [],
            labels=self.identity(context).labels,
            **self.source(context),
        )


def sweeps_of(operator: ConnectedOperator) -> SweepCalls:
    """The operator's door, for its verbs about sweeps."""
    return cast("SweepCalls", operator.door)  # every door is one
