"""AMD's GPUs, by `amd-smi`. Releases differ in shape: a list or {"gpu_data": [...]}, {"value", "unit"} or a bare number.

Source: AMD SMI documentation, command line tool, `metric`, `static`, `list` and `process` with --json.
"""

from typing import Any, Dict, List, Optional

from compose_core.sampler.collector import Conversation
from compose_core.sampler.reading import Reading, gpu_row, process_row
from compose_core.sampler.values import MEBIBYTE, UNITS, json_value, number, words
from compose_core.supervisor.files import Json

METRIC_ARGV = ["amd-smi", "metric", "--json"]
STATIC_ARGV = ["amd-smi", "static", "--json"]
LIST_ARGV = ["amd-smi", "list", "--json"]
PROCESS_ARGV = ["amd-smi", "process", "--json"]


def at(value: Any, *path: str) -> Any:
    """What lies at the path of a nested object; None where it ends before."""
    for key in path:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value


def amount(value: Any) -> Any:
    """The number of `{"value": 42, "unit": "W"}`, `42` or `"42 W"`; None for `"N/A"`."""
    return number(value.get("value")) if isinstance(value, dict) else number(value)


def mebibytes(value: Any) -> Any:
    """An amount of memory in MiB; amd-smi's MB are MiB."""
    size = amount(value)
    unit = str(value.get("unit", "MB")) if isinstance(value, dict) else "MB"
    if size is None or unit[:1].upper() not in UNITS:
        return None
    found = size * UNITS[unit[:1].upper()] / MEBIBYTE
    return int(found) if found == int(found) else round(found, 1)


def first(*values: Any) -> Any:
    """The first that is known."""
    return next((value for value in values if value is not None), None)


def amd_entries(output: str) -> List[Json]:
    """The objects of an answer, one a GPU (or part of one).

    Raises: ValueError: it is no JSON.
    """
    value = json_value(output)
    found = value.get("gpu_data", [value]) if isinstance(value, dict) else value
    if not isinstance(found, list):
        raise ValueError("no list of GPUs")  # noqa: TRY004 - the text is wrong, not the caller's type
    return [entry for entry in found if isinstance(entry, dict) and number(entry.get("gpu")) is not None]


def parse_amd_metric(output: str) -> List[Json]:
    """Read a `METRIC_ARGV` answer: a row for each GPU, without its names.

    Raises: ValueError: it is no JSON.
    """
    return [_metric_row(entry) for entry in amd_entries(output)]


def _metric_row(entry: Json) -> Json:
    temperature = at(entry, "temperature")
    clock = first(at(entry, "clock", "gfx_0"), at(entry, "clock", "gfx"))
    return gpu_row(
        index=number(entry.get("gpu")),
        utilization_gpu=amount(at(entry, "usage", "gfx_activity")),
        utilization_memory=amount(at(entry, "usage", "umc_activity")),
        memory_used_mib=mebibytes(at(entry, "mem_usage", "used_vram")),
        memory_total_mib=mebibytes(at(entry, "mem_usage", "total_vram")),
        temperature_c=first(*[amount(at(temperature, name)) for name in ("edge", "hotspot", "hotspot_temperature")]),
        power_draw_w=first(
            *[
                amount(at(entry, "power", name))
                for name in ("socket_power", "current_socket_power", "average_socket_power")
            ]
        ),
        sm_clock_mhz=first(amount(at(clock, "clk")), amount(at(clock, "cur_clk"))),
        ecc_corrected=first(*[amount(at(entry, "ecc", n)) for n in ("total_correctable_count", "total_correctable")]),
        ecc_uncorrected=first(
            *[amount(at(entry, "ecc", n)) for n in ("total_uncorrectable_count", "total_uncorrectable")]
        ),
    )


def parse_amd_names(static: str, listing: str) -> Dict[int, Json]:
    """What does not change, by the GPU's index: name, uuid, power limit.

    Raises: ValueError: an answer is no JSON.
    """
    found: Dict[int, Json] = {}
    for entry in amd_entries(static):
        limit = at(entry, "limit")
        found[int(entry["gpu"])] = {
            "name": first(words(at(entry, "asic", "market_name")), words(at(entry, "board", "product_name"))),
            "power_limit_w": first(*[amount(at(limit, n)) for n in ("socket_power", "current_power", "max_power")]),
        }
    for entry in amd_entries(listing):
        found.setdefault(int(entry["gpu"]), {})["uuid"] = first(words(entry.get("uuid")), words(entry.get("gpu_uuid")))
    return found


def parse_amd_processes(output: str, uuids: Dict[int, Optional[str]]) -> List[Json]:
    """Read a `PROCESS_ARGV` answer.

    Raises: ValueError: it is no JSON.
    """
    rows = []
    for entry in amd_entries(output):
        listed = entry.get("process_list")
        for item in listed if isinstance(listed, list) else ():
            info = at(item, "process_info") if isinstance(at(item, "process_info"), dict) else item
            pid = number(at(info, "pid"))
            if pid is None:
                continue
            memory = first(
                mebibytes(at(info, "memory_usage", "vram_mem")),
                mebibytes(at(info, "vram_mem")),
                mebibytes(at(info, "mem_usage")),
            )
            rows.append(process_row(uuids.get(int(entry["gpu"])), int(pid), words(at(info, "name")), memory))
    return rows


class AmdSmi:
    """Asks amd-smi."""

    tool = "amd-smi"
    hidden_by = "ROCR_VISIBLE_DEVICES"

    def __init__(self) -> None:
        self._names: Optional[Dict[int, Json]] = None

    def sample(self, reading: Reading) -> Conversation:
        """Fill the reading."""
        answer = yield METRIC_ARGV
        try:
            reading.gpus = parse_amd_metric(answer.output)
        except ValueError:
            reading.problems.append(answer.why(METRIC_ARGV))
            reading.evidence = answer.output + answer.errors
            return
        if answer.status:
            reading.problems.append(answer.why(METRIC_ARGV))
        if self._names is None:
            yield from self._learn_names(reading)
        for row in reading.gpus:
            row.update((self._names or {}).get(row["index"], {}))
        answer = yield PROCESS_ARGV
        uuids = {row["index"]: row["uuid"] for row in reading.gpus}
        try:
            reading.processes = parse_amd_processes(answer.output, uuids)
        except ValueError:
            reading.problems.append(answer.why(PROCESS_ARGV))

    def _learn_names(self, reading: Reading) -> Conversation:
        static = yield STATIC_ARGV
        listing = yield LIST_ARGV
        try:
            self._names = parse_amd_names(static.output, listing.output)
        except ValueError:
            reading.problems.append(static.why(STATIC_ARGV))
