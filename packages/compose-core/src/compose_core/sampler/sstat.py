"""What the running steps of the job use, by `sstat`: asked on one node, for all steps.

Source: sstat(1). `AllocTRES`, which sacct has, is refused by sstat; the output knows no other delimiter than `|`.
"""

import os
from typing import Dict, List

from compose_core.sampler.collector import Collector, Conversation
from compose_core.sampler.owners import Owners
from compose_core.sampler.report import Reporter
from compose_core.sampler.values import byte_count, number, seconds, words
from compose_core.supervisor.files import Json

SSTAT_FIELDS = ("JobID", "NTasks", "AveCPU", "AveRSS", "MaxRSS", "TRESUsageInAve")
SLOWEST_S = 60.0


def steps_argv(job_id: str) -> List[str]:
    """All running steps of one job."""
    format_option = "--format=" + ",".join(SSTAT_FIELDS)
    return ["sstat", "--allsteps", "--noheader", "--parsable2", "--noconvert", format_option, "--jobs=" + job_id]


def parse_steps(output: str) -> List[Json]:
    """Read a `steps_argv` answer; `extern` is Slurm's own and no step of the job's."""
    rows = []
    for line in output.splitlines():
        cells = line.split("|")
        if len(cells) != len(SSTAT_FIELDS) or cells[0].endswith(".extern") or "." not in cells[0]:
            continue
        rows.append(
            {
                "step_id": cells[0],
                "ntasks": number(cells[1]),
                "ave_cpu_s": seconds(cells[2]),
                "ave_rss_bytes": byte_count(cells[3]),
                "max_rss_bytes": byte_count(cells[4]),
                "alloc_tres": None,
                "tres_usage_in_ave": words(cells[5]),
            }
        )
    return rows


class StepCollector(Collector):
    """Rows of slurm.jsonl."""

    name = "slurm"

    def __init__(self, settings: Json, reporter: Reporter, environment: Dict[str, str], owners: Owners) -> None:
        super().__init__(settings, reporter, environment)
        self._job_id = environment.get("SLURM_JOB_ID", "")
        self._own_step = "{}.{}".format(self._job_id, environment.get("SLURM_STEP_ID", ""))
        self._owners = owners
        self._looked_for: Dict[str, int] = {}

    def sample(self, at: float) -> Conversation:
        """One question for all steps; after a failure the next ones come later, for the controller's sake."""
        argv = steps_argv(self._job_id)
        answer = yield argv
        if answer.status:
            self.state, self.note = "failed", answer.why(argv)
            self.next_at += min(SLOWEST_S, 2 * self.every_s)
            return
        self.state, self.note = "ok", "sstat"
        for row in parse_steps(answer.output):
            if row["step_id"] != self._own_step:
                row["service"] = self._service(row["step_id"])
                self.reporter.row("slurm.jsonl", at, row)

    def _service(self, step_id: str) -> object:
        """None for a step that has no process of a service on this node."""
        known = self._owners.service_of_step(step_id)
        if known is None and self._looked_for.get(step_id, 0) < 5 and not step_id.endswith(".batch"):
            self._looked_for[step_id] = self._looked_for.get(step_id, 0) + 1
            self._owners.learn(own_processes())
            known = self._owners.service_of_step(step_id)
        return known


def own_processes() -> List[int]:
    """The processes of this user on this node."""
    found = []
    for name in os.listdir("/proc"):
        try:
            if name.isdigit() and os.stat("/proc/" + name).st_uid == os.geteuid():
                found.append(int(name))
        except OSError:
            continue  # it ended meanwhile
    return found
