"""Keys that are held as text are files only while `ssh` runs."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from compose_core.cluster.openssh import OpenSshTarget
from compose_core.cluster.openssh_keys import KeyedRunner, KeyTexts
from compose_core.cluster.runner import OUTPUT_CAP, Finished, RunOutcome

TEXTS = KeyTexts(private_key="PRIVATE\n", known_host="login ssh-ed25519 AAAA\n")


class Ssh:
    """Stands for `ssh`: reads the files that it is named, and may fail."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.files: dict[Path, tuple[str, int]] = {}
        self.sockets: list[str] = []

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
        options = dict(word.split("=", 1) for word in argv if "=" in word and word[0].isupper())
        self.sockets.append(options["ControlPath"])
        for name in (options["IdentityFile"], options["UserKnownHostsFile"].split()[-1]):
            path = Path(name)
            self.files[path] = (path.read_text(), path.stat().st_mode & 0o777)
        if self.error is not None:
            raise self.error
        return Finished(argv=tuple(argv), rc=0, stdout="", stderr="hpcc-ssh: begin\nhpcc-ssh: end 0\n")


def runner(ssh: Ssh, folder: Path, texts: KeyTexts = TEXTS) -> KeyedRunner:
    return KeyedRunner(OpenSshTarget(host="login"), texts, runner=ssh, control_dir=folder)


def test_the_keys_are_private_files_and_gone_after_the_call(tmp_path: Path) -> None:
    """A worker's process ends without tidying up: what were to go with it would stay."""
    ssh = Ssh()
    assert isinstance(runner(ssh, tmp_path).run(["true"], timeout_s=5), Finished)
    assert sorted(ssh.files.values()) == [(TEXTS.private_key, 0o600), (TEXTS.known_host, 0o600)]
    assert not any(path.parent.exists() for path in ssh.files)


def test_they_are_gone_when_the_call_fails(tmp_path: Path) -> None:
    ssh = Ssh(OSError("no more processes"))
    with pytest.raises(OSError, match="no more"):
        runner(ssh, tmp_path).run(["true"], timeout_s=5)
    assert not any(path.parent.exists() for path in ssh.files)


def test_calls_share_one_connection_though_the_files_are_new_ones(tmp_path: Path) -> None:
    """It is named after the keys and not after where they lie."""
    ssh = Ssh()
    same = runner(ssh, tmp_path)
    same.run(["true"], timeout_s=5)
    same.run(["true"], timeout_s=5)
    runner(ssh, tmp_path, KeyTexts(private_key="OTHER\n", known_host=TEXTS.known_host)).run(["true"], timeout_s=5)
    assert ssh.sockets[0] == ssh.sockets[1] != ssh.sockets[2]


def test_a_private_key_is_in_no_repr() -> None:
    """Which is what logs show."""
    assert "PRIVATE" not in repr(TEXTS)


def test_without_key_texts_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that is killed leaves no folder behind then."""

    def made(**_: object) -> None:
        raise AssertionError("a folder was made")

    monkeypatch.setattr(tempfile, "TemporaryDirectory", made)
    key = tmp_path / "id"
    key.write_text("PRIVATE\n")
    target = OpenSshTarget(host="login", identity_file=key, known_hosts=(key,))
    ssh = Ssh()
    KeyedRunner(target, KeyTexts(), runner=ssh, control_dir=tmp_path).run(["true"], timeout_s=5)
    assert list(ssh.files) == [key]
