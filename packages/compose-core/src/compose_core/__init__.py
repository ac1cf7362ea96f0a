"""One Compose-like file becomes one Slurm job: the library behind `hpcc`, the Snakemake executor and the Airflow provider.

This is the public door. Names are imported when they are first used, so `import compose_core` costs next to nothing.

    from compose_core import Site, build_plan, load_spec, observe, plan_context, prepare_images, submit

    site = Site.detect()
    plan = build_plan(load_spec("compose.yaml", variables=site.environment), plan_context(site))
    prepare_images(site, plan)
    job = submit(site, plan, run_key="my-task")
    snapshot = observe(site, [job.record])[0]
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from compose_core.version import __version__

if TYPE_CHECKING:
    from compose_core.clock import Clock, SystemClock
    from compose_core.cluster.openssh import OpenSshRunner, OpenSshTarget, private_control_dir
    from compose_core.cluster.openssh_keys import KeyedRunner, KeyTexts
    from compose_core.cluster.runner import HostRunner
    from compose_core.cluster.sinfo import PartitionRow
    from compose_core.cluster.site import Site
    from compose_core.door.inputs import spec_inputs
    from compose_core.door.remote import RemoteDoor
    from compose_core.door.session import DoorSession
    from compose_core.errors import (
        EnvironmentProblem,
        ExitCode,
        HpccError,
        Location,
        NoSuchJob,
        Problem,
        RecordError,
        SchedulerRefused,
        SchedulerUnreachable,
        SpecError,
        SubmissionUnresolved,
        UsageError,
    )
    from compose_core.images import image_decisions, prepare_images
    from compose_core.insight.pending_reasons import is_hopeless, reason_in_words
    from compose_core.job_state import JobId, JobState
    from compose_core.job_usage import UsageQuestion, UsageReading, read_usage
    from compose_core.operations import (
        cancel,
        cancel_submission,
        clean,
        current_job,
        down,
        export_artifacts,
        find_job,
        find_submission,
        observe,
        partitions_of,
        poller,
        resolve_submissions,
        submit,
        tracked_jobs,
    )
    from compose_core.plan import Plan, PlanContext, build_plan
    from compose_core.planning import plan_context
    from compose_core.prepare.make_ready import PrepareFailed
    from compose_core.records.job_record import JobRecord
    from compose_core.render import render_script
    from compose_core.spec import LoadedSpec, load_spec
    from compose_core.spec.documents import Document, Verbatim, compose_tree, read_document, same_tree, tree_of
    from compose_core.spec.kinds import (
        Choice,
        Either,
        Entry,
        Flag,
        Integer,
        ListOf,
        MapOf,
        Number,
        Section,
        Text,
        did_you_mean,
    )
    from compose_core.spec.nodes import KeyPath, ListNode, MapNode, Node, ScalarNode
    from compose_core.spec.raw_options import sbatch_options
    from compose_core.submission.submit import Submission
    from compose_core.sweep.ensure import ensure_sweep
    from compose_core.sweep.expansion import Trial, sweep_variables
    from compose_core.sweep.hold import find_sweep
    from compose_core.sweep.observe import sweep_results
    from compose_core.sweep.planning import SweepPlan, expand_sweep, plan_sweep
    from compose_core.sweep.ranked_jobs import ranked_jobs
    from compose_core.sweep.results import SweepResults
    from compose_core.sweep.resume import resume_sweep
    from compose_core.sweep.state import SweepState, sweep_state
    from compose_core.sweep.stop import stop_sweep
    from compose_core.sweep.submit import SweepSubmission, submit_sweep
    from compose_core.tracking.clean import CleanRule
    from compose_core.tracking.poller import Pace, Poller
    from compose_core.tracking.snapshot import JobSnapshot
    from compose_core.units import format_slurm_time, parse_memory_mib, parse_slurm_time_s

_HOMES = {
    "OpenSshRunner": "cluster.openssh",
    "OpenSshTarget": "cluster.openssh",
    "private_control_dir": "cluster.openssh",
    "KeyTexts": "cluster.openssh_keys",
    "KeyedRunner": "cluster.openssh_keys",
    "RemoteDoor": "door.remote",
    "spec_inputs": "door.inputs",
    "HostRunner": "cluster.runner",
    "PartitionRow": "cluster.sinfo",
    "DoorSession": "door.session",
    "Clock": "clock",
    "SystemClock": "clock",
    "ExitCode": "errors",
    "HpccError": "errors",
    "Location": "errors",
    "Problem": "errors",
    "SpecError": "errors",
    "EnvironmentProblem": "errors",
    "NoSuchJob": "errors",
    "RecordError": "errors",
    "SchedulerRefused": "errors",
    "SchedulerUnreachable": "errors",
    "SubmissionUnresolved": "errors",
    "UsageError": "errors",
    "is_hopeless": "insight.pending_reasons",
    "reason_in_words": "insight.pending_reasons",
    "JobId": "job_state",
    "JobState": "job_state",
    "UsageQuestion": "job_usage",
    "UsageReading": "job_usage",
    "read_usage": "job_usage",
    "LoadedSpec": "spec",
    "load_spec": "spec",
    "looks_secret": "cluster.job_environment",
    "Choice": "spec.kinds",
    "Document": "spec.documents",
    "Either": "spec.kinds",
    "Entry": "spec.kinds",
    "Flag": "spec.kinds",
    "Integer": "spec.kinds",
    "KeyPath": "spec.nodes",
    "ListNode": "spec.nodes",
    "ListOf": "spec.kinds",
    "MapNode": "spec.nodes",
    "MapOf": "spec.kinds",
    "Node": "spec.nodes",
    "Number": "spec.kinds",
    "ScalarNode": "spec.nodes",
    "Section": "spec.kinds",
    "Text": "spec.kinds",
    "Verbatim": "spec.documents",
    "compose_tree": "spec.documents",
    "did_you_mean": "spec.kinds",
    "read_document": "spec.documents",
    "same_tree": "spec.documents",
    "sbatch_options": "spec.raw_options",
    "tree_of": "spec.documents",
    "format_slurm_time": "units",
    "parse_memory_mib": "units",
    "parse_slurm_time_s": "units",
    "Plan": "plan",
    "PlanContext": "plan",
    "build_plan": "plan",
    "render_script": "render",
    "Site": "cluster.site",
    "JobRecord": "records.job_record",
    "Submission": "submission.submit",
    "CleanRule": "tracking.clean",
    "JobSnapshot": "tracking.snapshot",
    "Pace": "tracking.poller",
    "Poller": "tracking.poller",
    "SweepPlan": "sweep.planning",
    "SweepResults": "sweep.results",
    "SweepState": "sweep.state",
    "SweepSubmission": "sweep.submit",
    "Trial": "sweep.expansion",
    "ensure_sweep": "sweep.ensure",
    "expand_sweep": "sweep.planning",
    "find_sweep": "sweep.hold",
    "plan_sweep": "sweep.planning",
    "ranked_jobs": "sweep.ranked_jobs",
    "resume_sweep": "sweep.resume",
    "stop_sweep": "sweep.stop",
    "submit_sweep": "sweep.submit",
    "sweep_results": "sweep.observe",
    "sweep_state": "sweep.state",
    "sweep_variables": "sweep.expansion",
    "cancel": "operations",
    "cancel_submission": "operations",
    "clean": "operations",
    "current_job": "operations",
    "down": "operations",
    "export_artifacts": "operations",
    "find_job": "operations",
    "find_submission": "operations",
    "image_decisions": "images",
    "observe": "operations",
    "partitions_of": "operations",
    "plan_context": "planning",
    "poller": "operations",
    "prepare_images": "images",
    "PrepareFailed": "prepare.make_ready",
    "request_ends": "operations",
    "resolve_submissions": "operations",
    "submit": "operations",
    "tracked_jobs": "operations",
}

__all__ = [
    "Choice",
    "CleanRule",
    "Clock",
    "Document",
    "DoorSession",
    "Either",
    "Entry",
    "EnvironmentProblem",
    "ExitCode",
    "Flag",
    "HostRunner",
    "HpccError",
    "Integer",
    "JobId",
    "JobRecord",
    "JobSnapshot",
    "JobState",
    "KeyPath",
    "KeyTexts",
    "KeyedRunner",
    "ListNode",
    "ListOf",
    "LoadedSpec",
    "Location",
    "MapNode",
    "MapOf",
    "NoSuchJob",
    "Node",
    "Number",
    "OpenSshRunner",
    "OpenSshTarget",
    "Pace",
    "PartitionRow",
    "Plan",
    "PlanContext",
    "Poller",
    "PrepareFailed",
    "Problem",
    "RecordError",
    "RemoteDoor",
    "ScalarNode",
    "SchedulerRefused",
    "SchedulerUnreachable",
    "Section",
    "Site",
    "SpecError",
    "Submission",
    "SubmissionUnresolved",
    "SweepPlan",
    "SweepResults",
    "SweepState",
    "SweepSubmission",
    "SystemClock",
    "Text",
    "Trial",
    "UsageError",
    "UsageQuestion",
    "UsageReading",
    "Verbatim",
    "__version__",
    "build_plan",
    "cancel",
    "cancel_submission",
    "clean",
    "compose_tree",
    "current_job",
    "did_you_mean",
    "down",
    "ensure_sweep",
    "expand_sweep",
    "export_artifacts",
    "find_job",
    "find_submission",
    "find_sweep",
    "format_slurm_time",
    "image_decisions",
    "is_hopeless",
    "load_spec",
    "looks_secret",
    "observe",
    "parse_memory_mib",
    "parse_slurm_time_s",
    "partitions_of",
    "plan_context",
    "plan_sweep",
    "poller",
    "prepare_images",
    "private_control_dir",
    "ranked_jobs",
    "read_document",
    "read_usage",
    "reason_in_words",
    "render_script",
    "request_ends",
    "resolve_submissions",
    "resume_sweep",
    "same_tree",
    "sbatch_options",
    "spec_inputs",
    "stop_sweep",
    "submit",
    "submit_sweep",
    "sweep_results",
    "sweep_state",
    "sweep_variables",
    "tracked_jobs",
    "tree_of",
]


def __getattr__(name: str) -> Any:
    """The public name, from the module it lives in."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
