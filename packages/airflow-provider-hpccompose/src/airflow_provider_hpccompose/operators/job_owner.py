"""What the operators that submit or watch a job have in common: while the job goes on, somebody answers for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_hpccompose.exceptions import HpcComposeFinalError
from airflow_provider_hpccompose.operators.connected import ConnectedOperator

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_hpccompose.doors import JobHandle


class JobOperator(ConnectedOperator):
    """An operator whose job must not outlive it unseen."""

    on_kill_action: Literal["cancel", "keep"] = "cancel"
    _job: JobHandle | None = None
    """The job that a kill ends; None: there is none yet, or it is over."""
    _is_killed = False

    def on_kill(self) -> None:
        """The worker is told to stop; Airflow lets it go on for some seconds after that."""
        self._is_killed = True
        if self._job is not None and self.on_kill_action == "cancel":
            self.end_quietly(self._job, "The task was killed")

    @contextmanager
    def no_orphan(self, context: Context) -> Iterator[None]:
        """A job that still goes on ends when this fails and no other try will find it: Airflow tells nobody of such a failure."""
        try:
            yield
        except Exception as error:
            is_final = isinstance(error, HpcComposeFinalError | AirflowFailException) or is_last_try(context)
            if self._job is not None and is_final and self.on_kill_action == "cancel":
                self.end_quietly(self._job, f"The task fails for good ({type(error).__name__})")
            raise


def is_last_try(context: Context) -> bool:
    """No other try of this generation follows."""
    task_instance = context["ti"]
    return bool(task_instance.try_number > task_instance.max_tries)
