"""What rules can do in Snakemake they can do in jobs: one workflow that uses all of it, looked at from many sides."""

from __future__ import annotations

import csv
from collections.abc import Iterator

import pytest

from tests.snakemake.workflow import Workflow

pytestmark = pytest.mark.adapters

DEEP = "/".join("".join(str(number) for number in range(start, start + 33)) for start in (100, 200, 300))
"""Longer than the name of a file may be."""

SNAKEFILE = f"""
DEEP = {DEEP!r}
rule all:
    input:
        "params.txt", "named.txt", "shadowed.txt", "benchmarked.txt", "scripted.txt", "configured.txt", "temp.txt",
        "pipe.txt", "threads.txt", "folder", f"deep/{{DEEP}}.txt", "wide/größe 'ä' $HOME.txt"
rule params:
    output: "params.txt"
    params: text="it's \\"$HOME\\" and `id`", listed=["a", "b c"], derived=lambda wildcards, output: output[0] + "!"
    shell: "printf '%s\\n' {{params.text:q}} {{params.listed:q}} {{params.derived:q}} > {{output}}"
rule inputs:
    output: a="in/a.txt", b=["in/b1.txt", "in/b2.txt"]
    shell: "for f in {{output}}; do basename $f > $f; done"
rule named:
    input: a="in/a.txt", b=["in/b1.txt", "in/b2.txt"]
    output: "named.txt"
    run:
        assert len(input.b) == 2
        with open(output[0], "w") as file:
            file.write(input.a + "".join(open(path).read() for path in input.b))
rule shadowed:
    output: "shadowed.txt"
    shadow: "minimal"
    shell: "touch litter.txt; pwd > {{output}}"
rule benchmarked:
    output: "benchmarked.txt"
    benchmark: "benchmark.tsv"
    shell: "python3 -c 'x = bytearray(150 * 2**20); import time; time.sleep(2.5)'; touch {{output}}"
rule scripted:
    output: "scripted.txt"
    params: word="one two"
    resources: mem_mb=123
    script: "scripts/write.py"
rule configured:
    output: "configured.txt"
    params: values=[config["quote"], config["dollar"], config["blank"]]
    shell: "printf '%s\\n' {{params.values:q}} > {{output}}"
rule made:
    output: temp("made.tmp")
    shell: "echo made > {{output}}"
rule used:
    input: "made.tmp"
    output: "temp.txt"
    shell: "cp {{input}} {{output}}"
rule writes_pipe:
    output: pipe("through.pipe")
    shell: "printf 'first\\nsecond\\n' > {{output}}"
rule reads_pipe:
    input: "through.pipe"
    output: "pipe.txt"
    shell: "cat {{input}} > {{output}}"
rule threads:
    output: "threads.txt"
    threads: 2
    resources: mem_mb=64
    shell: "echo {{threads}} {{resources.mem_mb}} $OMP_NUM_THREADS > {{output}}"
rule folder:
    output: directory("folder")
    shell: "mkdir {{output}}; touch {{output}}/file"
rule deep:
    output: "deep/{{path}}.txt"
    shell: "printf %s {{wildcards.path}} > {{output}}"
rule wide:
    output: "wide/{{name}}.txt"
    shell: "printf %s {{wildcards.name:q}} > {{output:q}}"
"""
SCRIPT = """
with open(snakemake.output[0], "w") as file:
    file.write(f"{snakemake.params.word} {snakemake.resources.mem_mb} {snakemake.rule}")
"""
CONFIG = {"quote": 'it\'s "so"', "dollar": "$HOME $(id) `id`", "blank": " a  b "}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workflow]:
    """The workflow after its run."""
    workflow = Workflow(tmp_path_factory.mktemp("features") / "work", "local")
    workflow.write(SNAKEFILE)
    workflow.write(SCRIPT, "scripts/write.py")
    workflow.write(
        "".join(f"{name}: '{value.replace(chr(39), chr(39) * 2)}'\n" for name, value in CONFIG.items()), "config.yaml"
    )
    run = workflow.run("--jobs", "20", "--configfile", "config.yaml", "--hpccompose-keep-successful-logs", timeout=280)
    assert run.returncode == 0, run.stdout
    yield workflow
    workflow.end()


def test_params_of_all_kinds(done: Workflow) -> None:
    """Quotes, dollars, lists and functions."""
    assert done.text("params.txt").splitlines() == ['it\'s "$HOME" and `id`', "a", "b c", "params.txt!"]


def test_run_with_named_inputs(done: Workflow) -> None:
    """Python code sees lists and names."""
    assert done.text("named.txt") == "in/a.txtb1.txt\nb2.txt\n"


def test_shadow(done: Workflow) -> None:
    """The command works elsewhere, and only its output comes back."""
    assert "shadow" in done.text("shadowed.txt")
    assert not done.exists("litter.txt")


def test_benchmark(done: Workflow) -> None:
    """Time and memory are those of the command, not of whatever started it."""
    [row] = csv.DictReader(done.text("benchmark.tsv").splitlines(), delimiter="\t")
    assert 2.4 < float(row["s"]) < 30
    assert float(row["max_rss"]) > 150


def test_script(done: Workflow) -> None:
    """With the object `snakemake`."""
    assert done.text("scripted.txt") == "one two 123 scripted"


def test_values_of_the_configuration(done: Workflow) -> None:
    """No shell between the workflow and the rule reads them."""
    assert done.text("configured.txt").splitlines() == list(CONFIG.values())


def test_temporary_files(done: Workflow) -> None:
    """Removed when nobody needs them any more."""
    assert done.text("temp.txt") == "made\n"
    assert not done.exists("made.tmp")


def test_pipes(done: Workflow) -> None:
    """Writer and reader are one job."""
    assert done.text("pipe.txt") == "first\nsecond\n"


def test_threads_and_resources(done: Workflow) -> None:
    """What the rule asked for is what it sees."""
    assert done.text("threads.txt") == "2 64 2\n"


def test_a_folder_as_output(done: Workflow) -> None:
    """With what is in it."""
    assert done.exists("folder/file")


def test_wildcards_with_slashes_longer_than_a_file_name(done: Workflow) -> None:
    """Their results and logs have names of bounded length."""
    assert done.text(f"deep/{DEEP}.txt") == DEEP


def test_wildcards_of_all_scripts_with_quotes_and_dollars(done: Workflow) -> None:
    """They are text."""
    assert done.text("wide/größe 'ä' $HOME.txt") == "größe 'ä' $HOME"


def test_each_job_has_its_own_log(done: Workflow) -> None:
    """Fifteen rules in fourteen jobs, as the pipe joins two; none is empty."""
    logs = [
        path
        for path in (done.folder / ".snakemake/hpccompose/logs").rglob("*")
        if path.is_file() and not path.is_symlink()
    ]
    jobs = [path for path in logs if "batch" not in str(path) and path.stat().st_size]
    assert len(jobs) >= 13, [str(path) for path in logs]


def test_a_second_run_has_nothing_to_do(done: Workflow) -> None:
    """Metadata of the jobs is there: nothing seems changed."""
    before = done.submissions
    run = done.run("--jobs", "5", "--configfile", "config.yaml")
    assert run.returncode == 0
    assert "Nothing to be done" in run.stdout
    assert done.submissions == before
