"""The examples as templates: each says what it is, is valid under another name, and keeps its comments."""

from __future__ import annotations

from pathlib import Path

import pytest

from compose_core import PlanContext, build_plan, load_spec, render_script
from compose_core.starters import Starter, adapted, starters

ALL = starters()
ON_SLURM = PlanContext(
    engine="slurm", home="/home/ada", container_backends=("pyxis", "enroot", "apptainer"), machine="x86_64"
)


def test_the_promised_ones_are_there() -> None:
    promised = (
        "app-redis-worker dev-python-app llm-curl-workflow llm-curl-workflow-workdir llama-app llama-uv-worker minimal-batch"
        " multi-node-mpi multi-node-torchrun training-checkpoints training-resume postgres-etl vllm-openai vllm-uv-worker"
        " mpi-hello multi-stage-pipeline fairseq-preprocess restart-policy preemptible-checkpoint training-sweep"
        " canary-right-size ray-head-workers jupyter secrets quickstart"
    )
    assert {one.name for one in ALL} == set(promised.split())


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.name)
def test_its_head_says_what_it_shows_and_when_to_start_from_it(one: Starter) -> None:
    text = one.description
    assert text.splitlines()[1] == ""
    assert "\nShows: " in text
    assert "\nStart from it when " in text


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.name)
def test_it_is_valid_and_renders_under_another_name(one: Starter, tmp_path: Path) -> None:
    text = adapted(one.text, name="my job", cache_dir='/shared/o\'neil "x"')
    variables = {"HOME": "/home/ada", "USER": "ada"}
    loaded = load_spec(tmp_path / "compose.yaml", variables=variables, text=text)
    assert loaded.spec.name == "my job"
    plan = build_plan(loaded, ON_SLURM)
    assert plan.cache_dir == '/shared/o\'neil "x"'
    assert render_script(plan).startswith("#!")
    assert [line for line in text.splitlines() if "#" in line] == [
        line for line in one.text.splitlines() if "#" in line
    ]


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.name)
def test_it_warns_of_nothing(one: Starter, tmp_path: Path) -> None:
    loaded = load_spec(tmp_path / "compose.yaml", variables={"HOME": "/home/ada"}, text=one.text)
    assert [warning.code for warning in loaded.warnings if warning.code != "sweep-left-out"] == []


def test_what_was_put_or_left_beside_an_example_is_not_copied(tmp_path: Path) -> None:
    """A model may be as large as a disk: nothing of that kind is even read."""
    wanted = {"compose.yaml", "app/client.py"}
    unwanted = {"models/a.gguf", "results/1/report.md", "slurm-1.out", ".hpc-compose/1/state.json", "__pycache__/x.pyc"}
    for name in wanted | unwanted:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("name: own\n")
    with (tmp_path / "core.1").open("wb") as dump:
        dump.truncate(2**32)
    assert dict(Starter(name="own", folder=tmp_path).files()) == {"app/client.py": b"name: own\n"}


def test_the_page_names_all_of_them() -> None:
    page = (Path(__file__).parents[2] / "docs" / "examples.md").read_text()
    for one in ALL:
        assert f"| [{one.name}](../examples/{one.name}/compose.yaml) | {one.title.rstrip('.')} |" in page
