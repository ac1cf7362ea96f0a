"""The fake `scontrol`: show a job, the settings, or whether the controller is there; hold, release, requeue."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from compose_core.testing.fake_job import FakeJob
from compose_core.testing.tool_text import INVALID_ID, Call, Said, is_meant, shown_time

if TYPE_CHECKING:
    from compose_core.testing.fake_cluster import FakeCluster


def scontrol(cluster: FakeCluster, call: Call) -> Said:
    """Show a job, the settings, or whether the controller is there; hold, release, requeue."""
    words = [word for word in call.argv[1:] if not word.startswith("-")]
    match words:
        case ["ping"]:
            return Said(stdout="Slurmctld(primary) at controller is UP\n")
        case ["show", "config"]:
            return Said(stdout=_config(cluster))
        case ["show", "job", job_id]:
            return _show_job(cluster, job_id, call)
        case ["requeue" | "hold" | "release" as verb, job_id]:
            return _change(cluster, verb, job_id)
        case _:
            return Said(rc=1, stderr=f"invalid keyword: {' '.join(words)}\n")


def _config(cluster: FakeCluster) -> str:
    settings = cluster.settings
    storage = "accounting_storage/none" if cluster.accounting == "disabled" else "accounting_storage/slurmdbd"
    values = {
        "AccountingStorageType": storage,
        "ClusterName": settings.cluster_name,
        "KillWait": f"{settings.kill_wait_s} sec",
        "MaxArraySize": str(settings.max_array_size),
        "MessageTimeout": f"{settings.message_timeout_s:.0f} sec",
        "MinJobAge": f"{settings.min_job_age_s:.0f} sec",
        "SLURM_VERSION": "22.05.8",
    }
    return "Configuration data as of now\n" + "".join(f"{name:<23} = {value}\n" for name, value in values.items())


def _show_job(cluster: FakeCluster, job_id: str, call: Call) -> Said:
    if not re.fullmatch(r"\d+(_\d+)?", job_id):
        return Said(rc=1, stderr=f"scontrol_print_job error: {INVALID_ID}\n")
    jobs = [job for job in cluster.known_to_controller() if is_meant(job, job_id)]
    if not jobs:
        return Said(rc=1, stderr=f"slurm_load_jobs error: {INVALID_ID}\n")
    return Said(stdout="".join(_job_text(job, call) for job in jobs))


def _job_text(job: FakeJob, call: Call) -> str:
    array = f" ArrayJobId={job.array_number} ArrayTaskId={job.task if job.task is not None else job.task_text}"
    comment = f"   Comment={job.comment} \n" if job.comment else ""
    return (
        f"JobId={job.number}{array if job.array_number is not None else ''} JobName={job.name}\n"
        f"   UserId={job.user}({job.uid}) GroupId={job.user}({job.uid}) MCS_label=N/A\n"
        f"   JobState={job.state} Reason={job.reason} Dependency=(null)\n"
        f"   Requeue={int(job.may_requeue)} Restarts={job.restarts} BatchFlag=1 Reboot=0 ExitCode={job.exit_code}:{job.signal}\n"
        f"   SubmitTime={shown_time(job.submitted_at, call, 'Unknown')} EligibleTime={shown_time(job.eligible_at, call, 'Unknown')}\n"
        f"   StartTime={shown_time(job.started_at, call, 'Unknown')} EndTime={shown_time(job.ended_at, call, 'Unknown')} Deadline=N/A\n"
        f"   Partition={job.partition} AllocNode:Sid=login1:1\n"
        f"   NodeList={job.node_list}\n"
        f"   NumNodes={job.nodes_wanted} NumCPUs=1 NumTasks=1 CPUs/Task=1 ReqB:S:C:T=0:0:*:*\n"
        f"   Command={job.command}\n"
        f"   WorkDir={job.submit_dir}\n"
        f"{comment}"
        f"   StdErr={job.output}\n   StdIn=/dev/null\n   StdOut={job.output}\n   Power=\n   \n\n"
    )


def _change(cluster: FakeCluster, verb: str, job_id: str) -> Said:
    job = cluster.find(job_id)
    if job is None:
        return Said(rc=1, stderr=f"{INVALID_ID} for job {job_id}\n")
    if verb == "requeue":
        if not job.may_requeue:
            return Said(rc=1, stderr=f"Requested operation is presently disabled for job {job_id}\n")
        cluster.requeue(job.shown_id)
    elif verb == "hold":
        job.held, job.reason = True, "JobHeldUser"
    else:
        job.held, job.reason = False, "None"
        job.eligible_at = cluster.now()
    return Said()
