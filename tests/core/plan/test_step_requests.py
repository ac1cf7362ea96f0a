"""What a step asks of its job, and what of the job it must not see."""

from __future__ import annotations

from pathlib import Path

import pytest

from compose_core.plan.model import shown
from compose_core.plan.report import all_decisions
from tests.core.plan.test_build import plan_of

GPUS = ("SLURM_GPUS", "SLURM_GPUS_PER_NODE", "SLURM_GPUS_PER_TASK")
MEMORY = ("SLURM_MEM_PER_NODE", "SLURM_MEM_PER_CPU", "SLURM_MEM_PER_GPU")


@pytest.mark.parametrize(
    ("job", "step", "options", "unset"),
    [
        ("gpus: 2", "", [], ()),
        ("gpus: 2", "gpus: 1", ["--gpus=1"], GPUS),
        ("gpus: 2, mem: 4G", "gres: 'gpu:1', gpus: 2, mem: 1G", ["--gres=gpu:1", "--mem=1G"], (*GPUS, *MEMORY)),
        ("gpus: 2", "gpus_per_task: 1, mem_per_gpu: 1G", ["--gpus-per-task=1", "--mem-per-gpu=1G"], (*GPUS, *MEMORY)),
        ("gpus: 2, cpus_per_gpu: 4", "cpus_per_task: 2", [], ("SLURM_CPUS_PER_GPU",)),
        ("nodes: 4, gpus: 8", "", ["--gpus-per-node=${SLURM_GPUS_ON_NODE}"], GPUS),
        ("nodes: 4, gpus: 8", "nodes: 4", ["--gpus-per-node=2"], GPUS),
        ("nodes: 4, gpus: 8", "nodes: 4, gpus: 4", ["--gpus-per-node=1"], GPUS),
        ("nodes: 4, gpus_per_node: 2", "", [], ()),
        ("nodes: 4, gpus: 4, gres: 'gpu:1'", "nodes: 4", [], ()),
        ("nodes: 4, ntasks_per_node: 2", "", [], ("SLURM_NTASKS_PER_NODE",)),
        ("nodes: 4, ntasks_per_node: 2", "nodes: 4", [], ()),
        ("gpus: 2", "extra_srun_args: ['--gpus-per-socket=1']", [], GPUS),
        ("mem: 4G", "extra_srun_args: ['--mem-per-cpu=1G']", [], MEMORY),
    ],
)
def test_requests_are_written_as_srun_takes_them(
    tmp_path: Path, job: str, step: str, options: list[str], unset: tuple[str, ...]
) -> None:
    """And the job's own are kept out of the way."""
    plan = plan_of(
        tmp_path,
        f"""
        runtime: {{backend: host}}
        x-slurm: {{{job}}}
        services:
          app: {{command: [x], x-slurm: {{{step}}}}}
          other: {{command: [y]}}
        """,
    )
    app = plan.step("app")
    found = [shown(option) for option in app.srun_options]
    assert [text for text in found if text.startswith(("--gpus", "--gres", "--mem"))] == [
        *options,
        *(text for text in found if text in ("--gpus-per-socket=1", "--mem-per-cpu=1G")),
    ]
    assert app.unset == unset


def test_a_request_that_is_written_in_another_way_is_explained(tmp_path: Path) -> None:
    """A decision with its reason."""
    plan = plan_of(
        tmp_path, "{runtime: {backend: host}, x-slurm: {nodes: 2, gpus: 4}, services: {app: {command: [x]}}}"
    )
    (decision,) = [item for item in all_decisions(plan) if item.key == "services.app.x-slurm.gpus"]
    assert (decision.value, decision.reason) == ("--gpus-per-node=2", "the job's, by the node")


def test_a_batch_service_asks_for_nothing(tmp_path: Path) -> None:
    """It sees the whole allocation, and what Slurm says about it."""
    plan = plan_of(
        tmp_path,
        """
        runtime: {backend: host}
        x-slurm: {nodes: 2, gpus: 4, ntasks_per_node: 2}
        services: {app: {command: [x], x-slurm: {launch: batch}}, other: {command: [y]}}
        """,
    )
    assert (plan.step("app").srun_options, plan.step("app").unset) == ((), ())
