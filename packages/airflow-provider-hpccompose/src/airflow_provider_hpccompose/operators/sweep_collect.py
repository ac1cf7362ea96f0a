"""The end of a sweep: all trials reduced to one ranking, one verdict and one asset event."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_hpccompose.asset_events import tell_outlets
from airflow_provider_hpccompose.core_errors import told_to_airflow
from airflow_provider_hpccompose.doors import JobHandle
from airflow_provider_hpccompose.exceptions import HpcComposeError
from airflow_provider_hpccompose.links import JOB_KEY
from airflow_provider_hpccompose.operators.connected import ConnectedOperator
from airflow_provider_hpccompose.operators.spec_source import SPEC_RENDERERS
from airflow_provider_hpccompose.operators.sweep_source import (
    SOURCE_FIELDS,
    SweepSourceOperator,
    sweeps_of,
)
from airflow_provider_hpccompose.sweep_results import (
    check_min_completed,
    job_places,
    ranking_lines,
    result_of_table,
    shortfall,
    sweep_from,
)

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_hpccompose.sweep_doors import SweepTable


class _RankingOperator(ConnectedOperator):
    """What both have in common: where the tables go, and how many trials have to complete."""

    ui_color = "#e4f2e1"

    def __init__(
        self,
        *,
        dest: str | None = None,
        top: int = 50,
        min_completed: float = 1.0,
        **task_options: Any,
    ) -> None:
        check_min_completed(min_completed)
        super().__init__(**task_options)
        self.dest = dest
        self.top = top
        self.min_completed = min_completed

    def concluded(self, context: Context, table: SweepTable, *, trials: int, place: str) -> dict[str, Any]:
        """The ranking in the log, in XCom `ranking` and as asset events; it is what the task returns.

        Raises: HpcComposeError: too few trials completed; no asset is told of then.
        """
        for line in ranking_lines(table):
            self.log.info("%s", line)
        result = result_of_table(table, trials=trials)
        context["ti"].xcom_push(key="ranking", value=result)
        missing = shortfall(int(result["completed"]), trials, self.min_completed)
        if missing:
            raise HpcComposeError(f"Sweep {table.sweep_id}: {missing}.")
        best = table.best or {}
        written = table.files[0] if table.files else {}
        extra = {
            "sweep_id": table.sweep_id,
            "completed": result["completed"],
            "trials": trials,
            "best_trial": best.get("trial_id"),
            "best_objective": best.get("objective"),
            "best_params": best.get("variables"),
            "sha256": written.get("sha256"),
        }
        cluster = self.hook.settings.cluster or "default"
        tell_outlets(context, self.outlets or (), cluster, str(written.get("path") or place), extra)
        return result


class HpcComposeSweepCollectOperator(_RankingOperator):
    """Ranks the trials of a sweep by its objective; returns the ranking, the best trial and the counts.

    :param sweep: The handle, which `HpcComposeSweepSubmitOperator` pushes as XCom `sweep`.
    :param dest: Folder on the cluster that gets `ranking.json` and `trials.csv`; below the project, if it is relative.
    :param top: So many configurations are returned; the files hold all.
    :param min_completed: So many trials have to complete, or the task fails: a whole number, or a fraction such as 0.9.
    :param outlets: An `AssetAlias` gets the address of `ranking.json` (without `dest` of the sweep's manifest); events carry the best
        trial, its parameters and figure, and the file's SHA-256.
    """

    template_fields: Sequence[str] = ("sweep", "dest", "hpccompose_conn_id")
    template_fields_renderers: ClassVar[dict[str, str]] = {"sweep": "json"}

    def __init__(self, *, sweep: Any, **ranking_options: Any) -> None:
        super().__init__(**ranking_options)
        self.sweep = sweep

    def execute(self, context: Context) -> dict[str, Any]:
        """The ranking.

        Raises: HpcComposeError: too few trials completed, or some still run.
        """
        handle = sweep_from(self.sweep)
        with told_to_airflow():
            table = sweeps_of(self).sweep_results(handle, dest=self.dest, top=self.top)
        if not table.is_over:
            self.log.warning("Some trials still run; the ranking is that of now.")
        return self.concluded(context, table, trials=sum(table.summary.values()), place=handle.manifest)


class HpcComposeTrialsCollectOperator(_RankingOperator, SweepSourceOperator):
    """The same for trials that are mapped tasks, one `HpcComposeOperator` each.

    :param trials_task_id: The mapped task whose jobs are compared.
    :param sweep_id: What `sweep_trials` expanded the file with.
    :param trial_ids: Ids of its trials in the order of the map indexes.

    The compose file and the other arguments are those of the trials.
    """

    template_fields: Sequence[str] = (*SOURCE_FIELDS, "dest")
    template_ext: Sequence[str] = ()
    template_fields_renderers: ClassVar[dict[str, str]] = SPEC_RENDERERS

    def __init__(self, *, trials_task_id: str, sweep_id: str, trial_ids: Sequence[str], **options: Any) -> None:
        super().__init__(**options)
        self.trials_task_id = trials_task_id
        self.sweep_id = sweep_id
        self.trial_ids = list(trial_ids)

    def execute(self, context: Context) -> dict[str, Any]:
        """The ranking.

        Raises: HpcComposeError: too few trials completed.
        """
        found = jobs_of(context, self.trials_task_id, len(self.trial_ids))
        jobs = {self.trial_ids[index]: job for index, job in found.items()}
        request = self.request(context, key="")
        with told_to_airflow():
            table = sweeps_of(self).rank_trials(request, jobs, sweep_id=self.sweep_id, dest=self.dest, top=self.top)
        place = next((job.project_dir for job in jobs.values()), "/")
        return self.concluded(context, table, trials=len(self.trial_ids), place=place)


class HpcComposeTrialsStopOperator(ConnectedOperator):
    """Ends the jobs of mapped trials that still wait or run: the teardown of a mapped sweep.

    :param trials_task_id: The mapped task whose jobs are ended.
    :param count: How many trials there are.
    """

    template_fields: Sequence[str] = ("hpccompose_conn_id",)
    ui_color = "#f7e3dc"

    def __init__(self, *, trials_task_id: str, count: int, **task_options: Any) -> None:
        super().__init__(**task_options)
        self.trials_task_id = trials_task_id
        self.count = count

    def execute(self, context: Context) -> list[str]:
        """The ids of the jobs that were asked to end.

        Raises: HpcComposeError: the scheduler did not answer.
        """
        jobs = list(jobs_of(context, self.trials_task_id, self.count).values())
        with told_to_airflow():
            reports = self.door.observe(jobs)
            active = [job for job, report in zip(jobs, reports, strict=True) if not report.is_over]
            for job in active:
                self.door.cancel(job, wait_s=0.0)
        return [job.job_id for job in active]


def jobs_of(context: Context, task_id: str, count: int) -> dict[int, JobHandle]:
    """The jobs that mapped tasks pushed before they waited, by map index."""
    pushed = context["ti"].xcom_pull(task_ids=task_id, key=JOB_KEY, map_indexes=list(range(count)))
    return {index: JobHandle.from_json({"key": "", **job}) for index, job in job_places(pushed or ()).items()}
