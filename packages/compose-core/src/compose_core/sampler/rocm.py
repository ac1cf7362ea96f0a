"""AMD's GPUs, by `rocm-smi`, where there is no amd-smi yet. All values are text; names of fields differ between releases.

Source: ROCm SMI documentation, `rocm-smi --help` with --json.
"""

import re
from typing import Any, List

from compose_core.sampler.amd import first
from compose_core.sampler.collector import Conversation
from compose_core.sampler.reading import Reading, gpu_row, process_row
from compose_core.sampler.values import MEBIBYTE, json_value, number, words
from compose_core.supervisor.files import Json

ROCM_ARGV = [
    "rocm-smi",
    "--showproductname",
    "--showuniqueid",
    "--showuse",
    "--showmemuse",
    "--showmeminfo",
    "vram",
    "--showtemp",
    "--showpower",
    "--showmaxpower",
    "--showclocks",
    "--showpids",
    "--json",
]
CARD = re.compile(r"card([0-9]+)")
PROCESS = re.compile(r"PID([0-9]+)")
ROCM_CLOCK = re.compile(r"([0-9]+)Mhz")


def parse_rocm(output: str) -> Reading:
    """Read a `ROCM_ARGV` answer. It does not tell which card a process uses.

    Raises: ValueError: it is no JSON object.
    """
    value = json_value(output)
    if not isinstance(value, dict):
        raise ValueError("no JSON object")  # noqa: TRY004 - the text is wrong, not the caller's type
    reading = Reading()
    for key, card in sorted(value.items()):
        found = CARD.fullmatch(key)
        if found is not None and isinstance(card, dict):
            reading.gpus.append(_card_row(int(found.group(1)), card))
    reading.gpus.sort(key=lambda row: int(row["index"]))
    system = value.get("system")
    reading.processes = _process_rows(system if isinstance(system, dict) else {})
    return reading


def _card_row(index: int, card: Json) -> Json:
    def known(*names: str) -> Any:
        return first(*[number(card.get(name)) for name in names])

    clock = ROCM_CLOCK.search(str(card.get("sclk clock speed:", "")))
    used, total = known("VRAM Total Used Memory (B)"), known("VRAM Total Memory (B)")
    return gpu_row(
        index=index,
        uuid=words(card.get("Unique ID")),
        name=first(*[words(card.get(name)) for name in ("Card Series", "Card series", "Card Model", "Card model")]),
        utilization_gpu=known("GPU use (%)"),
        utilization_memory=known("GPU Memory Read/Write Activity (%)", "Memory Activity"),
        memory_used_mib=None if used is None else round(used / MEBIBYTE, 1),
        memory_total_mib=None if total is None else round(total / MEBIBYTE, 1),
        temperature_c=known("Temperature (Sensor edge) (C)", "Temperature (Sensor junction) (C)"),
        power_draw_w=known("Average Graphics Package Power (W)", "Current Socket Graphics Package Power (W)"),
        power_limit_w=known("Max Graphics Package Power (W)") or None,  # 0 is said of the second half of a card
        sm_clock_mhz=int(clock.group(1)) if clock is not None else None,
    )


def _process_rows(system: Json) -> List[Json]:
    """`"PID4242": "python3, 1, 4567040000, 0, 104"`: name, GPUs, bytes of memory, ..."""
    rows = []
    for key, text in sorted(system.items()):
        found = PROCESS.fullmatch(key)
        if found is None:
            continue
        cells = str(text).rsplit(", ", 4)
        memory = number(cells[2]) if len(cells) == 5 else None
        used = None if memory is None else round(memory / MEBIBYTE, 1)
        rows.append(process_row(None, int(found.group(1)), words(cells[0]), used))
    return rows


class RocmSmi:
    """Asks rocm-smi."""

    tool = "rocm-smi"
    hidden_by = "ROCR_VISIBLE_DEVICES"

    def sample(self, reading: Reading) -> Conversation:
        """Fill the reading."""
        answer = yield ROCM_ARGV
        try:
            found = parse_rocm(answer.output)
        except ValueError:
            reading.problems.append(answer.why(ROCM_ARGV))
            reading.evidence = answer.output + answer.errors
            return
        reading.gpus, reading.processes = found.gpus, found.processes
