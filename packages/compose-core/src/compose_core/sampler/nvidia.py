"""NVIDIA's GPUs, by `nvidia-smi`.

Source: nvidia-smi(1), --help-query-gpu, --help-query-remapped-rows, --help-query-compute-apps, RETURN VALUE.
"""

import re
import time
from typing import Any, Callable, Dict, List, Optional, Tuple

from compose_core.sampler.collector import Conversation
from compose_core.sampler.mig import MIG_LISTING_ARGV, MIG_XML_ARGV, mig_listing, mig_rows
from compose_core.sampler.probe import Answer
from compose_core.sampler.reading import Reading, gpu_row, process_row
from compose_core.sampler.values import flag, number, words
from compose_core.supervisor.files import Json

CSV = "--format=csv,noheader,nounits"
REFUSED_FIELD = re.compile(r'Field "([^"]+)" is not a valid field')
LOST_CELL = re.compile(r"\[GPU (?:is lost|requires reset)\]")
RENAMED = {"clocks_throttle_reasons.active": "clocks_event_reasons.active"}
THROTTLE_BITS = (
    (0x1, "gpu_idle"),
    (0x2, "applications_clocks_setting"),
    (0x4, "sw_power_cap"),
    (0x8, "hw_slowdown"),
    (0x10, "sync_boost"),
    (0x20, "sw_thermal_slowdown"),
    (0x40, "hw_thermal_slowdown"),
    (0x80, "hw_power_brake_slowdown"),
    (0x100, "display_clock_setting"),
)
"""Source: NVML API reference, nvmlClocksThrottleReasons."""
EXIT_MEANINGS = {
    2: "an argument is not supported",
    4: "no permission to ask",
    6: "the query found nothing",
    8: "external power cables are not attached",
    9: "the driver is not loaded",
    10: "the kernel met a problem with a GPU's interrupts",
    12: "the NVML library was not found",
    13: "this NVML has no such function",
    14: "the infoROM is corrupt",
    15: "a GPU is lost",
    255: "an unknown error",
}
REMAPPED_EVERY_S = 60.0
MIG_EVERY_S = 30.0


def throttle_reasons(text: str) -> Optional[List[str]]:
    """The names of the bits in `0x0000000000000004`; None where there is no bit mask."""
    try:
        bits = int(text.strip(), 16) if text.strip().lower().startswith("0x") else None
    except ValueError:
        bits = None
    return None if bits is None else [name for bit, name in THROTTLE_BITS if bits & bit]


Field = Tuple[str, str, Callable[[str], Any]]
FIELDS: Tuple[Field, ...] = (
    ("index", "index", number),
    ("uuid", "uuid", words),
    ("name", "name", words),
    ("utilization.gpu", "utilization_gpu", number),
    ("utilization.memory", "utilization_memory", number),
    ("memory.used", "memory_used_mib", number),
    ("memory.total", "memory_total_mib", number),
    ("power.draw", "power_draw_w", number),
    ("power.limit", "power_limit_w", number),
    ("temperature.gpu", "temperature_c", number),
    ("clocks.sm", "sm_clock_mhz", number),
    ("clocks_throttle_reasons.active", "throttle_reasons", throttle_reasons),
    ("ecc.errors.corrected.volatile.total", "ecc_corrected", number),
    ("ecc.errors.uncorrected.volatile.total", "ecc_uncorrected", number),
    ("mig.mode.current", "mig", flag),
)
BASIC = 7
"""The fields that every driver knows come first."""
REMAPPED_FIELDS: Tuple[Field, ...] = (
    ("gpu_uuid", "uuid", words),
    ("remapped_rows.correctable", "remapped_correctable", number),
    ("remapped_rows.uncorrectable", "remapped_uncorrectable", number),
    ("remapped_rows.pending", "remap_pending", flag),
    ("remapped_rows.failure", "remap_failure", flag),
)


def gpu_argv(fields: Tuple[Field, ...]) -> List[str]:
    """The query of one sample."""
    return ["nvidia-smi", "--query-gpu=" + ",".join(field for field, _, _ in fields), CSV]


def remapped_argv() -> List[str]:
    """The query of memory rows that were replaced."""
    return ["nvidia-smi", "--query-remapped-rows=" + ",".join(field for field, _, _ in REMAPPED_FIELDS), CSV]


def processes_argv() -> List[str]:
    """The query of processes that compute."""
    return ["nvidia-smi", "--query-compute-apps=gpu_uuid,pid,process_name,used_gpu_memory", CSV]


def table(output: str, fields: Tuple[Field, ...]) -> Tuple[List[Json], List[str]]:
    """The rows of a CSV answer, and the lines that are none (nvidia-smi mixes its errors in) or tell of a loss only."""
    rows, others = [], []
    for line in output.splitlines():
        cells = line.split(", ")
        if len(cells) != len(fields) or LOST_CELL.search(line):
            others += [line.strip()] if line.strip() else []
            continue
        rows.append({key: read(cell) for (_, key, read), cell in zip(fields, cells)})
    return rows, others


def parse_gpus(output: str, fields: Tuple[Field, ...] = FIELDS) -> Tuple[List[Json], List[str]]:
    """Read a `gpu_argv` answer: rows, and what else it said."""
    rows, others = table(output, fields)
    sound = [row for row in rows if row.get("index") is not None]
    return [gpu_row(**row) for row in sound], others


def parse_remapped(output: str) -> Dict[str, Json]:
    """Read a `remapped_argv` answer: the figures by uuid."""
    rows, _ = table(output, REMAPPED_FIELDS)
    return {row.pop("uuid"): row for row in rows if row["uuid"]}


def parse_processes(output: str) -> List[Json]:
    """Read a `processes_argv` answer; a name may hold commas."""
    rows = []
    for line in output.splitlines():
        cells = line.split(", ")
        if len(cells) >= 4 and number(cells[1]) is not None:
            name = words(", ".join(cells[2:-1]))
            rows.append(process_row(words(cells[0]), int(number(cells[1])), name, number(cells[-1])))
    return rows


class Nvidia:
    """Asks nvidia-smi, for what this driver can tell."""

    tool = "nvidia-smi"
    hidden_by = "CUDA_VISIBLE_DEVICES"

    def __init__(self) -> None:
        self._fields = FIELDS
        self._remapped: Dict[str, Json] = {}
        self._remapped_at = 0.0
        self._mig_at = 0.0
        self._mig_names: Optional[Dict[Tuple[int, int], Json]] = None

    def sample(self, reading: Reading) -> Conversation:
        """Fill the reading; rows of a lost GPU are missing in it."""
        yield from self._gpus(reading)
        if not reading.gpus:
            return
        yield from self._remapped_rows(reading)
        if any(row["mig"] for row in reading.gpus):
            yield from self._mig(reading)
        answer = yield processes_argv()
        if answer.status == 0:
            reading.processes = parse_processes(answer.output)
        else:
            reading.problems.append(answer.why(processes_argv()))

    def _gpus(self, reading: Reading) -> Conversation:
        """The GPUs; a field that the driver refuses is left out from now on."""
        for _ in range(2 * len(FIELDS)):
            argv = gpu_argv(self._fields)
            answer = yield argv
            text = answer.output + "\n" + answer.errors
            refused = REFUSED_FIELD.search(text)
            if refused is not None and any(field == refused.group(1) for field, _, _ in self._fields):
                self._leave_out(refused.group(1))
                continue
            reading.gpus, others = parse_gpus(answer.output, self._fields)
            if answer.status == 2 and not reading.gpus and len(self._fields) > BASIC:
                self._fields = FIELDS[:BASIC]
                continue
            self._note_problems(reading, answer, argv, others)
            return

    def _leave_out(self, refused: str) -> None:
        name = RENAMED.get(refused)
        self._fields = tuple(
            (name or field, key, read) if field == refused else (field, key, read)
            for field, key, read in self._fields
            if field != refused or name
        )

    def _note_problems(self, reading: Reading, answer: Answer, argv: List[str], others: List[str]) -> None:
        if answer.timed_out:
            reading.problems.append(answer.why(argv))
            return
        said = others + [line.strip() for line in answer.errors.splitlines() if line.strip()]
        if answer.status == 0 and reading.gpus and not others:
            return  # warnings on stderr beside sound rows are no problem
        if answer.status or said:
            meaning = EXIT_MEANINGS.get(answer.status, "it ended with {}".format(answer.status))
            reading.problems.append("nvidia-smi: {}".format("; ".join(said)[:300] or meaning))
            reading.evidence = "exit status {} ({})\n{}{}".format(answer.status, meaning, answer.output, answer.errors)

    def _remapped_rows(self, reading: Reading) -> Conversation:
        """Once a minute: they change with errors of the memory only."""
        if time.monotonic() >= self._remapped_at:
            answer = yield remapped_argv()
            self._remapped = parse_remapped(answer.output) if answer.status == 0 else {}
            self._remapped_at = time.monotonic() + (REMAPPED_EVERY_S if answer.status == 0 else 60 * REMAPPED_EVERY_S)
        for row in reading.gpus:
            row.update(self._remapped.get(row["uuid"], {}))

    def _mig(self, reading: Reading) -> Conversation:
        """Memory of the MIG devices, which only the long report tells."""
        if time.monotonic() < self._mig_at:
            return
        self._mig_at = time.monotonic() + MIG_EVERY_S
        if self._mig_names is None:
            answer = yield MIG_LISTING_ARGV
            self._mig_names = mig_listing(answer.output)
        answer = yield MIG_XML_ARGV
        if answer.status == 0:
            reading.instances = mig_rows(answer.output, reading.gpus, self._mig_names)
