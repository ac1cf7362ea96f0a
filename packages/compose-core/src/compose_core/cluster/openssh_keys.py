"""Keys that somebody holds as text, for OpenSSH, which reads files only."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from compose_core.cluster.openssh import OpenSshRunner, OpenSshTarget
from compose_core.cluster.runner import OUTPUT_CAP, CommandRunner, RunOutcome


@dataclass(frozen=True, kw_only=True)
class KeyTexts:
    """Keys as text; empty: there is none."""

    private_key: str = field(default="", repr=False)
    known_host: str = ""
    """A line of a known_hosts file."""


class KeyedRunner:
    """Runs programs on the target; the keys are files only while a call needs them.

    Whoever holds such keys may end without tidying up, as a worker's processes do, so files that were to go with the process would stay.
    A shared connection needs no key once it stands.
    """

    def __init__(
        self, target: OpenSshTarget, texts: KeyTexts, *, runner: CommandRunner, control_dir: Path | None = None
    ) -> None:
        """`runner` runs `ssh` here; `control_dir` as of `OpenSshRunner`."""
        self._target = target
        self._texts = texts
        self._runner = runner
        self._control_dir = control_dir

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
        """What became of the program there."""
        with self._target_with_keys() as target:
            reached = OpenSshRunner(target=target, runner=self._runner, control_dir=self._control_dir)
            return reached.run(argv, timeout_s=timeout_s, env=env, cwd=cwd, stdin=stdin, output_cap=output_cap)

    @contextmanager
    def _target_with_keys(self) -> Iterator[OpenSshTarget]:
        if self._texts == KeyTexts():
            yield self._target
            return
        with tempfile.TemporaryDirectory(prefix="hpccompose-") as folder:  # mode 0700
            yield self._with_keys(Path(folder))

    def _with_keys(self, folder: Path) -> OpenSshTarget:
        target = self._target
        if self._texts.private_key:
            target = replace(target, identity_file=_written(folder / "key", self._texts.private_key))
        if self._texts.known_host:
            file = _written(folder / "known_hosts", self._texts.known_host)
            target = replace(target, known_hosts=(*target.known_hosts, file))
        return target


def _written(path: Path, text: str) -> Path:
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
    return path
