"""The operators of one job: all of it in one task, or submitting, watching, collecting and cancelling as tasks of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_hpccompose.asset_events import outlets_with, tell_of_artifacts
from airflow_provider_hpccompose.core_errors import told_to_airflow
from airflow_provider_hpccompose.doors import ArtifactReport, JobHandle, JobReport
from airflow_provider_hpccompose.exceptions import HpcComposeSpecError
from airflow_provider_hpccompose.fetching import DEFAULT_MOST_BYTES
from airflow_provider_hpccompose.job_results import handle_from, result_of
from airflow_provider_hpccompose.links import JOB_KEY, HpcBatchLogLink, HpcDashboardLink, HpcSubmittedScriptLink
from airflow_provider_hpccompose.operators.connected import ConnectedOperator
from airflow_provider_hpccompose.operators.submitting import SubmittingOperator, renderers_with, template_fields_with
from airflow_provider_hpccompose.operators.watching import WatchingOperator

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

LINKS = (HpcDashboardLink(), HpcBatchLogLink(), HpcSubmittedScriptLink())


class HpcComposeOperator(SubmittingOperator, WatchingOperator):
    """One compose job as one task: submitted once, watched while the task is deferred, collected when it ended well.

    The arguments are those of `SubmittingOperator` and `WatchingOperator`, and

    :param artifacts: Bundles to export once the job ended well; True: all.
    :param artifacts_dest: Folder to export to instead of the one that the spec names.
    :param fetch_to: Absolute path of a folder on the worker that the exported files are brought to, one folder for each bundle.
    :param fetch_limit_bytes: More than this is not fetched, and fails the task.
    :param artifact_assets: Bundle to `AssetAlias` or its name: once the bundle is exported whole, an event of the alias tells its
        address and, in `extra`, its SHA-256, manifest, bytes, files, job and trial.

    The task returns the result (`state`, `verdict`, `exit_code`, `services`, `artifacts` …) and pushes the job as XCom `job` before it
    waits.
    """

    template_fields: Sequence[str] = template_fields_with("artifacts_dest", "fetch_to")
    template_ext: Sequence[str] = ()
    template_fields_renderers: ClassVar[dict[str, str]] = renderers_with({})
    operator_extra_links = LINKS
    ui_color = "#dcecf7"

    def __init__(
        self,
        *,
        artifacts: bool | Sequence[str] = False,
        artifacts_dest: str | None = None,
        fetch_to: str | None = None,
        fetch_limit_bytes: int = DEFAULT_MOST_BYTES,
        artifact_assets: Mapping[str, Any] | None = None,
        **job_options: Any,
    ) -> None:
        told = outlets_with(job_options, artifact_assets)
        super().__init__(**job_options, **told)
        self.artifacts = artifacts or sorted(artifact_assets or ()) or fetch_to is not None
        self.artifacts_dest = artifacts_dest
        self.fetch_to = fetch_to
        self.fetch_limit_bytes = fetch_limit_bytes
        self.artifact_assets = artifact_assets

    def execute(self, context: Context) -> dict[str, Any]:
        """The result, when the job is over before the wait begins or the task does not defer.

        Raises: HpcComposeError: the job was not submitted or did not end well.  TaskDeferred: the wait begins.
        """
        resolved = self.job_of_try(context)
        return self.wait_for(context, resolved.handle, resolved.report)

    def result(self, context: Context, handle: JobHandle, report: JobReport) -> dict[str, Any]:
        """The job's end, and its artifacts."""
        exported: ArtifactReport | None = None
        if self.artifacts:
            bundles = () if isinstance(self.artifacts, bool) else tuple(self.artifacts)
            exported = _export(self, handle, bundles, self.artifacts_dest)
            _tell(self, context, handle, exported, trial=self.trial)
        return result_of(handle, report, artifacts=exported, trial=self.trial)


class HpcComposeSubmitOperator(SubmittingOperator):
    """Submits the job and returns its handle at once; the setup of a group whose teardown is `HpcComposeCancelOperator`."""

    template_fields: Sequence[str] = template_fields_with()
    template_ext: Sequence[str] = ()
    template_fields_renderers: ClassVar[dict[str, str]] = renderers_with({})
    operator_extra_links = LINKS
    ui_color = "#dcecf7"

    def execute(self, context: Context) -> dict[str, Any]:
        """The job's handle.

        Raises: HpcComposeError: there is no job, or nobody knows, and why.
        """
        handle = self.job_of_try(context).handle
        self._job = None  # it outlives the task
        return handle.as_json()


class HpcComposeWatchOperator(WatchingOperator):
    """Waits for a job that another task submitted.

    :param job: The handle, as `HpcComposeSubmitOperator` returns it.
    """

    template_fields: Sequence[str] = ("job", "hpccompose_conn_id")
    template_fields_renderers: ClassVar[dict[str, str]] = {"job": "json"}
    operator_extra_links = LINKS
    ui_color = "#dcecf7"

    def __init__(self, *, job: Any, **watch_options: Any) -> None:
        super().__init__(**watch_options)
        self.job = job

    def execute(self, context: Context) -> dict[str, Any]:
        """The result, when the job is over already or the task does not defer.

        Raises: HpcComposeError: the job did not end well.  TaskDeferred: the wait begins.
        """
        handle = handle_from(self.job)
        context["ti"].xcom_push(key=JOB_KEY, value=handle.as_json())
        return self.wait_for(context, handle)

    def result(self, context: Context, handle: JobHandle, report: JobReport) -> dict[str, Any]:
        """The job's end."""
        return result_of(handle, report)


class HpcComposeArtifactsOperator(ConnectedOperator):
    """Exports what a job collected and returns it bundle by bundle.

    :param job: The handle, or the result of another task.
    :param bundles: Which bundles; all unless some are named.
    :param dest: Folder to export to instead of the one that the spec names; in the workspace, if it is relative.
    :param fetch_to, fetch_limit_bytes: As of `HpcComposeOperator`.
    :param checksum: Tell one SHA-256 per bundle, of names and contents.
    :param artifact_assets: As of `HpcComposeOperator`.
    """

    template_fields: Sequence[str] = ("job", "bundles", "dest", "fetch_to", "hpccompose_conn_id")
    template_fields_renderers: ClassVar[dict[str, str]] = {"job": "json"}
    operator_extra_links = LINKS
    ui_color = "#dcecf7"

    def __init__(
        self,
        *,
        job: Any,
        bundles: Sequence[str] = (),
        dest: str | None = None,
        fetch_to: str | None = None,
        fetch_limit_bytes: int = DEFAULT_MOST_BYTES,
        checksum: bool = True,
        artifact_assets: Mapping[str, Any] | None = None,
        **task_options: Any,
    ) -> None:
        told = outlets_with(task_options, artifact_assets)
        super().__init__(**task_options, **told)
        self.job = job
        self.bundles = bundles
        self.dest = dest
        self.fetch_to = fetch_to
        self.fetch_limit_bytes = fetch_limit_bytes
        self.checksum = checksum
        self.artifact_assets = artifact_assets

    def execute(self, context: Context) -> dict[str, Any]:
        """By bundle: uri, manifest, sha256, bytes, files.

        Raises: HpcComposeError: the job collected nothing, or there is no such bundle.
        """
        handle = handle_from(self.job)
        context["ti"].xcom_push(key=JOB_KEY, value=handle.as_json())
        exported = _export(self, handle, tuple(self.bundles), self.dest, checksum=self.checksum)
        _tell(self, context, handle, exported)
        return exported.bundles


class HpcComposeCancelOperator(ConnectedOperator):
    """Ends a job that still waits or runs; a teardown: `cancel.as_teardown(setups=submit)`.

    :param job: The handle. Without one (nothing was submitted) the task does nothing.
    :param wait_s: How long the job's end is waited for.
    """

    template_fields: Sequence[str] = ("job", "hpccompose_conn_id")
    template_fields_renderers: ClassVar[dict[str, str]] = {"job": "json"}
    ui_color = "#f7e3dc"

    def __init__(self, *, job: Any, wait_s: float = 20.0, **task_options: Any) -> None:
        super().__init__(**task_options)
        self.job = job
        self.wait_s = wait_s

    def execute(self, context: Context) -> dict[str, Any] | None:
        """How the job is after that; None: there was none.

        Raises: HpcComposeError: the scheduler did not answer.
        """
        try:
            handle = handle_from(self.job)
        except HpcComposeSpecError:
            if self.job not in (None, "", "None"):
                raise
            self.log.info("Nothing was submitted, so there is nothing to cancel.")
            return None
        with told_to_airflow():
            report = self.door.cancel(handle, wait_s=self.wait_s)
        self.log.info("Job %s is %s.", handle.job_id, report.state)
        return {"job_id": handle.job_id, "state": report.state, "verdict": report.verdict, "is_over": report.is_over}


def _export(
    operator: HpcComposeOperator | HpcComposeArtifactsOperator,
    handle: JobHandle,
    bundles: Sequence[str],
    dest: str | None,
    *,
    checksum: bool = True,
) -> ArtifactReport:
    with told_to_airflow():
        exported = operator.door.export_artifacts(handle, bundles=bundles, dest=dest, checksum=checksum)
        if operator.fetch_to:
            limit = operator.fetch_limit_bytes
            exported = operator.door.fetch_artifacts(exported, operator.fetch_to, most_bytes=limit)
            operator.log.info("Fetched to %s: %s", operator.fetch_to, ", ".join(exported.bundles))
    for warning in exported.warnings:
        operator.log.warning("%s", warning)
    return exported


def _tell(
    operator: HpcComposeOperator | HpcComposeArtifactsOperator,
    context: Context,
    handle: JobHandle,
    exported: ArtifactReport,
    *,
    trial: Mapping[str, Any] | None = None,
) -> None:
    """The asset events of what was exported."""
    extra = {"job_id": handle.job_id, "token": handle.token, "trial": dict(trial) if trial else None}
    cluster = handle.cluster or "default"
    told = tell_of_artifacts(context, operator.artifact_assets, exported.bundles, cluster=cluster, extra=extra)
    for address in told:
        operator.log.info("Asset event for %s", address)
