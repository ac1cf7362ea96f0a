"""Plain shell rules without a Snakemake in the job: the same commands, the same surroundings, the same ends."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from snakemake_executor_plugin_hpccompose.runner.direct import (
    CannotRun,
    ShellCommand,
    environment_of,
    prepare,
    run_directly,
)
from snakemake_executor_plugin_hpccompose.shell_commands import names_in
from tests.snakemake.workflow import Workflow

pytestmark = pytest.mark.adapters

RULES = r"""
import os
import subprocess
import sys
os.environ["SET_BY_WORKFLOW"] = "yes it is"
shell.prefix("set -euo pipefail; greeting='a b'; ")
GLOBAL = {"deep": "it's $HOME"}
rule all:
    input: "plain.txt", "folder", "touched", "kept.txt", "script.txt", "shadowed.txt", "placed.txt"
rule source:
    output: temp("source {name}.txt")
    shell: "echo {wildcards.name} > {output:q}"
rule plain:
    input: "source x y.txt"
    output: "deep/er/plain.txt", second="plain.txt"
    log: "logs/plain.log"
    threads: 2
    params: text="quote ' and \" and $x", listed=["p", "q"], made=lambda wildcards: "made"
    shell:
        '''
        exec 2> {log}
        {{ env | grep -E "^(OMP_NUM_THREADS|NUMEXPR_NUM_THREADS|TMPDIR|TEMP|SET_BY_WORKFLOW)=" | sort
           echo "$greeting" {threads} {params.listed} {params.made} {params.text:q} {GLOBAL[deep]:q} {input:q} $(cat {input:q})
           pwd | xargs basename; set -o | grep -E "errexit|pipefail"; readlink /proc/$$/exe | xargs basename
        }} > {output[0]}
        cp {output[0]} {output.second}; echo to the log >&2
        '''
rule folder:
    output: directory("folder")
    shell: "mkdir {output}; echo in > {output}/file"
rule touched:
    output: touch("touched")
    shell: "true"
rule kept:
    output: protected("kept.txt")
    shell: "echo kept > {output}"
rule scripted:
    output: "script.txt"
    script: "write.py"
rule shadowed:
    output: "shadowed.txt"
    shadow: "minimal"
    shell: "pwd > {output}"
rule placed:
    output: "placed.txt"
    shell: "echo {resources.tmpdir} > {output}"
"""


def workflow_with(local_workflow: Workflow, runner: str) -> Workflow:
    """The rules, run in that way."""
    local_workflow.write(RULES)
    local_workflow.write("open(snakemake.output[0], 'w').write('scripted')", "write.py")
    run = local_workflow.run("--jobs", "20", "--keep-incomplete", "--hpccompose-runner", runner)
    assert run.returncode == 0, run.stdout
    return local_workflow


def test_a_command_finds_what_it_finds_in_a_snakemake(local_workflow: Workflow, tmp_path: Path) -> None:
    """Variables, quoting, prefix, folder, shell, log, and what the flags of output say; what is more than a command has its Snakemake."""
    direct = workflow_with(local_workflow, "direct")
    inner = workflow_with(Workflow(tmp_path / "inner" / direct.folder.name, "local"), "auto")
    try:
        assert direct.text("plain.txt") == inner.text("plain.txt")
        assert "OMP_NUM_THREADS=2" in direct.text("plain.txt")
        assert "SET_BY_WORKFLOW=yes it is" in direct.text("plain.txt")
        for name in ("logs/plain.log", "folder/file", "kept.txt", "script.txt", "placed.txt"):
            assert direct.text(name) == inner.text(name)
        for one in (direct, inner):
            assert not one.exists("source x y.txt")
            assert one.exists("touched", "deep/er/plain.txt")
            assert not (one.folder / "kept.txt").stat().st_mode & 0o222
        said = "".join(path.read_text() for path in direct.folder.glob(".hpc-compose/*/logs/main.log"))
        assert said.count("each its shell command alone") == 5
        assert said.count("forked off one Snakemake") == 3
    finally:
        inner.end()


def test_a_failing_command_is_told_and_its_output_removed(local_workflow: Workflow) -> None:
    """With its own exit code, and what it said."""
    local_workflow.write("""
        rule bad:
            output: "bad.txt"
            shell: "echo half > {output}; echo no such gene >&2; exit 7"
    """)
    run = local_workflow.run("--jobs", "2", "--hpccompose-runner", "direct", "bad.txt")
    assert run.returncode == 1
    assert "no such gene" in run.stdout
    assert "7" in run.stdout
    assert not local_workflow.exists("bad.txt")


def command(**fields: object) -> ShellCommand:
    """One that says hello."""
    found = {"executable": "/bin/sh", "command": "echo hello", "latency_wait_s": 0.0, **fields}
    return ShellCommand(**found)  # type: ignore[arg-type]


def test_output_of_an_earlier_run_is_gone_and_its_folders_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that is not declared as output keeps what is in it."""
    monkeypatch.chdir(tmp_path)
    for name in ("old.txt", "declared/file", "other/file", "old.log"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("old")
    prepare(
        command(
            output=("old.txt", "declared", "other", "new/deep/file"), directories=("declared",), log=("old.log", "l/g")
        )
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["l", "new", "other"]
    assert (tmp_path / "new/deep").is_dir()
    assert (tmp_path / "other/file").read_text() == "old"


def test_missing_input_keeps_a_command_from_running(tmp_path: Path) -> None:
    """It is named."""
    with pytest.raises(CannotRun, match=r"missing input after 0 seconds: .*gone\.txt"):
        prepare(command(input=(str(tmp_path / "gone.txt"),)))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
def test_protected_output_is_never_replaced(tmp_path: Path) -> None:
    """As in Snakemake."""
    kept = tmp_path / "kept"
    kept.touch(0o444)
    with pytest.raises(CannotRun, match="write-protected output"):
        prepare(command(output=(str(kept),)))
    assert kept.exists()


def test_without_the_resource_tmpdir_the_jobs_own_folder_stays(tmp_path: Path) -> None:
    """And with it all four names say the same."""
    given = {"TMPDIR": str(tmp_path), "TEMP": "/elsewhere"}
    assert environment_of(command(has_tmpdir=False), given)["TEMP"] == "/elsewhere"
    found = environment_of(command(threads=3), given)
    assert {found[name] for name in ("TMPDIR", "TMP", "TEMPDIR", "TEMP")} == {str(tmp_path)}
    assert found["MKL_NUM_THREADS"] == "3"


@pytest.mark.parametrize(
    ("fields", "code", "said"),
    [
        ({}, 0, "hello\n"),
        ({"command": "exit 9"}, 9, ""),
        ({"executable": "/no/such/sh"}, 0, "hello\n"),
        ({"executable": "/no/such/shell-at-all"}, 1, "this node has no /no/such/shell-at-all"),
        ({"input": ("gone",)}, 1, "missing input"),
    ],
)
def test_a_command_runs_or_says_why_not(fields: dict[str, object], code: int, said: str, tmp_path: Path) -> None:
    """In its log, with its own exit code; a shell is found where this node has it."""
    log = tmp_path / "log"
    opened = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        pid = run_directly(command(**fields), opened)
    finally:
        os.close(opened)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == code
    assert said in log.read_text()


def test_secrets_that_the_workflow_sets_need_its_snakefile_on_the_node() -> None:
    """Those that it was started with are kept from every job alike."""
    code = (
        "import os; from snakemake_executor_plugin_hpccompose.shell_commands import sets_secrets as s;"
        "print(s(os.environ)); os.environ['PLAIN'] = 'x'; print(s(os.environ)); os.environ['MY_TOKEN'] = 'b'; print(s(os.environ))"
    )
    environment = {"PATH": os.defpath, "MY_TOKEN": "a"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False", "True"]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("cp {input[0]} {output.copied} {{literal}}", {"input", "output"}),
        ("echo {config[a][b]:>{width}} {params.x:q}", {"config", "width", "params"}),
        ("true", set()),
    ],
)
def test_the_names_of_a_command(text: str, names: set[str]) -> None:
    """Before the first dot or bracket, also in formats."""
    assert names_in(text) == names
