"""How the GPU collector talks with the tools that a node has."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from compose_core.sampler.amd import AmdSmi
from compose_core.sampler.gpu import GpuCollector, own_gpus, visible_devices
from compose_core.sampler.nvidia import FIELDS, Nvidia, parse_gpus
from compose_core.sampler.owners import Owners
from compose_core.sampler.probe import Answer
from compose_core.sampler.reading import Reading
from compose_core.supervisor.files import Json
from tests.core.sampler.answers import Answers, Heard, hold, recorded, said

SETTINGS: Json = {"interval_s": 5}
NVIDIA: Answers = {
    "nvidia-smi --query-gpu": said(recorded("a100-sxm4-80gb.gpu.csv")),
    "nvidia-smi --query-remapped": said(recorded("a100-sxm4-80gb.remapped.csv")),
    "nvidia-smi --query-compute": said(recorded("a100-sxm4-80gb.processes.csv")),
}
AMD: Answers = {
    "amd-smi metric": said(recorded("mi300x.metric.json")),
    "amd-smi static": said(recorded("mi300x.static.json")),
    "amd-smi list": said(recorded("mi300x.list.json")),
    "amd-smi process": said(recorded("mi300x.process.json")),
}


@pytest.fixture
def node(tmp_path: Path) -> Callable[..., tuple[GpuCollector, Heard, dict[str, str]]]:
    """A collector on a node that has these tools."""

    def make(*tools: str, **environment: str) -> tuple[GpuCollector, Heard, dict[str, str]]:
        for tool in tools:
            (tmp_path / tool).write_text("#!/bin/sh\n")
            (tmp_path / tool).chmod(0o755)
        heard, evidence = Heard(), dict[str, str]()
        variables = {"PATH": str(tmp_path), **environment}
        owners = Owners("41", "41", proc=str(tmp_path / "proc"))
        collector = GpuCollector(SETTINGS, heard, variables, owners, evidence.__setitem__)  # type: ignore[arg-type]
        return collector, heard, evidence

    return make


Node = Callable[..., tuple[GpuCollector, Heard, dict[str, str]]]


def test_a_gpu_has_its_remapped_rows_and_a_process_its_gpu(node: Node) -> None:
    """Three questions; the one about remapped rows only once a minute."""
    collector, heard, _ = node("nvidia-smi")
    assert len(hold(collector.sample(1.0), NVIDIA)) == 3
    assert len(hold(collector.sample(6.0), NVIDIA)) == 2
    rows = heard.of("gpu.jsonl")
    assert [(row["sampled_at"], row["index"]) for row in rows] == [(at, i) for at in (1.0, 6.0) for i in range(4)]
    assert {row["collector"] for row in rows} == {"nvidia-smi"}
    assert (rows[3]["remap_pending"], rows[7]["remap_pending"]) == (True, True)
    assert [row["pid"] for row in heard.of("gpu_processes.jsonl")] == 2 * [41237, 41238, 41239]
    assert {row["service"] for row in heard.of("gpu_processes.jsonl")} == {None}
    assert (collector.state, collector.note) == ("ok", "nvidia-smi")


def test_a_field_that_the_driver_renamed_is_asked_by_its_new_name() -> None:
    """And one that it does not know is left out for good."""
    refused: list[str] = []

    def driver(argv: list[str]) -> Answer:
        fields = argv[1].partition("=")[2].split(",")
        for unknown in ("clocks_throttle_reasons.active", "ecc.errors.corrected.volatile.total"):
            if unknown in fields:
                refused.append(unknown)
                return said(f'Field "{unknown}" is not a valid field to query.\n\n', 2)
        assert "clocks_event_reasons.active" in fields
        cells = recorded("t4.gpu.csv").strip().split(", ")
        keep = [cell for cell, (name, _, _) in zip(cells, FIELDS, strict=True) if name != unknown]
        return said(", ".join(keep) + "\n")

    tool, reading = Nvidia(), Reading()
    hold(tool.sample(reading), {**NVIDIA, "nvidia-smi --query-gpu": driver})
    assert len(refused) == 2
    assert reading.gpus[0]["throttle_reasons"] == ["sw_power_cap", "sw_thermal_slowdown"]
    assert (reading.gpus[0]["ecc_corrected"], reading.gpus[0]["ecc_uncorrected"]) == (None, 0)
    hold(tool.sample(Reading()), {**NVIDIA, "nvidia-smi --query-gpu": driver})
    assert len(refused) == 2


def test_the_refusal_of_a_newer_driver_is_understood() -> None:
    """As it is printed."""
    answers = iter([said(recorded("gb200-refusal.txt"), 2), said(recorded("h100-sxm5-80gb.gpu.csv"))])
    reading = Reading()
    asked = hold(Nvidia().sample(reading), {**NVIDIA, "nvidia-smi --query-gpu": lambda _argv: next(answers)})
    assert "clocks_event_reasons.active" in asked[1][1]
    assert (len(reading.gpus), reading.problems) == (2, [])


def test_an_old_driver_that_names_no_field_is_asked_for_the_basic_ones() -> None:
    """Everything else is null then."""

    def driver(argv: list[str]) -> Answer:
        if "power.draw" in argv[1]:
            return said("", 2, "Invalid combination of input arguments. Please run 'nvidia-smi -h' for help.\n")
        return said("0, GPU-1, Tesla K80, 12, 3, 100, 11441\n")

    reading = Reading()
    hold(Nvidia().sample(reading), {**NVIDIA, "nvidia-smi --query-gpu": driver})
    assert (reading.gpus[0]["memory_total_mib"], reading.gpus[0]["power_draw_w"]) == (11441, None)


def test_mig_devices_are_told_beside_their_gpu(node: Node) -> None:
    """Asked for every 30 s; processes of theirs belong to the job."""
    collector, heard, _ = node("nvidia-smi")
    answers: Answers = {
        "nvidia-smi --query-gpu": said(recorded("h200-mig.gpu.csv")),
        "nvidia-smi --query-remapped": said("", 2),
        "nvidia-smi --query-compute": said(recorded("h200-mig.processes.csv")),
        "nvidia-smi -L": said(recorded("h200-mig.listing.txt")),
        "nvidia-smi -q -x": said(recorded("h200-mig.report.xml")),
    }
    hold(collector.sample(1.0), answers)
    hold(collector.sample(6.0), answers)
    devices = [(row["sampled_at"], row["index"], row["mig_device"]) for row in heard.of("gpu.jsonl")]
    assert devices == [
        (1.0, 0, None),
        (1.0, 1, None),
        (1.0, 0, 0),
        (1.0, 0, 1),
        (1.0, 0, 2),
        (6.0, 0, None),
        (6.0, 1, None),
    ]
    assert [row["process_name"] for row in heard.of("gpu_processes.jsonl")][:2] == ["python3", None]
    assert collector.state == "ok"


@pytest.mark.parametrize(("lost", "status", "left"), [("lost-of-four", 15, 3), ("lost-in-place", 0, 1)])
def test_a_gpu_that_gets_lost_is_named_and_what_the_tool_said_is_kept_once(
    node: Node, lost: str, status: int, left: int
) -> None:
    """The others go on; the loss is told as long as it lasts."""
    collector, heard, evidence = node("nvidia-smi")
    hold(collector.sample(1.0), NVIDIA)
    answers = {**NVIDIA, "nvidia-smi --query-gpu": said(recorded(f"{lost}.gpu.csv"), status)}
    for at in (6.0, 11.0):
        hold(collector.sample(at), answers)
        assert collector.state == "degraded"
        assert (
            "no answer about GPU 3 (NVIDIA A100-SXM4-80GB, GPU-a1000000-0000-4000-8000-000000000003)" in collector.note
        )
        assert len([row for row in heard.of("gpu.jsonl") if row["sampled_at"] == at]) == left
    assert list(evidence) == ["gpu-problem"]
    assert "GPU is lost" in evidence["gpu-problem"]
    hold(collector.sample(16.0), NVIDIA)
    assert collector.state == "ok"


def test_when_all_gpus_are_lost_the_collector_fails_and_makes_no_rows(node: Node) -> None:
    """Exit status 255 without a row."""
    collector, heard, _ = node("nvidia-smi")
    hold(collector.sample(1.0), NVIDIA)
    hold(collector.sample(6.0), {"nvidia-smi --query-gpu": said(recorded("lost-all.gpu.csv"), 255)})
    assert (collector.state, len(heard.of("gpu.jsonl"))) == ("failed", 4)


def test_a_tool_that_does_not_answer_makes_no_rows(node: Node) -> None:
    """The state says why."""
    collector, heard, _ = node("nvidia-smi")
    hold(collector.sample(1.0), NVIDIA)
    hold(collector.sample(6.0), {"nvidia-smi --query-gpu": Answer(-9, "", "", timed_out=True)})
    assert collector.state == "failed"
    assert "nvidia-smi did not answer in time" in collector.note
    assert len(heard.of("gpu.jsonl")) == 4


def test_the_first_tool_that_shows_a_gpu_is_taken(node: Node) -> None:
    """An nvidia-smi without a device does not hide AMD's."""
    collector, heard, _ = node("nvidia-smi", "amd-smi", "rocm-smi")
    asked = hold(collector.sample(1.0), {**AMD, "nvidia-smi": said("No devices were found\n", 6)})
    assert [argv[:2] for argv in asked[1:]] == [["amd-smi", what] for what in ("metric", "static", "list", "process")]
    assert [(row["collector"], row["name"]) for row in heard.of("gpu.jsonl")] == 2 * [
        ("amd-smi", "AMD Instinct MI300X")
    ]
    assert [argv[1] for argv in hold(collector.sample(6.0), AMD)] == ["metric", "process"]


def test_rocm_smi_is_the_last_resort(node: Node) -> None:
    """Its processes have no GPU, and are told."""
    collector, heard, _ = node("rocm-smi")
    hold(collector.sample(1.0), {"rocm-smi": said(recorded("mi250x.rocm.json"))})
    assert [row["name"] for row in heard.of("gpu.jsonl")] == 2 * ["AMD INSTINCT MI250X"]
    assert len(heard.of("gpu_processes.jsonl")) == 2


@pytest.mark.parametrize("answer", [said("Traceback (most recent call last):", 1), said("[]"), said('{"gpu_data": 3}')])
def test_an_amd_smi_that_gives_nothing_is_no_tool(answer: Answer) -> None:
    """Whatever it prints."""
    reading = Reading()
    hold(AmdSmi().sample(reading), {**AMD, "amd-smi metric": answer})
    assert reading.gpus == []


def test_a_node_without_a_tool_says_so_and_looks_again_only_after_a_while(node: Node) -> None:
    """No question in between."""
    collector, _, _ = node()
    assert hold(collector.sample(1.0), {}) == []
    assert (collector.state, collector.note) == ("unavailable", "no nvidia-smi, amd-smi or rocm-smi")
    collector, _, evidence = node("nvidia-smi")
    failing: Answers = {
        "nvidia-smi": said("", 9, "NVIDIA-SMI has failed because it couldn't communicate with the driver.\n")
    }
    assert len(hold(collector.sample(1.0), failing)) == 1
    assert hold(collector.sample(6.0), failing) == []
    assert "couldn't communicate" in collector.note
    assert "the driver is not loaded" in evidence["gpu-problem"]


def test_gpus_of_other_jobs_are_left_out(node: Node) -> None:
    """With their processes; where the tool shows no more than the job's, all are its own."""
    collector, heard, _ = node("nvidia-smi", CUDA_VISIBLE_DEVICES="1,3")
    hold(collector.sample(1.0), NVIDIA)
    assert [row["index"] for row in heard.of("gpu.jsonl")] == [1, 3]
    assert [row["pid"] for row in heard.of("gpu_processes.jsonl")] == [41238, 41239]
    gpus, _ = parse_gpus(recorded("h100-sxm5-80gb.gpu.csv"))
    assert own_gpus(gpus, visible_devices("4,5")) == gpus
    assert own_gpus(gpus, visible_devices(gpus[1]["uuid"])) == [gpus[1]]


@pytest.mark.parametrize("text", [None, "", "NoDevFiles", "MIG-00000000-1111-5222-8333-444444444440", "0,x"])
def test_what_names_no_gpus_leaves_out_none(text: str | None) -> None:
    """Better too much than a guess."""
    assert visible_devices(text) is None
