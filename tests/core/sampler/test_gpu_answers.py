"""What GPU tools print, as rows: every device parses, and nothing that is unknown becomes a number."""

from __future__ import annotations

import pytest

from compose_core.sampler.amd import parse_amd_metric, parse_amd_names, parse_amd_processes
from compose_core.sampler.mig import mig_listing, mig_rows
from compose_core.sampler.nvidia import parse_gpus, parse_processes, parse_remapped, throttle_reasons
from compose_core.sampler.reading import GPU_KEYS
from compose_core.sampler.rocm import parse_rocm
from tests.core.sampler.answers import FIXTURES, recorded

NVIDIA_GPUS = {
    "a100-sxm4-80gb": 4,
    "gtx-1080": 1,
    "h100-sxm5-80gb": 2,
    "h200-mig": 2,
    "rtx-4090": 1,
    "t4": 1,
    "v100-sxm2-32gb": 2,
}
TEXTS = {"uuid", "name", "throttle_reasons", "mig", "mig_profile", "parent_uuid"}


@pytest.mark.parametrize(("device", "count"), NVIDIA_GPUS.items())
def test_every_line_of_nvidia_smi_is_a_row_of_numbers_and_nulls(device: str, count: int) -> None:
    """And every figure of the row stands in the line."""
    text = recorded(f"{device}.gpu.csv")
    rows, others = parse_gpus(text)
    assert (len(rows), others) == (count, [])
    for row, line in zip(rows, text.splitlines(), strict=True):
        assert set(row) == set(GPU_KEYS)
        figures = {key: value for key, value in row.items() if key not in TEXTS}
        assert all(
            value is None or (isinstance(value, int | float) and value is not True) for value in figures.values()
        )
        known = sum(value is not None for value in figures.values())
        cells = line.split(", ")
        assert known == sum(cell.replace(".", "").isdigit() for cell in cells)


def test_an_old_card_that_tells_nothing_gives_nulls_and_no_zero() -> None:
    """`[Not Supported]`, `[N/A]`, `ERR!` and `[Unknown Error]` alike."""
    (row,), _ = parse_gpus(recorded("gtx-1080.gpu.csv"))
    known = {key for key, value in row.items() if value is not None}
    assert known == {"index", "uuid", "name", "memory_used_mib", "memory_total_mib", "temperature_c"}


def test_a_real_zero_stays_a_zero() -> None:
    """An idle GPU is known to be idle."""
    rows, _ = parse_gpus(recorded("a100-sxm4-80gb.gpu.csv"))
    assert (rows[2]["utilization_gpu"], rows[2]["ecc_corrected"], rows[2]["mig"]) == (0, 0, False)


def test_throttle_reasons_are_named() -> None:
    """From the bit mask; a mask that is not told is no empty list."""
    assert throttle_reasons("0x0000000000000060") == ["sw_thermal_slowdown", "hw_thermal_slowdown"]
    assert throttle_reasons("0x0000000000000000") == []
    assert throttle_reasons("[Not Supported]") is None
    assert throttle_reasons("0xZZ") is None


def test_remapped_rows_belong_to_their_gpu() -> None:
    """A card that has none tells nothing."""
    a100 = parse_remapped(recorded("a100-sxm4-80gb.remapped.csv"))
    worst = a100["GPU-a1000000-0000-4000-8000-000000000003"]
    assert worst == {
        "remapped_correctable": 0,
        "remapped_uncorrectable": 1,
        "remap_pending": True,
        "remap_failure": False,
    }
    v100 = parse_remapped(recorded("v100-sxm2-32gb.remapped.csv"))
    assert {value for row in v100.values() for value in row.values()} == {None}


def test_a_process_may_have_commas_in_its_name_or_none_at_all() -> None:
    """Its memory may be unknown, its pid never is."""
    first, second, third = parse_processes(recorded("a100-sxm4-80gb.processes.csv"))
    assert (first["pid"], first["process_name"], first["used_memory_mib"]) == (41237, "/opt/conda/bin/python", 75420)
    assert (second["process_name"], second["used_memory_mib"]) == ("python, with, commas", 78990)
    assert (third["pid"], third["process_name"], third["used_memory_mib"]) == (41239, None, None)


@pytest.mark.parametrize("text", ["", "No running processes found\n", "a, b, c, d\n"])
def test_no_processes_is_no_row(text: str) -> None:
    """Whatever a release says instead."""
    assert parse_processes(text) == []


@pytest.mark.parametrize(
    ("name", "rows_left", "problem"),
    [
        ("lost-of-four", 3, "Unable to determine the device handle for GPU 0000:41:00.0: GPU is lost."),
        ("lost-in-place", 1, "[GPU is lost]"),
        ("lost-all", 0, "No devices were found"),
    ],
)
def test_a_lost_gpu_is_no_row(name: str, rows_left: int, problem: str) -> None:
    """What is said about it is kept."""
    rows, others = parse_gpus(recorded(f"{name}.gpu.csv"))
    assert len(rows) == rows_left
    assert any(problem in line for line in others)


def test_mig_devices_have_rows_of_their_own_with_their_memory() -> None:
    """Profile and uuid come from the listing, which alone tells them."""
    gpus, _ = parse_gpus(recorded("h200-mig.gpu.csv"))
    assert [row["mig"] for row in gpus] == [True, False]
    assert gpus[0]["utilization_gpu"] is None
    names = mig_listing(recorded("h200-mig.listing.txt"))
    rows = mig_rows(recorded("h200-mig.report.xml"), gpus, names)
    told = [
        (row["index"], row["mig_device"], row["mig_profile"], row["memory_used_mib"], row["memory_total_mib"])
        for row in rows
    ]
    assert told == [(0, 0, "3g.71gb", 61001, 72192), (0, 1, "1g.18gb", 13, 18048), (0, 2, "1g.18gb+me", None, 18048)]
    assert {row["parent_uuid"] for row in rows} == {gpus[0]["uuid"]}
    assert rows[1]["uuid"] == "MIG-00000000-1111-5222-8333-444444444441"
    assert {row["utilization_gpu"] for row in rows} == {None}


@pytest.mark.parametrize("xml", ["", "<nvidia_smi_log>", "no xml", "<a/>"])
def test_a_damaged_report_gives_no_mig_rows(xml: str) -> None:
    """The rows of the GPUs are there all the same."""
    gpus, _ = parse_gpus(recorded("h200-mig.gpu.csv"))
    assert mig_rows(xml, gpus, {}) == []


def test_amd_smi_is_read_behind_its_warnings() -> None:
    """Figures with units; where there is no edge sensor, the hottest spot counts."""
    first, second = parse_amd_metric(recorded("mi300x.metric.json"))
    assert (first["index"], first["utilization_gpu"], first["utilization_memory"]) == (0, 96, 48)
    assert (first["memory_used_mib"], first["memory_total_mib"]) == (171004, 196592)
    assert (first["temperature_c"], first["power_draw_w"], first["sm_clock_mhz"]) == (82, 731, 2100)
    assert (second["utilization_gpu"], second["ecc_uncorrected"]) == (0, 0)
    assert (first["throttle_reasons"], first["mig"]) == (None, None)


def test_names_of_amd_gpus_come_from_two_questions() -> None:
    """One tells the product, the other the uuid."""
    names = parse_amd_names(recorded("mi300x.static.json"), recorded("mi300x.list.json"))
    expected = {"name": "AMD Instinct MI300X", "power_limit_w": 750, "uuid": "00ff74a1-0000-1000-8000-000000000001"}
    assert names[1] == expected


def test_processes_of_amd_gpus_are_known_by_gpu_and_pid() -> None:
    """`No running processes detected` is none."""
    (row,) = parse_amd_processes(recorded("mi300x.process.json"), {0: "u0", 1: "u1"})
    assert row == {"gpu_uuid": "u0", "pid": 88123, "process_name": "python3", "used_memory_mib": 170694}


def test_an_older_amd_smi_writes_units_into_the_text() -> None:
    """And a list instead of an object."""
    (row,) = parse_amd_metric(recorded("mi210-older.metric.json"))
    assert (row["utilization_gpu"], row["power_draw_w"], row["temperature_c"]) == (41, 188, 47)
    assert (row["memory_used_mib"], row["memory_total_mib"], row["sm_clock_mhz"]) == (8192, 65536, 1700)
    assert (row["utilization_memory"], row["ecc_corrected"]) == (None, 3)


def test_rocm_smi_tells_cards_and_processes() -> None:
    """But not which card a process uses; a power limit of 0 is none."""
    reading = parse_rocm(recorded("mi250x.rocm.json"))
    first, second = reading.gpus
    assert (first["utilization_gpu"], first["temperature_c"], first["power_draw_w"]) == (99, 51.0, 438.0)
    assert (first["memory_used_mib"], first["memory_total_mib"], first["sm_clock_mhz"]) == (61440.0, 65520.0, 1700)
    assert (second["power_draw_w"], second["power_limit_w"], second["utilization_memory"]) == (None, None, None)
    assert [(row["pid"], row["process_name"], row["gpu_uuid"]) for row in reading.processes] == [
        (88001, "python3", None),
        (88002, "UNKNOWN", None),
    ]


@pytest.mark.parametrize("text", ["", "ERROR: no amdgpu driver", "[", "3"])
def test_what_is_no_json_is_an_error_that_the_collector_tells(text: str) -> None:
    """Never a row."""
    with pytest.raises(ValueError):
        parse_rocm(text)


def test_every_fixture_is_read_by_a_test() -> None:
    """Those that are not named above are read by the conversations."""
    source = "".join(path.read_text() for path in FIXTURES.parents[1].glob("core/sampler/test_*.py"))
    stems = {path.name.split(".")[0] for path in FIXTURES.iterdir() if path.suffix != ".md"}
    assert [stem for stem in sorted(stems) if stem not in source] == []
