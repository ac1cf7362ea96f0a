"""What one look at the GPUs of a node gives, whichever tool was asked."""

from typing import Any, Dict, List, Optional

from compose_core.supervisor.files import Json

GPU_KEYS = (
    "index",
    "uuid",
    "name",
    "utilization_gpu",
    "utilization_memory",
    "memory_used_mib",
    "memory_total_mib",
    "temperature_c",
    "power_draw_w",
    "power_limit_w",
    "sm_clock_mhz",
    "throttle_reasons",
    "ecc_corrected",
    "ecc_uncorrected",
    "remapped_correctable",
    "remapped_uncorrectable",
    "remap_pending",
    "remap_failure",
    "mig",
    "mig_device",
    "mig_profile",
    "parent_uuid",
)


def gpu_row(**known: Any) -> Json:
    """A row of gpu.jsonl, all that is not known null."""
    row: Json = dict.fromkeys(GPU_KEYS)
    row.update(known)
    return row


def process_row(gpu_uuid: Optional[str], pid: int, name: Optional[str], memory_mib: Any) -> Json:
    """A row of gpu_processes.jsonl, without its owner."""
    return {"gpu_uuid": gpu_uuid, "pid": pid, "process_name": name, "used_memory_mib": memory_mib}


class Reading:
    """One look at the GPUs of a node."""

    def __init__(self) -> None:
        self.gpus: List[Json] = []
        self.instances: List[Json] = []
        """Rows of MIG devices, beside those of the GPUs they are part of."""
        self.processes: List[Json] = []
        self.problems: List[str] = []
        """What the tool said besides rows, in words."""
        self.evidence = ""
        """The output that shows a problem."""

    @property
    def uuids(self) -> Dict[str, Json]:
        """The GPUs by uuid, or by index where the tool knows none."""
        return {str(row["uuid"] or row["index"]): row for row in self.gpus}
