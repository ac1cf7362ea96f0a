"""One cluster seen through its tools, real or fake, for tests that hold the fake to the real one."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from compose_core.cluster.runner import OUTPUT_CAP, Finished, HostRunner, RunOutcome
from compose_core.testing import Ending, FakeCluster
from tests.slurm.bench import SlurmBench

TOOL_ENVIRONMENT = {"SLURM_TIME_FORMAT": "%s", "TZ": "UTC", "LC_ALL": "C", "SLURM_BITSTR_LEN": "0"}
UNKNOWN = "999999"
DEADLINE_S = 30.0


class World(Protocol):
    """A cluster, a folder, and enough to bring about a situation."""

    folder: Path
    user: str
    uid: int

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float = 60.0,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        stdin: bytes | None = None,
        output_cap: int = OUTPUT_CAP,
    ) -> RunOutcome:
        """Run one tool."""
        ...

    def pass_time(self, seconds: float) -> None:
        """Let time pass."""
        ...

    def stop_controller(self) -> None: ...
    def freeze_controller(self) -> None: ...
    def start_controller(self) -> None: ...
    def stop_accounting(self) -> None: ...
    def start_accounting(self) -> None: ...


class FakeWorld:
    """The fake cluster; what a script would do is read from its text (`exit 17`, `sleep 600`, `kill -9 $$`)."""

    def __init__(self, cluster: FakeCluster, folder: Path) -> None:
        self.cluster = cluster
        self.folder = folder
        self.user = cluster.user
        self.uid = cluster.uid

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float = 60.0,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        stdin: bytes | None = None,
        output_cap: int = OUTPUT_CAP,
    ) -> RunOutcome:
        script = (stdin or b"").decode("utf-8", "replace") + "".join(map(_text_of, argv[1:]))
        self.cluster.ending = _ending(script)
        return self.cluster.run(
            argv, timeout_s=timeout_s, env=env or TOOL_ENVIRONMENT, cwd=cwd or self.folder, stdin=stdin
        )

    def pass_time(self, seconds: float) -> None:
        self.cluster.clock.advance(seconds)

    def stop_controller(self) -> None:
        self.cluster.stop_controller()

    def freeze_controller(self) -> None:
        self.cluster.freeze_controller()

    def start_controller(self) -> None:
        self.cluster.start_controller()

    def stop_accounting(self) -> None:
        self.cluster.stop_accounting()

    def start_accounting(self) -> None:
        self.cluster.start_accounting()


class RealWorld:
    """A private cluster of real daemons."""

    user = "root"
    uid = 0

    def __init__(self, bench: SlurmBench, folder: Path) -> None:
        self._bench = bench
        self._runner = HostRunner(bench.environment)
        self._frozen = False
        self.folder = folder

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float = 60.0,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        stdin: bytes | None = None,
        output_cap: int = OUTPUT_CAP,
    ) -> RunOutcome:
        environment = {**(TOOL_ENVIRONMENT if env is None else env), **self._bench.environment}
        return self._runner.run(
            argv, timeout_s=timeout_s, env=environment, cwd=cwd or self.folder, stdin=stdin, output_cap=output_cap
        )

    def pass_time(self, seconds: float) -> None:
        time.sleep(seconds)

    def stop_controller(self) -> None:
        self._bench.kill_controller()

    def freeze_controller(self) -> None:
        self._frozen = True
        self._bench.freeze_controller()

    def start_controller(self) -> None:
        if self._frozen:
            self._frozen = False
            self._bench.thaw_controller()
        else:
            self._bench.start_controller()

    def stop_accounting(self) -> None:
        self._bench.stop_database()

    def start_accounting(self) -> None:
        self._bench.start_database()


def _text_of(word: str) -> str:
    try:
        return Path(word).read_text(encoding="utf-8", errors="replace") if word.startswith("/") else ""
    except OSError:
        return ""


def _ending(script: str) -> Ending:
    if match := re.search(r"^exit (\d+)", script, re.MULTILINE):
        return Ending(after_s=0.1, exit_code=int(match[1]))
    if match := re.search(r"^kill -(\d+) ", script, re.MULTILINE):
        return Ending(after_s=0.1, signal=int(match[1]))
    if match := re.search(r"^sleep (\d+)", script, re.MULTILINE):
        return Ending(after_s=float(match[1]))
    return Ending(after_s=0.1)


class Tools:
    """A world with the few calls that every test makes."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._scripts = 0

    def run(self, *argv: str, stdin: bytes | None = None) -> Finished:
        outcome = self.world.run(argv, stdin=stdin)
        assert isinstance(outcome, Finished), outcome
        return outcome

    def script(self, text: str | bytes) -> str:
        self._scripts += 1
        path = self.world.folder / f"script-{self._scripts}.sh"
        path.write_bytes(text if isinstance(text, bytes) else f"#!/bin/bash\n{text}\n".encode())
        return str(path)

    def submit(self, text: str, *options: str) -> str:
        answer = self.run("sbatch", "--parsable", "--output=/dev/null", *options, self.script(text))
        assert answer.rc == 0, answer
        return answer.stdout.strip()

    def cell(self, job_id: str, field: str) -> str:
        """One field of squeue; empty when there is no row."""
        answer = self.run("squeue", "--noheader", "--states=all", f"--jobs={job_id},{UNKNOWN}", f"--format={field}")
        assert answer.rc == 0, answer
        return answer.stdout.partition("\n")[0]

    def accounted(self, job_id: str, field: str) -> str:
        """One field of sacct, of the allocation; empty when there is no row."""
        answer = self.run("sacct", "-X", "-n", "-P", "-S", "2020-01-01T00:00:00", "-j", job_id, "-o", field)
        assert answer.rc == 0, answer
        return answer.stdout.partition("\n")[0]

    def wait_for(self, job_id: str, *states: str) -> None:
        self._poll(lambda: self.cell(job_id, "%T") in states, f"{job_id} to be {states}")

    def wait_for_accounting(self, job_id: str, *states: str) -> None:
        """Until the accounting has caught up with the end of the job."""

        def caught_up() -> bool:
            return (
                self.accounted(job_id, "State").split(" ")[0] in states and self.accounted(job_id, "SubmitLine") != ""
            )

        self._poll(caught_up, f"the accounting to call {job_id} {states}")

    def _poll(self, reached: object, what: str) -> None:
        assert callable(reached)
        waited_s = 0.0
        while not reached():
            assert waited_s < DEADLINE_S, f"waited in vain for {what}"
            self.world.pass_time(0.1)
            waited_s += 0.1
