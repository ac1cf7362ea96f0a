"""The examples, run as a user runs them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.jobs.project import Project
from tests.slurm.bench import SlurmBench
from tests.slurm.conftest import skip_or_fail_without

LAST_LINES = {
    "minimal-batch": {"hello": "hello from "},
    "multi-stage-pipeline": {"add": "333833500"},
    "restart-policy": {"shaky": "it works at the third try", "optional": "no matter"},
    "canary-right-size": {"work": "64 MiB held"},
    "secrets": {"with-token": "the token has 26 characters", "without": "no token here, none"},
    "training-checkpoints": {"train": "epoch 4: loss 0.4096"},
    "training-resume": {"train": "epoch 4: loss 0.4096"},
    "preemptible-checkpoint": {"train": "epoch 4: loss 0.4096"},
    "training-sweep": {"train": ""},
}
"""What the services of the examples end with that need neither a GPU nor an image."""


def begin(project: Project, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The project folder as `hpcc init` makes it."""
    monkeypatch.setenv("CHECKPOINTS", str(project.folder / "kept"))
    project.hpcc("init", "--template", name, "--force")


@pytest.mark.parametrize("name", list(LAST_LINES))
def test_an_example_does_what_its_head_says(project: Project, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the ones that need nothing but a node; begun from the template, as a new user would."""
    begin(project, name, monkeypatch)
    job = project.up()["job_id"]
    for service, line in LAST_LINES[name].items():
        said = [text for text in project.log(job, service).splitlines() if not text.startswith("srun: ")]
        assert said[-1].startswith(line)  # srun may add how the step ended


def test_a_training_goes_on_where_the_last_job_ended(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    begin(project, "training-resume", monkeypatch)
    project.up()
    job = project.up()["job_id"]
    assert project.log(job, "train") == "attempt 0 starts after epoch 4\n"


@pytest.mark.slurm
def test_the_mpi_example_builds_and_runs_its_program(slurm_bench: SlurmBench, shared_tmp: Path) -> None:
    skip_or_fail_without([] if shutil.which("mpicc") else ["mpicc"])
    project = Project(shared_tmp / "project", "slurm", slurm_bench.environment)
    project.hpcc("init", "--template", "multi-node-mpi", "--force")
    job = project.up()["job_id"]
    assert project.log(job, "ranks") == "pi is 3.141593 by 4 ranks\n"


def test_the_quickstart_completes_and_exports_its_answers(project: Project, repository: Path) -> None:
    """The main job of the README."""
    shutil.copytree(
        repository / "examples" / "quickstart",
        project.folder,
        dirs_exist_ok=True,
        ignore=shutil.ignore_patterns(".hpc-compose", "results", "slurm-*"),
    )
    job = project.up()["job_id"]
    assert project.log(job, "report") == "3 texts, 17 words\n"
    project.hpcc("artifacts")
    answers = project.folder / "results" / job / "answers"
    rows = [json.loads(line) for line in (answers / "answers.jsonl").read_text().splitlines()]
    assert [row["words"] for row in rows] == [5, 5, 7]
    assert "17 words" in (answers / "report.md").read_text()
