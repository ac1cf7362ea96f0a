"""The GPUs of this node: whichever tool there is, only those of this job, and which of them got lost."""

import shutil
import time
from typing import Callable, Dict, List, Optional, Set, Union

from compose_core.sampler.amd import AmdSmi
from compose_core.sampler.collector import Collector, Conversation
from compose_core.sampler.nvidia import Nvidia
from compose_core.sampler.owners import Owners
from compose_core.sampler.reading import Reading
from compose_core.sampler.report import Reporter
from compose_core.sampler.rocm import RocmSmi
from compose_core.supervisor.files import Json

GpuTool = Union[Nvidia, AmdSmi, RocmSmi]
GPU_TOOLS = (Nvidia, AmdSmi, RocmSmi)
LOOK_AGAIN_S = 60.0
"""A node without a working tool is asked again after this time."""


def visible_devices(text: Optional[str]) -> Optional[Set[str]]:
    """The devices that `CUDA_VISIBLE_DEVICES` names, indices or uuids; None where it names none by either."""
    names = [name.strip() for name in (text or "").split(",") if name.strip()]
    return set(names) if names and all(name.isdigit() or name.startswith("GPU-") for name in names) else None


def own_gpus(gpus: List[Json], visible: Optional[Set[str]]) -> List[Json]:
    """The GPUs that the job may use; where the tool shows other jobs' too, those are left out.

    A tool that shows no more than the job's GPUs counts them from 0, whatever they are called elsewhere.
    """
    if visible is None or len(gpus) <= len(visible):
        return gpus
    return [row for row in gpus if str(row["index"]) in visible or row["uuid"] in visible]


class GpuCollector(Collector):
    """Rows of gpu.jsonl and gpu_processes.jsonl."""

    name = "gpu"

    def __init__(
        self,
        settings: Json,
        reporter: Reporter,
        environment: Dict[str, str],
        owners: Owners,
        keep_evidence: Callable[[str, str], None],
    ) -> None:
        super().__init__(settings, reporter, environment)
        self._environment = environment
        self._owners = owners
        self._keep_evidence = keep_evidence
        self._tool: Optional[GpuTool] = None
        self._look_at = 0.0
        self._seen: Dict[str, str] = {}
        """Every GPU that ever answered, and what it is called in words."""
        self._has_evidence = False

    def sample(self, at: float) -> Conversation:
        """Ask the tool that answered last time; else look for one, from time to time."""
        reading = Reading()
        if self._tool is not None:
            yield from self._tool.sample(reading)
        elif time.monotonic() >= self._look_at:
            yield from self._look(reading)
        else:
            return
        if self._tool is not None:
            self._tell(at, reading)

    def _look(self, reading: Reading) -> Conversation:
        tried = []
        path = self._environment.get("PATH")
        for kind in GPU_TOOLS:
            if shutil.which(kind.tool, path=path) is None:
                continue
            candidate, found = kind(), Reading()
            yield from candidate.sample(found)
            if found.gpus:
                self._tool = candidate
                reading.__dict__.update(found.__dict__)
                return
            tried += found.problems or ["{} shows no GPU".format(kind.tool)]
            self._keep(found)
        self._look_at = time.monotonic() + LOOK_AGAIN_S
        self.state = "unavailable"
        self.note = "; ".join(tried) or "no nvidia-smi, amd-smi or rocm-smi"

    def _tell(self, at: float, reading: Reading) -> None:
        """Rows, and how it went."""
        assert self._tool is not None
        reading.gpus = own_gpus(reading.gpus, visible_devices(self._environment.get(self._tool.hidden_by)))
        own = set(reading.uuids)
        for row in reading.gpus + [row for row in reading.instances if row["parent_uuid"] in own]:
            self.reporter.row("gpu.jsonl", at, dict(row, collector=self._tool.tool))
        own |= {row["uuid"] for row in reading.instances}
        for process in reading.processes:
            if process["gpu_uuid"] is None or process["gpu_uuid"] in own:
                owner = self._owners.of(process["pid"])
                self.reporter.row("gpu_processes.jsonl", at, dict(process, collector=self._tool.tool, **owner))
        for uuid, row in reading.uuids.items():
            self._seen.setdefault(uuid, "GPU {} ({}, {})".format(row["index"], row["name"], uuid))
        lost = [called for uuid, called in self._seen.items() if uuid not in own]
        problems = ["no answer about {}".format(called) for called in lost] + reading.problems
        self.state = "degraded" if problems else "ok"
        if not reading.gpus:
            self.state = "failed"
        self.note = "; ".join(problems) if problems else self._tool.tool
        if problems:
            self._keep(reading)

    def _keep(self, reading: Reading) -> None:
        """The output that shows the first problem, among the diagnostics."""
        if reading.evidence and not self._has_evidence:
            self._has_evidence = True
            self._keep_evidence("gpu-problem", "\n".join(reading.problems) + "\n\n" + reading.evidence)
