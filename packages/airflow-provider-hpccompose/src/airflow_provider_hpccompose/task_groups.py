"""Ready-made groups of tasks: one job in steps, with a teardown that leaves no orphan, and a whole sweep."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from airflow.providers.common.compat.sdk import TaskGroup

from airflow_provider_hpccompose.job_requests import absolute_file
from airflow_provider_hpccompose.operators.hpccompose import (
    HpcComposeArtifactsOperator,
    HpcComposeCancelOperator,
    HpcComposeOperator,
    HpcComposeSubmitOperator,
    HpcComposeWatchOperator,
)
from airflow_provider_hpccompose.operators.sweep import (
    SWEEP_KEY,
    HpcComposeSweepStopOperator,
    HpcComposeSweepSubmitOperator,
    HpcComposeSweepWatchOperator,
)
from airflow_provider_hpccompose.operators.sweep_collect import (
    HpcComposeSweepCollectOperator,
    HpcComposeTrialsCollectOperator,
    HpcComposeTrialsStopOperator,
)
from airflow_provider_hpccompose.settings import DEFAULT_CONN_ID
from airflow_provider_hpccompose.sweeps import sweep_trials

Mode = Literal["mapped", "array", "chunked"]
_OF_SPEC = ("environment", "service_overrides", "hpc_resources", "job_name", "profile", "stage")
"""Arguments of whatever reads the compose file."""
_OF_SUBMISSION = ("prepare", "preflight", "on_clear", "on_kill_action")
"""Arguments of whatever submits."""


def hpc_compose_job(
    group_id: str,
    *,
    artifacts: bool | Sequence[str] = False,
    cancel_teardown: bool = True,
    watch: Mapping[str, Any] | None = None,
    collect: Mapping[str, Any] | None = None,
    hpccompose_conn_id: str = DEFAULT_CONN_ID,
    default_args: Mapping[str, Any] | None = None,
    **submit: Any,
) -> TaskGroup:
    """One job in steps: `submit` (setup) >> `watch` >> `artifacts`, and `cancel` as its teardown.

    However the steps end, killed before the triggerer took the wait over included, the teardown ends a job that still runs.
    `submit` are arguments of `HpcComposeSubmitOperator`, `watch` those of `HpcComposeWatchOperator`, `collect` those of
    `HpcComposeArtifactsOperator`, `artifacts` the bundles to export, True for all.
    """
    common: dict[str, Any] = {"hpccompose_conn_id": hpccompose_conn_id}
    with TaskGroup(group_id, default_args=dict(default_args or {})) as group:
        submitted = HpcComposeSubmitOperator(task_id="submit", **common, **submit)
        last = HpcComposeWatchOperator(task_id="watch", job=submitted.output, **common, **(watch or {}))
        submitted >> last
        if artifacts:
            bundles = () if isinstance(artifacts, bool) else tuple(artifacts)
            exported = HpcComposeArtifactsOperator(
                task_id="artifacts", job=submitted.output, bundles=bundles, **common, **(collect or {})
            )
            last >> exported
            last = exported
        if cancel_teardown:
            cancel = HpcComposeCancelOperator(task_id="cancel", job=submitted.output, **common)
            last >> cancel.as_teardown(setups=submitted)
    return group


class HpcComposeSweepTaskGroup(TaskGroup):
    """All trials of a sweep, and their ranking.

    :param mode: `mapped`: a task for each trial, retried and shown alone, for up to a hundred or so. `array`: one job array and one
        task that waits for it. `chunked`: the same, with a waiting task for each `chunk` trials, so that the grid shows progress.
    :param compose_file: The file with the `sweep`; a relative one starts from the folder of the DAG's file.
    :param spec: The same as a mapping.
    :param variables: For `${NAME}` in the file.
    :param environment, service_overrides, hpc_resources, job_name, profile, prepare, preflight, stage, on_clear, on_kill_action: Of
        every trial, as arguments of `HpcComposeOperator`.
    :param chunk: Trials of one waiting task.
    :param throttle: So many trials run at once; the file's `sweep.throttle` unless it is said.
    :param max_trials: Allow so many trials, whatever the file says.
    :param sweep_id: Only `mapped`: what the trials call their sweep; made of the file unless it is said.
    :param min_completed: So many trials have to complete, or `collect` and with it the run fails: a number, or a fraction.
    :param dest: Folder on the cluster that gets `ranking.json` and `trials.csv`.
    :param outlets: Assets and aliases that `collect` tells of.
    :param trial: Further arguments of each `HpcComposeOperator` (`mapped`).
    :param watch: Further arguments of the waiting tasks (`array`, `chunked`).

    Its tasks are `trial` or `submit` and `watch`, then `collect`, which returns the ranking, and `stop`, the teardown.
    """

    def __init__(
        self,
        group_id: str = "sweep",
        *,
        mode: Mode = "array",
        compose_file: str | None = None,
        spec: dict[str, Any] | None = None,
        project_dir: str | None = None,
        variables: dict[str, str] | None = None,
        chunk: int = 64,
        throttle: int | None = None,
        max_trials: int | None = None,
        sweep_id: str | None = None,
        min_completed: float = 1.0,
        dest: str | None = None,
        outlets: Sequence[Any] = (),
        trial: Mapping[str, Any] | None = None,
        watch: Mapping[str, Any] | None = None,
        hpccompose_conn_id: str = DEFAULT_CONN_ID,
        **options: Any,
    ) -> None:
        group_options = {name: value for name, value in options.items() if name not in (*_OF_SPEC, *_OF_SUBMISSION)}
        if mode not in ("mapped", "array", "chunked"):
            raise ValueError(f"mode={mode!r} is none of mapped, array, chunked.")
        if (compose_file is None) == (spec is None):
            raise ValueError("Give either `compose_file` or `spec`.")
        super().__init__(group_id=group_id, **group_options)
        self._source: dict[str, Any] = {
            "compose_file": compose_file,
            "spec": spec,
            "project_dir": project_dir,
            "variables": variables,
            **{name: options[name] for name in _OF_SPEC if name in options},
        }
        self._submission = {name: options[name] for name in _OF_SUBMISSION if name in options}
        self._common: dict[str, Any] = {"hpccompose_conn_id": hpccompose_conn_id}
        self._ranking: dict[str, Any] = {"dest": dest, "min_completed": min_completed, "outlets": list(outlets)}
        with self:
            if mode == "mapped":
                rows = self._rows(sweep_id, max_trials)
                self._add_mapped(rows, max_trials=max_trials, throttle=throttle, options=dict(trial or {}))
            else:
                size = chunk if mode == "chunked" else None
                self._add_array(size, max_trials=max_trials, throttle=throttle, options=dict(watch or {}))

    def _rows(self, sweep_id: str | None, max_trials: int | None) -> list[dict[str, Any]]:
        file, spec = self._source["compose_file"], self._source["spec"]
        folder = os.path.dirname(self.dag.fileloc) if self.dag.fileloc else None  # noqa: PTH120
        return sweep_trials(
            spec if spec is not None else absolute_file(file, folder),
            variables=self._source["variables"],
            sweep_id=sweep_id,
            max_trials=max_trials,
            project_dir=None,
        )

    def _add_mapped(
        self, rows: list[dict[str, Any]], *, max_trials: int | None, throttle: int | None, options: dict[str, Any]
    ) -> None:
        source = {name: value for name, value in self._source.items() if name != "variables"}
        if throttle is not None:
            options.setdefault("max_active_tis_per_dagrun", throttle)
        trials = HpcComposeOperator.partial(
            task_id="trial",
            map_index_template="{{ task.trial_name }}",
            **source,
            **self._common,
            **{**self._submission, **options},
        ).expand_kwargs(rows)
        collect = HpcComposeTrialsCollectOperator(
            task_id="collect",
            trials_task_id=trials.task_id,
            sweep_id=rows[0]["trial"]["sweep_id"],
            trial_ids=[row["trial"]["trial_id"] for row in rows],
            max_trials=max_trials,
            trigger_rule="all_done",
            **self._source,
            **self._common,
            **self._ranking,
        )
        stop = HpcComposeTrialsStopOperator(
            task_id="stop", trials_task_id=trials.task_id, count=len(rows), **self._common
        )
        trials >> collect >> stop.as_teardown()
        trials >> stop

    def _add_array(
        self, chunk: int | None, *, max_trials: int | None, throttle: int | None, options: dict[str, Any]
    ) -> None:
        source = {**self._source, "max_trials": max_trials}
        submit = HpcComposeSweepSubmitOperator(
            task_id="submit", throttle=throttle, chunk=chunk, **source, **self._submission, **self._common
        )
        sweep = submit.output[SWEEP_KEY]
        if chunk is None:
            watch: Any = HpcComposeSweepWatchOperator(task_id="watch", sweep=sweep, **self._common, **options)
        else:
            watch = HpcComposeSweepWatchOperator.partial(
                task_id="watch", sweep=sweep, map_index_template="{{ task.chunk_name }}", **self._common, **options
            ).expand_kwargs(submit.output)
        collect = HpcComposeSweepCollectOperator(task_id="collect", sweep=sweep, **self._common, **self._ranking)
        stop = HpcComposeSweepStopOperator(task_id="stop", submit_task_id=submit.task_id, **self._common)
        # No setup: clearing `collect` to rank anew must not clear `submit`, and `stop` has to run where `submit` failed.
        submit >> watch >> collect >> stop.as_teardown()
