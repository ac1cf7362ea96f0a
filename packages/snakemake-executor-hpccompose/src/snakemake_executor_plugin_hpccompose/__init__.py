"""The executor `hpccompose` for Snakemake: found and configured by Snakemake, it does not run jobs yet.

Every Snakemake process imports every executor plugin, also inside jobs. So this module imports Snakemake's interface and nothing else;
what runs jobs is imported by the method that needs it. Annotations stay objects here: Snakemake reads the types of the settings.
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import NoReturn

from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor
from snakemake_interface_executor_plugins.jobs import JobExecutorInterface
from snakemake_interface_executor_plugins.logging import LoggerExecutorInterface
from snakemake_interface_executor_plugins.settings import CommonSettings, ExecutorSettingsBase
from snakemake_interface_executor_plugins.workflow import WorkflowExecutorInterface

__version__ = "0.1.0"

NOT_YET = (
    f"The hpccompose executor {__version__} cannot run jobs yet: it will submit each rule as a compose job. No job was started. "
    "Run the workflow with another executor, such as --executor local, or run a compose file with `hpcc up`."
)


@dataclass
class ExecutorSettings(ExecutorSettingsBase):
    """The options `--hpccompose-…` of the Snakemake command line and of its profiles."""

    engine: str = field(
        default="auto",
        metadata={
            "help": "Where jobs run: slurm, local (this machine), or auto (slurm where sbatch is found).",
            "choices": ["auto", "slurm", "local"],
            "env_var": True,
        },
    )


common_settings = CommonSettings(
    non_local_exec=True,
    implies_no_shared_fs=False,
    job_deploy_sources=False,
    pass_envvar_declarations_to_cmd=False,  # values of `envvars:` may be secrets and must not stand in a command line
    auto_deploy_default_storage_provider=False,  # jobs see the same installation, so none has to install anything
    init_seconds_before_status_checks=1,
)


class Executor(RemoteExecutor):
    """Ends the workflow with `NOT_YET` as soon as a job would have to run; dry runs and local rules are untouched."""

    def __init__(self, workflow: WorkflowExecutorInterface, logger: LoggerExecutorInterface) -> None:
        # Before super().__init__(): that starts a thread that waits for jobs.
        _refuse()

    def run_job(self, job: JobExecutorInterface) -> None:
        _refuse()

    async def check_active_jobs(self, active_jobs: list[SubmittedJobInfo]) -> AsyncGenerator[SubmittedJobInfo, None]:
        for job in active_jobs:
            yield job

    def cancel_jobs(self, active_jobs: list[SubmittedJobInfo]) -> None:
        _refuse()


def _refuse() -> NoReturn:
    raise WorkflowError(NOT_YET)
