"""Programs on another machine: what `ssh` is told, and what its end says of the program."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from compose_core.cluster.openssh import (
    OpenSshRunner,
    OpenSshTarget,
    connection_name,
    private_control_dir,
    remote_command,
)
from compose_core.cluster.runner import (
    OUTPUT_CAP,
    Finished,
    HostRunner,
    NotFound,
    NotStarted,
    RunOutcome,
    TimedOut,
)
from compose_core.errors import UsageError

NASTY = ["a b", "'", '"', "$HOME", "`id`", "$(id)", ";", "\n", "*", "--", "-oProxyCommand=x", "", "ü"]


class Far:
    """A runner in the place of `ssh`: the remote line is run by a shell here, as sshd runs it there."""

    def __init__(self, outcome: RunOutcome | None = None) -> None:
        self.outcome = outcome
        self.argv: tuple[str, ...] = ()

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        stdin: bytes | None = None,
        output_cap: int = OUTPUT_CAP,
    ) -> RunOutcome:
        self.argv = tuple(argv)
        if self.outcome is not None:
            return self.outcome
        return HostRunner().run(["sh", "-c", argv[-1]], timeout_s=timeout_s, stdin=stdin, output_cap=output_cap)


def runner(far: Far, **target: object) -> OpenSshRunner:
    return OpenSshRunner(target=OpenSshTarget(host="login", **target), runner=far)  # type: ignore[arg-type]


def test_arguments_arrive_as_they_are() -> None:
    """Whatever a value holds, the shell there takes it for one word."""
    outcome = runner(Far()).run(["printf", "%s\\0", *NASTY], timeout_s=10)
    assert isinstance(outcome, Finished)
    assert outcome.stdout.split("\0")[:-1] == NASTY
    assert outcome.stderr == ""


@pytest.mark.parametrize("shell", ["sh", "bash", "zsh", "fish"])
def test_every_login_shell_reads_the_line_alike(shell: str) -> None:
    """People choose their shells; sshd hands the line to that one."""
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    words = ["printf", "%s\\0", *[word for word in NASTY if word != "ü"]]
    said = subprocess.run([shell, "-c", remote_command(words)], capture_output=True, timeout=20, check=True)
    assert said.stdout.decode().split("\0")[:-1] == words[2:]


@pytest.mark.parametrize("status", [0, 1, 127, 255])
def test_a_programs_own_status_is_told_from_a_failure_of_ssh(status: int) -> None:
    """ssh ends with 255 itself when it fails."""
    outcome = runner(Far()).run(["sh", "-c", f"echo oops >&2; exit {status}"], timeout_s=10)
    assert isinstance(outcome, Finished)
    assert (outcome.rc, outcome.stderr) == (status, "oops\n")


def test_a_machine_that_was_not_reached_ran_nothing() -> None:
    said = "ssh: connect to host login port 22: Connection refused\n"
    outcome = runner(Far(Finished(argv=("ssh",), rc=255, stderr=said))).run(["sbatch"], timeout_s=10)
    assert outcome == NotStarted(argv=("sbatch",), message=said.strip())


def test_a_connection_that_broke_leaves_it_open_what_the_program_did() -> None:
    """It began, and nobody saw its end: that is no failure of the program."""
    said = Finished(argv=("ssh",), rc=255, stderr="hpcc-ssh: begin\nclient_loop: send disconnect: Broken pipe\n")
    outcome = runner(Far(said)).run(["sbatch"], timeout_s=10)
    assert isinstance(outcome, TimedOut)
    assert "Broken pipe" in outcome.stderr


def test_a_connection_that_is_never_made_within_the_time_ran_nothing() -> None:
    outcome = runner(Far(TimedOut(argv=("ssh",), timeout_s=1, stderr=""))).run(["sbatch"], timeout_s=1)
    assert isinstance(outcome, NotStarted)


def test_a_machine_without_ssh_says_so() -> None:
    outcome = runner(Far(NotFound(argv=("ssh",), message="ssh was not found"))).run(["sbatch"], timeout_s=1)
    assert isinstance(outcome, NotStarted)
    assert "OpenSSH is not installed here" in outcome.message


def test_folder_and_variables_go_along(tmp_path: Path) -> None:
    folder = tmp_path / "a 'b'"
    folder.mkdir()
    outcome = runner(Far()).run(["sh", "-c", 'pwd; printf %s "$X"'], timeout_s=10, cwd=folder, env={"X": "$1 '"})
    assert isinstance(outcome, Finished)
    assert outcome.stdout == f"{folder}\n$1 '"


def test_host_keys_are_checked_and_nothing_is_asked(tmp_path: Path) -> None:
    far = Far()
    made = OpenSshRunner(
        target=OpenSshTarget(
            host="login", user="ada", port=2222, identity_file=tmp_path / "my key", known_hosts=(tmp_path / "hosts",)
        ),
        runner=far,
        control_dir=tmp_path,
    )
    made.run(["true"], timeout_s=10)
    line = shlex.join(far.argv)
    assert {"StrictHostKeyChecking=yes", "BatchMode=yes", "ControlMaster=auto", "IdentitiesOnly=yes"} <= set(far.argv)
    assert f'IdentityFile="{tmp_path}/my key"' in far.argv
    assert f"UserKnownHostsFile=~/.ssh/known_hosts ~/.ssh/known_hosts2 {tmp_path}/hosts" in far.argv
    assert "-l ada -p 2222 -- login" in line


@pytest.mark.parametrize("host", ["", "-oProxyCommand=x", "a b", "a;b", "$(id)", "ü\n"])
def test_a_host_that_could_be_an_option_or_syntax_is_refused(host: str) -> None:
    with pytest.raises(UsageError):
        OpenSshTarget(host=host)


def test_a_connection_is_shared_only_by_those_with_the_same_keys(tmp_path: Path) -> None:
    """Else a wrong key would work while somebody else's connection is open."""
    key, other = tmp_path / "key", tmp_path / "other"
    key.write_text("one")
    other.write_text("two")
    names = {
        connection_name(OpenSshTarget(host="login")),
        connection_name(OpenSshTarget(host="login", identity_file=key)),
        connection_name(OpenSshTarget(host="login", identity_file=other)),
        connection_name(OpenSshTarget(host="login", identity_file=key, known_hosts=(other,))),
        connection_name(OpenSshTarget(host="login", user="ada")),
    }
    assert len(names) == 5


def test_sockets_lie_in_a_folder_of_the_user_alone(tmp_path: Path) -> None:
    """A folder that others can enter, or one whose path is too long for a socket, is not used."""
    usual = private_control_dir({"XDG_RUNTIME_DIR": str(tmp_path)}) if len(str(tmp_path)) < 50 else None
    open_to_all = tmp_path / "open"
    (open_to_all / "hpcc-ssh").mkdir(parents=True, mode=0o755)
    (open_to_all / "hpcc-ssh").chmod(0o777)
    other = private_control_dir({"XDG_RUNTIME_DIR": str(open_to_all)})
    assert other != open_to_all / "hpcc-ssh"
    assert other.stat().st_mode & 0o077 == 0
    other.rmdir()
    assert usual is None or usual.stat().st_mode & 0o077 == 0
