"""What stands around a service's command in its container: a real shell runs it."""

from __future__ import annotations

import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from compose_core.plan.around import IN_CONTAINER, wrapped_command
from compose_core.plan.model import literal, shown
from compose_core.spec.models import Service, ServiceSlurm, StepScript
from tests.core.supervisor.world import until

SHELLS = [name for name in ("dash", "bash", "busybox") if shutil.which(name)]


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> list[str]:
    """A shell that an image may have as /bin/sh."""
    return ["busybox", "sh"] if request.param == "busybox" else [request.param]


def around(shell: list[str], before: str, after: str, *command: str) -> list[str]:
    """The arguments that run the command between two scripts."""
    return [*shell, "-c", IN_CONTAINER, "hpc-compose", before, after, *command]


def outcome(argv: list[str]) -> tuple[int, str]:
    """Exit status and output."""
    done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)
    return done.returncode, done.stdout


def test_the_command_stays_byte_exact_between_its_scripts(shell: list[str]) -> None:
    words = ["", " a  b ", "'\"$HOME`id`", "\n-n", "*", "\\"]
    argv = around(shell, "echo before", "echo after $HPC_COMPOSE_SERVICE_EXIT_CODE", "printf", "[%s]", *words)
    assert outcome(argv) == (0, "before\n" + "".join(f"[{word}]" for word in words) + "after 0\n")


@pytest.mark.parametrize(
    ("before", "command", "after", "expected"),
    [
        ("true", "exit 7", "echo after", (7, "after\n")),
        ("true", "exit 0", "exit 5", (5, "")),
        ("true", "exit 7", "exit 5", (7, "")),
        ("exit 3", "echo never", "echo never", (3, "")),
        ("exit 3", "echo never", "", (3, "")),
        ("true", "exit 9", "", (9, "")),
        ("", "exit 127", "true", (127, "")),
        ("", "kill -KILL $$", "true", (137, "")),
    ],
)
def test_the_status_is_the_commands_or_that_of_the_script_that_failed(
    shell: list[str], before: str, command: str, after: str, expected: tuple[int, str]
) -> None:
    assert outcome(around(shell, before, after, "sh", "-c", command)) == expected


def test_without_an_epilogue_the_command_takes_the_place_of_the_shell(shell: list[str]) -> None:
    code, text = outcome(["sh", "-c", 'echo $$; exec "$@"', "sh", *around(shell, "true", "", "sh", "-c", "echo $$")])
    assert code == 0
    assert len(set(text.split())) == 1


@pytest.mark.parametrize("name", ["SIGTERM", "SIGUSR1"])
def test_a_signal_for_the_task_reaches_the_command_and_its_status_comes_back(
    shell: list[str], name: str, tmp_path: Path
) -> None:
    """And the epilogue runs all the same."""
    command = f"trap 'exit 41' {name[3:]}; echo up > {tmp_path}/up; while :; do sleep 0.05; done"
    process = subprocess.Popen(
        around(shell, "true", "echo after $HPC_COMPOSE_SERVICE_EXIT_CODE", "sh", "-c", command),
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    until((tmp_path / "up").exists)
    process.send_signal(getattr(signal, name))
    output, _ = process.communicate(timeout=20)
    assert (process.returncode, output) == (41, "after 41\n")


def test_a_command_that_a_signal_ends_has_the_shells_status(shell: list[str], tmp_path: Path) -> None:
    command = f"echo up > {tmp_path}/up; exec sleep 60"
    process = subprocess.Popen(around(shell, "true", "true", "sh", "-c", command), start_new_session=True)
    until((tmp_path / "up").exists)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 143


def test_a_command_without_scripts_is_left_alone() -> None:
    """A script for the batch host is none of the container's business either."""
    command = (literal("a"), literal("b"))
    host = Service(x_slurm=ServiceSlurm(prologue=StepScript(script="x")))
    assert wrapped_command(host, command) == wrapped_command(Service(), command) == command


def test_placeholders_are_filled_in_and_nothing_else() -> None:
    slurm = ServiceSlurm(epilogue=StepScript(script="curl @{web.host} $HOME", context="container"))
    words = [shown(word) for word in wrapped_command(Service(x_slurm=slurm), (literal("run"),))]
    assert words == ["/bin/sh", "-c", IN_CONTAINER, "hpc-compose", "", "curl ${HPC_COMPOSE_WEB_HOST} $HOME", "run"]
