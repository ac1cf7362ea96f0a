"""How a task with a compose job can fail: one class per cause, so that a retry policy can tell them apart.

From Airflow 3.3 on, `policies.default_retry_policy()` decides which causes are worth another try. Older releases know no retry policy;
there the causes that another try cannot cure are `AirflowFailException`s as well, which end the task at once.
"""

from __future__ import annotations

from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException

from airflow_provider_hpccompose.policies import HAS_RETRY_POLICIES


class HpcComposeError(AirflowException):
    """Something is wrong with a compose job, or with finding out about it."""


if HAS_RETRY_POLICIES:

    class HpcComposeFinalError(HpcComposeError):
        """A cause that the same request meets again: the default policy does not try again."""

else:

    class HpcComposeFinalError(HpcComposeError, AirflowFailException):  # type: ignore[no-redef]
        """A cause that the same request meets again: Airflow does not try again."""


class HpcComposeJobFailed(HpcComposeError):
    """A service of the job ended with an error, or the job did; the task's own `retries` decide."""


class HpcComposeInfraFailure(HpcComposeError):
    """The cluster failed, not the program: a node died or did not boot, the launch failed."""


class HpcComposePreempted(HpcComposeInfraFailure):
    """The job had to give way to another and was not put back into the queue."""


class HpcComposeOutOfMemory(HpcComposeFinalError):
    """The job needed more memory than it asked for."""


class HpcComposeTimeLimit(HpcComposeFinalError):
    """The job reached its time limit, and would again."""


class HpcComposeResumableTimeLimit(HpcComposeError):
    """The job reached its time limit; the next one goes on from its checkpoint (`x-slurm.resume`)."""


class HpcComposeCancelled(HpcComposeFinalError):
    """The job was cancelled, by this task or by somebody else."""


class HpcComposeCancelledOutside(HpcComposeError):
    """Somebody else cancelled the job, and the task was told to try again then (`on_external_cancel="retry"`)."""


class HpcComposeRunTimeout(HpcComposeFinalError):
    """The job ran longer than `run_timeout` and was cancelled."""


class HpcComposeQueueTimeout(HpcComposeError):
    """The job waited longer than `queue_timeout` and was cancelled."""


class HpcComposeNeverRunnable(HpcComposeFinalError):
    """The scheduler says that this job can never start; it was cancelled."""


class HpcComposeStateUnknown(HpcComposeError):
    """There is no trace of the job anywhere. That is no success; the next try looks again before it submits anything."""


class HpcComposeUnreachable(HpcComposeError):
    """The cluster did not answer for too long; the job is left alone, and the next try finds it again."""


class HpcComposeNotReached(HpcComposeUnreachable):
    """The login node was not reached at all; nothing was submitted."""


class HpcComposeSpecError(HpcComposeFinalError):
    """The compose file or a value given to it is wrong; nothing was submitted."""


class HpcComposeSiteError(HpcComposeFinalError):
    """The machine that jobs are submitted from lacks something: a program, a right, an image; nothing was submitted."""


class HpcComposeConnectionError(HpcComposeFinalError):
    """The Airflow connection is missing or wrong, or the login node refuses it; nothing was submitted."""
