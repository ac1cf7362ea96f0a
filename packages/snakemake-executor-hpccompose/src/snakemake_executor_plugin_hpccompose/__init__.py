"""The executor `hpccompose` for Snakemake: each rule becomes a compose job on Slurm, or on this machine.

Every Snakemake process imports every executor plugin, also inside jobs. So this module imports Snakemake's interface and nothing else;
what runs jobs is imported when an executor is made. Annotations stay objects here: Snakemake reads the types of the settings.
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.executors.real import RealExecutor
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor
from snakemake_interface_executor_plugins.jobs import JobExecutorInterface
from snakemake_interface_executor_plugins.logging import LoggerExecutorInterface
from snakemake_interface_executor_plugins.settings import CommonSettings, ExecutorSettingsBase
from snakemake_interface_executor_plugins.workflow import WorkflowExecutorInterface


def __getattr__(name: str) -> str:
    """`__version__`, read when somebody asks: the metadata of a package costs more than all the rest here."""
    if name != "__version__":
        raise AttributeError(name)
    from importlib.metadata import version

    return version("snakemake-executor-plugin-hpccompose")


def _option(default: Any, help_text: str, **more: Any) -> Any:
    """A field of the settings; every one of them can be given as an environment variable, too."""
    return field(default=default, metadata={"help": help_text, "env_var": True, **more})


@dataclass
class ExecutorSettings(ExecutorSettingsBase):
    """The options `--hpccompose-…` of the Snakemake command line and of its profiles."""

    engine: str = _option(
        "auto",
        "Where jobs run: slurm, local (this machine), or auto (slurm where sbatch is found).",
        choices=["auto", "slurm", "local"],
    )
    config: Optional[str] = _option(
        None, "Mapping file (YAML) that gives rules their services, containers and batching by rule name."
    )
    account: Optional[str] = _option(None, "Slurm account of jobs whose rule names none (resource slurm_account).")
    partition: Optional[str] = _option(
        None,
        "Slurm partition of jobs whose rule names none (resource slurm_partition) and that no partition file places.",
    )
    qos: Optional[str] = _option(None, "Slurm quality of service of jobs whose rule names none (resource qos).")
    reservation: Optional[str] = _option(
        None, "Slurm reservation of jobs whose rule names none (resource reservation)."
    )
    partition_config: Optional[str] = _option(
        None, "YAML file that describes the partitions; jobs without a partition get the one that fits best."
    )
    jobname_prefix: str = _option("", "Put before the name of every Slurm job: letters, digits, '-' and '_'.")
    requeue: bool = _option(False, "Let Slurm start jobs again that were preempted or lost their node.")
    no_requeue: bool = _option(False, "Forbid Slurm to start jobs again, whatever the site's default is.")
    exclude_failed_nodes: bool = _option(
        False, "Keep later jobs away from nodes on which a job of this run ended because the node failed."
    )
    pack: int = _option(
        1, "So many short jobs of the same shape share one task of a job array, each with its own result."
    )
    array_limit: int = _option(1000, "The most tasks that one job array has.")
    array_throttle: int = _option(0, "The most tasks of one job array that run at a time; 0: no limit.")
    no_array: bool = _option(False, "Submit every job by itself instead of jobs of the same shape as one array.")
    batch_window: float = _option(
        0.0, "Seconds that ready jobs may wait for others of their shape, so that they become one array."
    )
    poll_seconds: float = _option(
        30.0, "Seconds between two questions to the scheduler; ends of jobs are seen at once, in their result files."
    )
    on_exit: str = _option(
        "cancel",
        "What becomes of running jobs when Snakemake is interrupted: cancel them, or detach and let them run.",
        choices=["cancel", "detach"],
    )
    reattach: str = _option(
        "auto",
        "Jobs of an earlier run of this workflow that still run: auto takes them on, never cancels and runs them anew.",
        choices=["auto", "never"],
    )
    container_runtime: str = _option(
        "enroot",
        "What runs `container:` images with --sdm apptainer: enroot, pyxis, or a real apptainer.",
        choices=["enroot", "pyxis", "apptainer"],
    )
    container_mounts: list[str] = field(
        default_factory=list,
        metadata={
            "help": "Further folders that containers of rules see: PATH or PATH:PATH_INSIDE.",
            "env_var": False,
            "nargs": "+",
        },
    )
    services_timeout: float = _option(
        1800.0, "Seconds that jobs wait for a service of the workflow (`needs`) to become ready, after its job started."
    )
    rightsize: str = _option(
        "report",
        "At the end of a run, write what rules really needed as a profile fragment (report), or not (off).",
        choices=["off", "report"],
    )
    runner: str = _option(
        "auto",
        "How a job runs its rule: fork (from a process that has Snakemake loaded), subprocess, auto (fork if it works), "
        "or direct (plain shell rules without a Snakemake in the job, the others as auto).",
        choices=["auto", "fork", "subprocess", "direct"],
    )
    logdir: Optional[str] = _option(None, "Folder of the logs of jobs; default: .snakemake/hpccompose/logs.")
    keep_successful_logs: bool = _option(False, "Keep the logs of jobs that ended well.")
    delete_logfiles_older_than: int = _option(
        10, "When a run ends, remove logs of jobs that are older than so many days; 0 or less: never."
    )
    efficiency_report: bool = _option(False, "Print what each rule used of what it asked for when a run ends.")

    def __post_init__(self) -> None:
        """What has to be done at once: Snakemake goes to another folder with `--directory`, and fetches the images of containers.

        So paths are taken from where the user gave them, and our `apptainer` is put on PATH.
        """
        self.config, self.partition_config = _absolute(self.config), _absolute(self.partition_config)
        from snakemake_executor_plugin_hpccompose.containers import stand_in

        stand_in(self.container_runtime, self.container_mounts or (), config=self.config)


def _absolute(path: Optional[str]) -> Optional[str]:
    return str(Path(path).expanduser().absolute()) if path else path


common_settings = CommonSettings(
    non_local_exec=True,
    implies_no_shared_fs=False,
    job_deploy_sources=False,
    pass_envvar_declarations_to_cmd=False,  # values of `envvars:` may be secrets and must not stand in a command line
    auto_deploy_default_storage_provider=False,  # jobs see the same installation, so none has to install anything
    init_seconds_before_status_checks=1,
)


class Executor(RemoteExecutor):
    """What Snakemake calls; `executor.Jobs` does the work."""

    def __init__(self, workflow: WorkflowExecutorInterface, logger: LoggerExecutorInterface) -> None:
        from snakemake_executor_plugin_hpccompose.executor import Jobs

        self.jobs = Jobs(
            self, workflow, logger
        )  # before super().__init__(), which starts the thread that asks for them
        super().__init__(workflow, logger)

    def run_jobs(self, jobs: list[JobExecutorInterface]) -> None:
        self.jobs.run(jobs)

    def run_job(self, job: JobExecutorInterface) -> None:
        self.jobs.run([job])

    def get_job_args(self, job: JobExecutorInterface, **kwargs: Any) -> str:
        """As Snakemake has it, but with the job's own cores and with its own file of what to wait for."""
        arguments = RealExecutor.get_job_args(self, job, cores=max(1, job.threads))
        return f"{arguments} {self.jobs.wait_arguments(job)}".strip()

    async def check_active_jobs(self, active_jobs: list[SubmittedJobInfo]) -> AsyncGenerator[SubmittedJobInfo, None]:
        for info in await self.jobs.check(active_jobs):
            yield info

    async def sleep(self) -> None:
        await self.jobs.sleep()

    def cancel_jobs(self, active_jobs: list[SubmittedJobInfo]) -> None:
        self.jobs.cancel()

    def shutdown(self) -> None:
        self.jobs.close()
        super().shutdown()
