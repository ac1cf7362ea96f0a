"""The fake tools by name, and what they say when no controller answers. The conformance tests hold them to the real ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from compose_core.testing.fake_sacct import sacct
from compose_core.testing.fake_sbatch import sbatch
from compose_core.testing.fake_scancel import scancel
from compose_core.testing.fake_scontrol import scontrol
from compose_core.testing.fake_sinfo import sinfo, sstat
from compose_core.testing.fake_squeue import squeue
from compose_core.testing.tool_text import Call, Said

if TYPE_CHECKING:
    from compose_core.testing.fake_cluster import FakeCluster

TOOLS: dict[str, Callable[[FakeCluster, Call], Said]] = {
    "sbatch": sbatch,
    "squeue": squeue,
    "sacct": sacct,
    "scontrol": scontrol,
    "scancel": scancel,
    "sinfo": sinfo,
    "sstat": sstat,
}


def unanswered(program: str, call: Call, *, frozen: bool, message_timeout_s: float) -> Said:
    """The words of a tool whose controller is gone, or does not answer."""
    text = (
        "Socket timed out on send/recv operation" if frozen else "Unable to contact slurm controller (connect failure)"
    )
    takes_s = message_timeout_s if frozen else 9.0
    if program == "sbatch":
        return Said(rc=1, stderr=f"sbatch: error: Batch job submission failed: {text}\n", takes_s=takes_s)
    if program == "scancel":
        ids = [word for word in call.argv[1:] if word[:1].isdigit()]
        said = "".join(f"scancel: error: Kill job error on job id {job_id}: {text}\n" for job_id in ids)
        return Said(rc=140 if frozen else 8, stderr=said, takes_s=takes_s)
    if program == "scontrol" and call.argv[1:2] == ("ping",):
        return Said(
            rc=1, stdout=f"Slurmctld(primary) at controller is DOWN\n{_BANNER}", takes_s=takes_s if frozen else 0.01
        )
    what = "slurm_load_partitions:" if program == "sinfo" else "slurm_load_jobs error:"
    return Said(rc=1, stderr=f"{what} {text}\n", takes_s=takes_s if frozen else 18.0)


_BANNER = "*****************************************\n** RESTORE SLURMCTLD DAEMON TO SERVICE **\n" + "*" * 41 + "\n"
