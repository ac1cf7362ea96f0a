"""The same workflows on the same Slurm cluster by this executor and by `snakemake-executor-plugin-slurm`, one after the other.

On the private Slurm cluster of the tests. The peer gets an environment of its own with the same Snakemake; both run with their
default settings and `--jobs` large enough for everything that is ready. Calls of Slurm's programs are counted by stand-ins on PATH,
those that jobs make included. CPU time is that of Snakemake's own process tree plus what the accounting tells of the jobs.

    python benchmarks/snakemake_peer.py [--short 60] [--only short,chain] [--who ours,packed,direct,peer] [--json FILE]
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.slurm.bench import SlurmBench, missing_requirements

PEER = "snakemake-executor-plugin-slurm==2.*"
PROGRAMS = ("sbatch", "squeue", "sacct", "scontrol", "scancel", "sinfo", "srun", "sacctmgr", "sshare")
SIDES = {
    "ours": ("short", "chain", "fan", "group", "restart", "toy"),
    "packed": ("short", "toy"),
    "direct": ("short", "chain", "fan", "restart", "toy"),
    "packed-direct": ("toy",),
    "peer": ("short", "chain", "fan", "group", "restart"),
}
"""Who runs what: of short jobs alone there are enough for packs, and an inner Snakemake is what a group is about."""
STATUS = ("squeue", "sacct", "scontrol")
STAND_IN = """#!/bin/sh
echo {name} >> {log}
# The peer's step inside of jobs drops this variable, and without a file in /etc/slurm its srun finds no cluster.
export SLURM_CONF={conf}
exec {program} "$@"
"""
LIMIT_S = 3600
SHORT = """
rule all:
    input: expand("out/{{i}}", i=range({jobs}))
rule short:
    output: "out/{{i}}"
    shell: "echo {{wildcards.i}} >> ran.log; echo {{wildcards.i}} > {{output}}"
"""
CHAIN = """
rule a:
    output: "a"
    shell: "touch {output}"
rule b:
    input: "a"
    output: "b"
    shell: "touch {output}"
rule c:
    input: "b"
    output: "c"
    shell: "touch {output}"
rule all:
    default_target: True
    input: "c"
    output: "d"
    shell: "touch {output}"
"""
FAN = """
rule joined:
    input: expand("in/{i}", i=range(12))
    output: "joined"
    shell: "cat {input} > {output}"
rule one:
    output: "in/{i}"
    shell: "echo {wildcards.i} > {output}"
"""
GROUP = """
rule all:
    input: expand("g/{i}", i=range(4))
rule g:
    output: "g/{i}"
    group: "together"
    shell: "sleep 10; touch {output}"
"""
RESTART = """
rule all:
    input: expand("r/{i}", i=range(3))
rule r:
    output: "r/{i}"
    shell: "touch begun{wildcards.i}; sleep 90; touch {output}"
"""


@dataclass(frozen=True)
class Figures:
    """One workflow by one executor."""

    scenario: str
    who: str
    ok: bool
    jobs: int
    wall_s: float
    sbatch: int
    status: int
    """Calls of squeue, sacct and scontrol."""
    calls: dict[str, int]
    cpu_s: float
    """Of Snakemake's own process tree."""
    cpu_in_jobs_s: float
    memory_mib: float
    """The most that Snakemake's own process had."""

    @property
    def cpu_per_job_s(self) -> float:
        """Snakemake and jobs together."""
        return (self.cpu_s + self.cpu_in_jobs_s) / self.jobs


@dataclass(frozen=True)
class Side:
    """One executor: the Python that has it, and its name."""

    who: str
    python: str
    options: tuple[str, ...]


class Course:
    """The cluster with its counting stand-ins."""

    def __init__(self, bench: SlurmBench) -> None:
        self.bench = bench
        self.folder = Path(tempfile.mkdtemp(prefix="peer-", dir=bench.shared_dir))
        self.calls = self.folder / "calls"
        self.programs = self.folder / "bin"
        self.programs.mkdir()
        for name in PROGRAMS:
            self._stand_in(name)

    def _stand_in(self, name: str) -> None:
        program = shutil.which(name, path=self.bench.environment["PATH"])
        if program is None:
            return
        path = self.programs / name
        path.write_text(
            STAND_IN.format(name=name, log=self.calls, program=program, conf=self.bench.environment["SLURM_CONF"])
        )
        path.chmod(0o755)

    def environment(self, side: Side, folder: Path) -> dict[str, str]:
        """As a user has it, without traces of this process."""
        inner = {
            name: value for name, value in os.environ.items() if not name.startswith(("SLURM_", "PYTHON", "HPCC_"))
        }
        path = os.pathsep.join([str(self.programs), str(Path(side.python).parent), self.bench.environment["PATH"]])
        home = {"HOME": str(folder), "XDG_CACHE_HOME": str(folder / "cache"), "XDG_STATE_HOME": str(folder / "state")}
        return {**inner, **self.bench.environment, **home, "PATH": path}

    def measure(self, scenario: str, side: Side, snakefile: str, jobs: int, drive: Callable[[Run], bool]) -> Figures:
        """Run it to its end, and what it took."""
        folder = Path(tempfile.mkdtemp(prefix=f"{scenario}-{side.who}-", dir=self.folder))
        (folder / "Snakefile").write_text(snakefile)
        self.calls.write_text("")
        first_job = self._last_job() + 1
        before = os.times()
        begin = time.monotonic()
        run = Run(side, folder, self.environment(side, folder))
        ok = drive(run)
        wall_s = time.monotonic() - begin
        after = os.times()
        if not ok:
            print((folder / "run.log").read_text(errors="replace")[-3000:], file=sys.stderr)
        calls = Counter(self.calls.read_text().split())
        self.bench.cancel_all_jobs(timeout=120)
        return Figures(
            scenario=scenario,
            who=side.who,
            ok=ok,
            jobs=jobs,
            wall_s=round(wall_s, 1),
            sbatch=calls["sbatch"],
            status=sum(calls[name] for name in STATUS),
            calls=dict(calls),
            cpu_s=round(after.children_user + after.children_system - before.children_user - before.children_system, 1),
            cpu_in_jobs_s=round(self._cpu_of_jobs(first_job), 1),
            memory_mib=round(run.peak_kib[-1] / 1024, 1),
        )

    def _last_job(self) -> int:
        rows = self._accounting("JobIDRaw")
        return max((int(row) for row in rows if row.isdigit()), default=0)

    def _cpu_of_jobs(self, first: int) -> float:
        """TotalCPU of all steps since that job, once the accounting has heard how each of them ended."""
        deadline = time.monotonic() + 90
        while True:
            rows = [row.split("|") for row in self._accounting("JobIDRaw,State,TotalCPU")]
            mine = [(job, state, cpu) for job, state, cpu in rows if int(job.partition(".")[0]) >= first]
            steps = {
                job.partition(".")[0]
                for job, state, _ in mine
                if job.endswith(".batch") and state not in ("RUNNING", "PENDING")
            }
            if steps >= {job for job, _, _ in mine if "." not in job} or time.monotonic() > deadline:
                return sum(cpu_seconds(cpu) for job, _, cpu in mine if "." in job)
            time.sleep(2)

    def _accounting(self, columns: str) -> list[str]:
        done = self.bench.run(
            ["sacct", "--noheader", "--parsable2", "--starttime=now-1day", f"--format={columns}"], timeout=60
        )
        return done.stdout.splitlines()


def cpu_seconds(text: str) -> float:
    """`01:02.345`, `01:02:03`, `1-02:03:04`.  Source: sacct(1), TotalCPU."""
    days, _, rest = text.rpartition("-")
    total = 0.0
    for part in rest.split(":"):
        total = total * 60 + float(part or 0)
    return total + 86400 * int(days or 0)


@dataclass(frozen=True)
class Run:
    """One Snakemake in its folder."""

    side: Side
    folder: Path
    environment: dict[str, str]
    peak_kib: list[int] = field(default_factory=list)

    def start(self, *more: str) -> subprocess.Popen[bytes]:
        """Its output in `run.log`."""
        argv = [self.side.python, "-m", "snakemake", *self.side.options, "--jobs", "1000"]
        argv += ["--default-resources", "mem_mb=100", "runtime=10", "slurm_partition=debug", *more]
        with (self.folder / "run.log").open("ab") as log:
            return subprocess.Popen(
                argv,
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def to_the_end(self, *more: str) -> bool:
        """True: it ended well within the limit."""
        process = self.start(*more)
        deadline = time.monotonic() + LIMIT_S
        while time.monotonic() < deadline:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                self.peak_kib.append(usage.ru_maxrss)
                process.returncode = os.waitstatus_to_exitcode(status)
                return process.returncode == 0
            time.sleep(0.2)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        self.peak_kib.append(0)
        return False

    def each_once(self, jobs: int) -> bool:
        """Every short job ran once, and left what it should."""
        if not self.to_the_end():
            return False
        numbers = [str(number) for number in range(jobs)]
        ran = (self.folder / "ran.log").read_text().split()
        return sorted(ran) == sorted(numbers) and all(
            (self.folder / "out" / number).read_text() == f"{number}\n" for number in numbers
        )

    def killed_and_restarted(self) -> bool:
        """kill -9 when all three jobs run, then the same command again."""
        process = self.start()
        deadline = time.monotonic() + 300
        while not all((self.folder / f"begun{number}").exists() for number in range(3)):
            if time.monotonic() > deadline:
                break
            time.sleep(0.2)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        subprocess.run(
            [self.side.python, "-m", "snakemake", "--unlock"],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            check=False,
        )
        return self.to_the_end("--rerun-incomplete")


def scenarios(short: int, toy: int) -> dict[str, tuple[str, int, Callable[[Run], bool]]]:
    """Workflow, jobs, and how it is driven."""
    return {
        "short": (SHORT.format(jobs=short), short, lambda run: run.each_once(short)),
        "toy": (SHORT.format(jobs=toy), toy, lambda run: run.each_once(toy)),
        "chain": (CHAIN, 4, lambda run: run.to_the_end()),
        "fan": (FAN, 13, lambda run: run.to_the_end()),
        "group": (GROUP, 4, lambda run: run.to_the_end("--group-components", "together=4")),
        "restart": (RESTART, 3, lambda run: run.killed_and_restarted()),
    }


def peer_environment(folder: Path) -> str:
    """The Python of an environment with the peer and the Snakemake of this one, made there if there is none yet."""
    from importlib.metadata import version

    python = folder / "bin/python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
        uv = shutil.which("uv") or str(Path(sys.executable).parent / "uv")
        argv = [uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", str(python)]
        subprocess.run([*argv, PEER, f"snakemake=={version('snakemake')}"], check=True)
    return str(python)


def table(rows: list[Figures]) -> str:
    """One line per workflow and executor."""
    lines = [
        f"{'workflow':<10}{'executor':<14}{'ok':<5}{'wall s':>8}{'sbatch':>8}{'status':>8}{'all calls':>11}{'CPU s/job':>11}"
        f"{'MiB':>7}"
    ]
    for row in rows:
        calls = sum(row.calls.values())
        lines.append(
            f"{row.scenario:<10}{row.who:<14}{'yes' if row.ok else 'NO':<5}{row.wall_s:>8.1f}{row.sbatch:>8}{row.status:>8}"
            f"{calls:>11}{row.cpu_per_job_s:>11.2f}{row.memory_mib:>7.0f}"
        )
    return "\n".join(lines)


def main() -> int:
    """0 also where there is nothing to measure with."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--short", type=int, default=60, help="jobs of the workflow of short jobs (default 60)")
    parser.add_argument("--toy", type=int, default=2000, help="jobs of the large workflow of short jobs (default 2000)")
    parser.add_argument(
        "--only",
        default="short,chain,fan,group,restart",
        help="workflows, by commas: short, chain, fan, group, restart, toy",
    )
    parser.add_argument("--who", default="ours,packed,direct,peer", help=f"by commas: {', '.join(SIDES)}")
    parser.add_argument(
        "--pack", type=int, default=20, help="short jobs that share a task in the packed run (default 20)"
    )
    parser.add_argument(
        "--peer-environment", type=Path, help="keep the peer's environment here, where all nodes see it"
    )
    parser.add_argument("--json", type=Path, help="write the figures here too")
    asked = parser.parse_args()
    missing = missing_requirements()
    if (
        importlib.util.find_spec("snakemake") is None
        or importlib.util.find_spec("snakemake_executor_plugin_hpccompose") is None
    ):
        missing = ["snakemake with this executor", *missing]
    if missing:
        print(f"snakemake_peer: skipped, needs {', '.join(missing)}")
        return 0
    rows = measure(asked)
    if asked.json:
        asked.json.write_text(json.dumps([asdict(row) for row in rows], indent=1))
    print(table(rows))
    return 0 if all(row.ok for row in rows) else 1


def side(name: str, asked: argparse.Namespace, course: Course) -> Side:
    """The executor of that name; the peer's environment lies where all nodes see it."""
    if name == "peer":
        return Side(name, peer_environment(asked.peer_environment or course.folder / "peer"), ("--executor", "slurm"))
    pack = ("--hpccompose-pack", str(asked.pack)) if "packed" in name else ()
    direct = ("--hpccompose-runner", "direct") if "direct" in name else ()
    return Side(name, sys.executable, ("--executor", "hpccompose", *pack, *direct))


def measure(asked: argparse.Namespace) -> list[Figures]:
    """All that was asked for, on one cluster."""
    who, only = asked.who.split(","), asked.only.split(",")
    rows: list[Figures] = []
    with contextlib.ExitStack() as stack:
        bench = stack.enter_context(SlurmBench(nodes=2))
        course = Course(bench)
        sides = [side(name, asked, course) for name in who]
        for scenario, (snakefile, jobs, drive) in scenarios(asked.short, asked.toy).items():
            for one in sides:
                if scenario in only and scenario in SIDES[one.who]:
                    rows.append(course.measure(scenario, one, snakefile, jobs, drive))
                    print(table(rows[-1:]).splitlines()[1], file=sys.stderr, flush=True)
    return rows


if __name__ == "__main__":
    sys.exit(main())
