"""What the shell offers while a person types."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest

from compose_core.cli import live_values
from compose_core.cli.completions import SHELLS
from compose_core.cli.main import every_command, run
from tests.core.tracking.world import OTHER_TOKEN, World

COMPOSE = """
x-slurm: {artifacts: {bundles: {plots: [a], models: [b]}}}
services:
  web: {}
  trainer: {}
  "two words": {}
  "$(touch pwned)": {}
  "-rf": {}
"""


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Job 7 runs, job 12 is an array of three tasks."""
    world = World(tmp_path)
    world.write_state()
    world.add("12", OTHER_TOKEN, name="sweep\x1b[2J", array={"spec": "0-2"}, services=("solver",))
    os.utime(world.project.job_record("7").path, (1, 1))
    (world.project.project_dir / "compose.yaml").write_text(COMPOSE)
    return world


def offered(world: World, *words: str, shell: str = "bash") -> list[str]:
    """The values offered for the last word; nothing may be said about anything else."""
    done = subprocess.run(
        [sys.executable, "-m", "compose_core"],
        cwd=world.project.project_dir,
        env={
            **os.environ,
            "_HPCC_COMPLETE": f"{shell}_complete",
            "COMP_WORDS": shlex.join(["hpcc", *words]),
            "COMP_CWORD": str(len(words)),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.stderr == ""
    if shell == "bash":
        return [line.partition(",")[2] for line in done.stdout.splitlines() if line]
    return done.stdout.splitlines()


def test_commands_are_offered_without_importing_one(world: World) -> None:
    """As they begin."""
    assert offered(world, "statu") == ["status"]
    assert {"up", "jobs", "completions"} <= set(offered(world, ""))


@pytest.mark.parametrize("words", [("status", "--job-id"), ("down",), ("monitor", "--job"), ("diff", "7")])
def test_jobs_are_offered_the_newest_first(world: World, words: tuple[str, ...]) -> None:
    """Wherever a job can be named."""
    assert offered(world, *words, "") == ["12", "7"]
    assert offered(world, *words, "1") == ["12"]
    assert offered(world, *words, "12_") == ["12_0", "12_1", "12_2"]


def test_zsh_shows_name_and_state_beside_a_job(world: World) -> None:
    """Without what would move its cursor."""
    assert offered(world, "status", "--job-id", "", shell="zsh") == [
        *("plain", "12", "sweep (array)"),
        *("plain", "7", "hello (RUNNING)"),
    ]


def test_services_are_those_of_the_file_or_of_the_job(world: World) -> None:
    """Only what a shell takes as it is: neither blanks nor anything that it would run."""
    assert offered(world, "inspect", "--service", "") == ["web", "trainer"]
    assert offered(world, "logs", "--job-id", "12", "--service", "") == ["solver"]
    assert offered(world, "logs", "-f", "other.yaml", "--service", "") == ["solver"]
    assert offered(world, "artifacts", "--bundle", "") == ["default", "plots", "models"]


BROKEN: dict[str, Any] = {
    "no mapping": b"[1, 2]\n",
    "no text": b"\xff\xfe\x00",
    "deep": b"[" * 100_000,
    "bomb": b"a: &a [x,x]\n" + b"".join(b"%c: &%c [*%c,*%c]\n" % (n + 1, n + 1, n, n) for n in range(97, 120)),
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_file_offers_what_the_newest_job_had(world: World, content: bytes) -> None:
    """And says nothing."""
    (world.project.project_dir / "compose.yaml").write_bytes(content)
    assert offered(world, "logs", "--service", "") == ["solver"]


def test_sweeps_are_offered_the_newest_first(world: World) -> None:
    """Their folders alone are looked at."""
    for number, name in enumerate(["sweep-1", "sweep-2", "$(x)"]):
        folder = world.project.sweeps.path / name
        folder.mkdir(parents=True)
        os.utime(folder, (number + 1, number + 1))
    (world.project.sweeps.path / "latest.json").write_text("{}")
    assert offered(world, "sweep", "status", "--sweep-id", "") == ["sweep-2", "sweep-1"]
    assert offered(world, "monitor", "--sweep", "sweep-1") == ["sweep-1"]


def test_a_half_typed_file_offers_what_stands_before_the_fault(world: World) -> None:
    """A person writes the file in one window and types in another."""
    text = "services:\n  web: {image: x, services: {not: 1}}\n  [1]: 2\n  db: &d {a: *x}\n  last: {image: [\n  never: 1"
    (world.project.project_dir / "compose.yaml").write_text(text)
    assert offered(world, "logs", "--service", "") == ["web", "db", "last"]


def test_broken_records_offer_less_and_break_nothing(world: World) -> None:
    """Whatever lies in the folder."""
    jobs = world.project.jobs.path
    (jobs / "7.json").write_text('{"name": 3, "submission_token": [], "array": 7')
    (jobs / "99.json").mkdir()
    (jobs / "$(x).json").write_text("{}")
    (jobs / "13.json").symlink_to("/etc/passwd")
    assert {"12", "7"} <= set(offered(world, "status", "--job-id", "")) <= {"12", "7", "99", "13"}
    assert offered(world, "status", "--job-id", "99_") == []
    shutil.rmtree(jobs)
    assert offered(world, "status", "--job-id", "") == []


def test_a_command_line_that_means_nothing_is_met_with_silence(world: World) -> None:
    """A person has not finished typing."""
    assert offered(world, "nosuch", "--job-id", "") == []
    assert offered(world, "status", "--nosuch", "") is not None


def test_every_parameter_that_names_something_live_offers_it() -> None:
    """Also in commands to come."""
    wanted = {"job_id", "job", "jobs", "services", "service", "bundles", "left", "right", "sweep_id"}
    lacking = [
        f"{name} {parameter.name}"
        for name, command in every_command().items()
        for parameter in command.params
        if parameter.name in wanted
        and (name, parameter.name) != ("sweep submit", "sweep_id")
        and not _has_live_values(parameter)
    ]
    assert not lacking


def _has_live_values(parameter: click.Parameter) -> bool:
    given = vars(parameter).get("_custom_shell_complete")
    return getattr(given, "__module__", "") == live_values.__name__ or parameter.type.name != "text"


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_is_one_that_the_shell_accepts(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`eval` it, and nothing is said."""
    assert run(["completions", shell]) == 0
    script = capsys.readouterr().out
    assert "_HPCC_COMPLETE" in script
    assert run(["completions", shell, "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["script"] == script
    if not shutil.which(shell):
        pytest.skip(f"no {shell} here")
    done = subprocess.run([shell, "-n"], input=script, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def in_shell(world: World, shell: str, commands: str) -> str:
    """What the shell prints, with our `hpcc` first on the PATH and the script loaded."""
    if not shutil.which(shell):
        pytest.skip(f"no {shell} here")
    folder = world.root / "bin"
    folder.mkdir(exist_ok=True)
    program = folder / "hpcc"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m compose_core "$@"\n')
    program.chmod(0o755)
    done = subprocess.run(
        [shell, "-c", commands],
        cwd=world.project.project_dir,
        env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "HOME": str(world.root), "TERM": "dumb"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )
    return done.stdout


def test_bash_completes_jobs_and_services(world: World) -> None:
    """By the function that the script registers."""
    call = 'COMPREPLY=(); COMP_WORDS=(hpcc {}); COMP_CWORD={}; _hpcc_completion hpcc; echo "${{COMPREPLY[*]}}"'
    lines = in_shell(
        world,
        "bash",
        'eval "$(hpcc completions bash)"; complete -p hpcc; '
        + call.format('status --job-id ""', 3)
        + "; "
        + call.format("logs --service tr", 3),
    ).splitlines()
    assert lines == ["complete -o nosort -F _hpcc_completion hpcc", "12 7", "trainer"]


def test_fish_completes_jobs_and_services(world: World) -> None:
    """With name and state beside a job."""
    text = in_shell(
        world,
        "fish",
        'hpcc completions fish | source; complete -C "hpcc status --job-id "; complete -C "hpcc logs --service tr"',
    )
    assert sorted(text.splitlines()) == ["12\tsweep (array)", "7\thello (RUNNING)", "trainer"]


def test_zsh_completes_jobs_and_services(world: World) -> None:
    """A person presses Tab: the only job that begins with 1 is filled in."""
    typed = r"""
    zmodload zsh/zpty
    zpty shell zsh -f -i
    zpty -w shell 'autoload -Uz compinit; compinit -u -D; eval "$(hpcc completions zsh)"; PS1=; echo rea""dy'
    zpty -r shell line '*ready*'
    zpty -w -n shell $'hpcc logs --job-id 1\t--service so\t'
    zpty -r shell line '*12*solver*'
    print -r -- "$line"
    """
    assert "solver" in in_shell(world, "zsh", typed)
