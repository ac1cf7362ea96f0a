#!/usr/bin/env python3
"""A private Slurm cluster on this host, for tests: real daemons, a temporary folder, free ports, gone afterwards.

    python tests/slurm/bench.py up --dir DIR          # start one that outlives this command
    eval "$(python tests/slurm/bench.py env --dir DIR)"
    python tests/slurm/bench.py down --dir DIR
    python tests/slurm/bench.py run -- sbatch --wrap hostname

Each node is a slurmd in mount, UTS and pid namespaces of its own (own hostname, /tmp, /run, /dev/shm, pids); the network
is shared. Where namespaces are not permitted, all slurmds run under the host's name.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

if __package__ in {None, ""}:  # run as a script
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.slurm.bench_config import (
    Layout,
    cgroup_conf,
    gres_conf,
    hosts_file,
    mysql_cnf,
    slurm_conf,
    slurmdbd_conf,
)
from tests.slurm.bench_end import STATE_FILE, BenchError, tear_down
from tests.slurm.bench_host import (
    FREEZER,
    MOUNT_FREEZER,
    NAMESPACES,
    SYSTEM_PATH,
    Ports,
    freezer_works,
    in_cgroup,
    make_gpu_files,
    missing_requirements,
    namespaces_work,
    outer_environment,
    remove_cgroups,
)
from tests.slurm.bench_processes import command_line, descendants, inner_pid, kill_all, processes_of, start_time

__all__ = ["BenchError", "SlurmBench", "missing_requirements"]

_PRIVATE_FOLDERS = (Path("/tmp"), Path("/run"), Path("/dev/shm"))
_ACTIVE_STATES = "PENDING,CONFIGURING,RUNNING,COMPLETING,SUSPENDED,STOPPED,SIGNALING,STAGE_OUT"
_NODE_VARIABLE = "SLURM_BENCH_NODE"


class SlurmBench:
    """A running private cluster: a context manager, up within seconds and stopped without a trace.

    Nodes are `node1`…, each with 8 CPUs, 16 GB and 2 GPUs (declared, not real); partitions are `debug` (default, all nodes),
    `gpu` (the last two) and `preempt` (all, low priority, requeued). Jobs run as root.
    """

    def __init__(
        self,
        *,
        accounting: bool = True,
        nodes: int = 4,
        kill_wait_s: int = 5,
        min_job_age_s: int = 300,
        max_array_size: int = 1001,
        message_timeout_s: int = 10,
        slurmd_timeout_s: int = 60,
        over_memory_kill: bool = False,
        first_job_id: int = 1001,
        namespaces: bool | None = None,
        detached: bool = False,
    ) -> None:
        """Options only; `start` (or `with`) does the work.

        `over_memory_kill`: steps that use more memory than they asked for are killed, as far as that goes without cgroups.
        `namespaces`: whether each node gets its own; None finds out whether that is possible here.
        `detached`: it outlives this process. Otherwise a guard process stops it when this process dies, however it dies.
        """
        self.accounting = accounting
        self.node_names = [f"node{number}" for number in range(1, nodes + 1)]
        self._settings = {
            "kill_wait_s": kill_wait_s,
            "min_job_age_s": min_job_age_s,
            "max_array_size": max_array_size,
            "message_timeout_s": message_timeout_s,
            "slurmd_timeout_s": slurmd_timeout_s,
        }
        self._over_memory_kill = over_memory_kill
        self._first_job_id = first_job_id
        self._detached = detached
        self._ports = Ports()
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}
        self._guard: subprocess.Popen[bytes] | None = None
        self._root: Path | None = None
        self._layout: Layout | None = None
        self._wants_namespaces = namespaces
        self.namespaces = False
        """Whether every node has a hostname, /tmp, /run, /dev/shm and pids of its own."""
        self.tracks_daemonised_processes = False
        """Whether a process that left its session and parent is still killed with its job, as on real clusters."""
        self.startup_s: dict[str, float] = {}
        """Seconds since the start at which each part was up."""

    # -- life -------------------------------------------------------------------------------------------------------

    def __enter__(self) -> SlurmBench:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> SlurmBench:
        """Start every daemon and wait until all nodes are idle.

        Raises: BenchError: with the end of the daemons' logs; nothing is left running.
        """
        missing = missing_requirements(accounting=self.accounting)
        if missing:
            raise BenchError(f"a Slurm bench needs: {', '.join(missing)}")
        began = time.monotonic()

        def reached(part: str) -> None:
            self.startup_s[part] = round(time.monotonic() - began, 2)

        try:
            self._prepare_folder()
            self._start_munge()
            reached("munge")
            if self.accounting:
                self._install_database()
                self.start_database()
                reached("database")
                self._add_accounts()
                reached("accounts")
            self._start_controller_once()
            for name in self.node_names:
                self._start_slurmd(name)
            self._wait_until_controller_answers()
            reached("controller")
            self.wait_for(self._all_nodes_idle, timeout=30, what="all nodes idle")
            reached("nodes")
        except BaseException as error:
            logs = self.log_tails()
            self.stop()
            if isinstance(error, BenchError):
                raise BenchError(f"{error}\n{logs}") from error
            raise
        return self

    def stop(self) -> None:
        """Kill everything that belongs to this bench and remove its folder; safe to call twice."""
        if self._root is not None:
            for daemon in self._daemons.values():
                daemon.kill()
            tear_down(self._root, [daemon.pid for daemon in self._daemons.values()])
            for daemon in self._daemons.values():
                daemon.wait()
            self._daemons.clear()
            self._root = None
        if self._guard is not None:
            assert self._guard.stdin is not None
            self._guard.stdin.close()
            self._guard.wait()
            self._guard = None
        self._ports.release()

    # -- what tests use ---------------------------------------------------------------------------------------------

    @property
    def root(self) -> Path:
        """The folder of everything the bench is made of; gone after `stop`."""
        if self._root is None:
            raise BenchError("the bench is not running")
        return self._root

    @property
    def layout(self) -> Layout:
        if self._layout is None:
            raise BenchError("the bench is not running")
        return self._layout

    @property
    def shared_dir(self) -> Path:
        """A folder that this host and all nodes see as the same; `/tmp` is private to each node."""
        return self.root / "shared"

    @property
    def environment(self) -> dict[str, str]:
        """What a command needs in its environment to talk to this cluster."""
        path = [entry for entry in os.environ.get("PATH", "").split(os.pathsep) if entry]
        path += [entry for entry in SYSTEM_PATH if entry not in path]
        return {"SLURM_CONF": str(self.layout.slurm_conf), "PATH": os.pathsep.join(path)}

    def run(
        self,
        argv: Sequence[str],
        timeout: float = 60.0,
        *,
        check: bool = False,
        cwd: Path | None = None,
        environment: Mapping[str, str] | None = None,
        stdin: str = "",
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as this cluster's user would, in `shared_dir`; it inherits nothing of an outer Slurm job."""
        done = subprocess.run(
            list(argv),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            cwd=cwd or self.shared_dir,
            env={**outer_environment(), **self.environment, **(environment or {})},
        )
        if check and done.returncode != 0:
            raise BenchError(f"{shlex.join(argv)}: exit code {done.returncode}: {done.stderr.strip()}")
        return done

    def submit(self, script: str, *options: str) -> str:
        """Submit a batch script (a shebang is added when there is none) and give its job id; output goes to `shared_dir`."""
        text = script if script.startswith("#!") else f"#!/bin/bash\n{script}\n"
        return self.run(["sbatch", "--parsable", *options], stdin=text, check=True).stdout.strip().split(";")[0]

    def job(self, job_id: str) -> dict[str, str]:
        """The fields of `scontrol show job`; of the first task of an array; empty when slurmctld knows no such job."""
        done = self.run(["scontrol", "--oneliner", "show", "job", job_id])
        if "Invalid job id" in done.stderr:
            return {}
        if done.returncode != 0:
            raise BenchError(f"scontrol show job {job_id}: {done.stderr.strip()}")
        fields = (word.partition("=") for word in done.stdout.partition("\n")[0].split(" ") if "=" in word)
        return {name: value for name, _, value in fields}

    def wait_for(self, predicate: Callable[[], bool], timeout: float = 30.0, *, what: str = "the condition") -> None:
        """Poll until the predicate is true.

        Raises: BenchError: it was not, in that time.
        """
        deadline = time.monotonic() + timeout
        while not predicate():
            if time.monotonic() > deadline:
                raise BenchError(f"waited {timeout:g} s in vain for {what}")
            time.sleep(0.05)

    def wait_for_state(self, job_id: str, states: str | Iterable[str], timeout: float = 30.0) -> str:
        """Wait until slurmctld says that the job is in one of these states, and give that state."""
        wanted = {states} if isinstance(states, str) else set(states)
        seen = ""

        def reached() -> bool:
            nonlocal seen
            seen = self.job(job_id).get("JobState", "unknown")
            return seen in wanted

        try:
            self.wait_for(reached, timeout)
        except BenchError:
            raise BenchError(
                f"job {job_id} is {seen} and not {' or '.join(sorted(wanted))} after {timeout:g} s"
            ) from None
        return seen

    def cancel_all_jobs(self, timeout: float = 30.0) -> None:
        """Cancel every job, with KILL, and wait until none is left: an empty cluster for the next test."""
        jobs = self._active_jobs()
        if jobs:
            self.run(["scancel", "--signal=KILL", "--full", *jobs])
            self.run(["scancel", *jobs])
        self.wait_for(lambda: not self._active_jobs(), timeout, what="an empty queue")

    # -- levers -----------------------------------------------------------------------------------------------------

    def freeze_controller(self) -> None:
        """slurmctld stops answering, with its connections accepted: an overloaded controller."""
        os.kill(self._daemons["slurmctld"].pid, signal.SIGSTOP)

    def thaw_controller(self) -> None:
        os.kill(self._daemons["slurmctld"].pid, signal.SIGCONT)

    def kill_controller(self) -> None:
        """slurmctld crashes: jobs go on; what it had not saved yet is lost, so a job that just started may start twice."""
        self._kill_daemon("slurmctld")

    def stop_controller(self) -> None:
        """slurmctld ends in good order, with everything saved; jobs go on."""
        daemon = self._daemons["slurmctld"]
        daemon.terminate()
        daemon.wait(30)
        self._kill_daemon("slurmctld")

    def save_job(self, job_id: str) -> None:
        """Make slurmctld save what it knows now, this job included: the start of a job alone is no reason for it.

        Source: 22.05; a job that the backfill scheduler started was still saved as pending minutes later.
        """
        asked = time.time()
        saved = self.root / "state/job_state"
        self.run(["scontrol", "update", f"JobId={job_id}", f"TimeLimit={self.job(job_id)['TimeLimit']}"], check=True)
        self.wait_for(lambda: saved.exists() and saved.stat().st_mtime >= asked, what="slurmctld to save its jobs")

    def start_controller(self) -> None:
        """slurmctld comes back with its saved state."""
        self._start_controller_once()
        self._wait_until_controller_answers()

    def reset_job_ids(self, first: int) -> None:
        """Forget every job and count from `first` again: the next jobs carry ids that were in use before."""
        self.cancel_all_jobs()
        self._kill_daemon("slurmctld")
        self._first_job_id = first
        self._write_slurm_conf()
        shutil.rmtree(self.root / "state")  # even with -c, slurmctld goes on counting from the last saved id
        (self.root / "state").mkdir()
        self._start_controller_once("-c")
        self._wait_until_controller_answers()
        self.wait_for(self._all_nodes_idle, timeout=60, what="all nodes idle after the reset")

    def stop_database(self) -> None:
        """slurmdbd and its database crash: sacct fails, slurmctld keeps its messages."""
        self._kill_daemon("slurmdbd")
        self._kill_daemon("mariadbd")

    def start_database(self) -> None:
        """slurmdbd answers (again)."""
        layout = self.layout
        self._start_daemon("mariadbd", ["mariadbd", f"--defaults-file={layout.root}/etc/mysql.cnf"])
        self._wait_for_daemon("mariadbd", layout.mysql_socket.exists)
        self._start_daemon(
            "slurmdbd", self._on_controller(["slurmdbd", "-D"]), MYSQL_UNIX_PORT=str(layout.mysql_socket)
        )
        self._wait_for_daemon("slurmdbd", lambda: _listens(layout.database_port))

    def kill_node(self, name: str, *, mark_down: bool = False) -> None:
        """The node loses power: its slurmd and all its processes are gone.

        slurmctld notices after `slurmd_timeout_s`; `mark_down` tells it at once, so that its jobs become NODE_FAIL.
        """
        doomed = [pid for pid, _ in self.node_processes(name)]
        self._kill_daemon(f"slurmd-{name}")
        kill_all(doomed)
        if mark_down:
            self.run(["scontrol", "update", f"nodename={name}", "state=DOWN", "reason=killed"], check=True)

    def start_node(self, name: str) -> None:
        """The node boots; it is idle when slurmctld has heard of it."""
        self._start_slurmd(name)
        self.wait_for(
            lambda: self.node_state(name) in ("idle", "mixed", "allocated"), 60, what=f"{name} back in service"
        )

    def node_state(self, name: str) -> str:
        """As sinfo names it, e.g. `idle`, `mixed`, `down*`."""
        return self.run(["sinfo", "--noheader", "--nodes", name, "--format=%T", "--partition=debug"]).stdout.strip()

    def node_processes(self, name: str) -> list[tuple[int, str]]:
        """The processes of a node with their pids on this host and command lines: slurmd, its steps, and the jobs'."""
        daemon = self._daemons.get(f"slurmd-{name}")
        if daemon is None:
            return []
        if self.namespaces:
            return [(pid, command_line(pid)) for pid in descendants(daemon.pid)]
        # Without namespaces a slurmstepd is no child of its slurmd, but it inherits this variable from it.
        own = processes_of(self.root, mark=f"{_NODE_VARIABLE}={self.root}/{name}")
        return [(pid, command_line(pid)) for pid in {*own, *(below for pid in own for below in descendants(pid))}]

    def host_pid(self, name: str, pid: int) -> int:
        """The pid on this host of a process that calls itself `pid` on its node.

        Raises: BenchError: there is no such process.
        """
        if not self.namespaces:
            return pid
        for outer, _ in self.node_processes(name):
            if inner_pid(outer) == pid:
                return outer
        raise BenchError(f"no process {pid} on {name}")

    def log_tails(self, lines: int = 15) -> str:
        """The last lines of every daemon's log."""
        if self._root is None:
            return ""
        parts = []
        for log in sorted((self._root / "log").glob("*")):
            tail = log.read_text(errors="replace").splitlines()[-lines:]
            if tail:
                parts.append("\n".join([f"--- {log.name}", *tail]))
        return "\n".join(parts)

    # -- starting ---------------------------------------------------------------------------------------------------

    def _prepare_folder(self) -> None:
        # Not pytest's folder: the sockets in here must stay shorter than 108 bytes.
        self._root = root = Path(tempfile.mkdtemp(prefix="hpccb-", dir="/tmp")).resolve()
        root.chmod(0o755)
        self._write_state()
        if not self._detached:
            self._guard = subprocess.Popen(
                [sys.executable, __file__, "guard", "--dir", str(root)],
                stdin=subprocess.PIPE,
                start_new_session=True,
                cwd="/",
            )
        for folder in ("etc", "run", "log", "state", "spool", "dev", "shared"):
            (root / folder).mkdir()
        (root / "shared").chmod(0o1777)
        self.namespaces = namespaces_work() if self._wants_namespaces is None else self._wants_namespaces
        self.tracks_daemonised_processes = self.namespaces and freezer_works()
        for name in self.node_names:
            (root / "spool" / name).mkdir()
            for private in _PRIVATE_FOLDERS:
                (root / "nodes" / name / private.name).mkdir(parents=True, mode=0o755)
            (root / "nodes" / name / "tmp").chmod(0o1777)
        host = socket.gethostname().partition(".")[0]
        ports = self._ports.take(len(self.node_names) + 2)
        self._layout = Layout(
            root=root,
            controller_host="controller" if self.namespaces else host,
            node_hosts={name: name if self.namespaces else host for name in self.node_names},
            controller_port=ports[0],
            database_port=ports[1] if self.accounting else None,
            node_ports=dict(zip(self.node_names, ports[2:], strict=True)),
            freezer=self.tracks_daemonised_processes,
            gpu_files=make_gpu_files(root / "dev"),
            **self._settings,
            over_memory_kill=self._over_memory_kill,
        )
        self._write_configuration()

    def _write_configuration(self) -> None:
        layout, etc = self.layout, self.root / "etc"
        _write_secret(etc / "munge.key", os.urandom(128))
        (etc / "plugstack.conf").write_text("")
        (etc / "gres.conf").write_text(gres_conf(layout))
        (etc / "hosts").write_text(hosts_file(layout))
        (etc / "cgroup.conf").write_text(cgroup_conf(layout))
        self._write_slurm_conf()
        for name in self.node_names:
            (etc / f"boot-{name}.sh").write_text(self._boot_script(name))
        if self.accounting:
            _write_secret(etc / "slurmdbd.conf", slurmdbd_conf(layout).encode())
            (etc / "mysql.cnf").write_text(mysql_cnf(layout))
            (self.root / "db").mkdir(mode=0o700)
            (self.root / "db/data").mkdir()
            (self.root / "db/tmp").mkdir()

    def _write_slurm_conf(self) -> None:
        self.layout.slurm_conf.write_text(slurm_conf(self.layout, first_job_id=self._first_job_id))

    def _start_munge(self) -> None:
        root, munge_socket = self.root, self.layout.munge_socket
        argv = ["munged", "--foreground", f"--socket={munge_socket}", f"--key-file={root}/etc/munge.key"]
        argv += [f"--pid-file={root}/run/munged.pid", f"--seed-file={root}/run/munged.seed", "--num-threads=2"]
        self._start_daemon("munged", argv)
        self._wait_for_daemon("munged", munge_socket.exists)

    def _install_database(self) -> None:
        argv = ["mariadb-install-db", f"--defaults-file={self.root}/etc/mysql.cnf", "--user=root", "--skip-test-db"]
        self.run([*argv, "--auth-root-authentication-method=normal"], check=True)

    def _add_accounts(self) -> None:
        self.run(["sacctmgr", "-i", "add", "cluster", "bench"], check=True)
        self.run(["sacctmgr", "-i", "add", "account", "lab", "Description=lab", "Organization=lab"], check=True)
        self.run(["sacctmgr", "-i", "add", "user", "root,nobody", "Account=lab"], check=True)

    def _start_controller_once(self, *options: str) -> None:
        self._start_daemon(
            "slurmctld", self._on_controller(["slurmctld", "-D", *options, "-f", str(self.layout.slurm_conf)])
        )
        self._wait_for_daemon("slurmctld", lambda: _listens(self.layout.controller_port))

    def _start_slurmd(self, name: str) -> None:
        boot = ["bash", str(self.root / "etc" / f"boot-{name}.sh")]
        if self.tracks_daemonised_processes:
            cgroup = FREEZER / self.root.name / name
            remove_cgroups(cgroup)
            cgroup.mkdir(parents=True)
            argv = in_cgroup(cgroup, ["unshare", "--cgroup", *NAMESPACES, *boot])
        elif self.namespaces:
            argv = ["unshare", *NAMESPACES, *boot]
        else:
            argv = self._slurmd_argv(name)
        self._start_daemon(f"slurmd-{name}", argv, **{_NODE_VARIABLE: f"{self.root}/{name}"})

    def _slurmd_argv(self, name: str) -> list[str]:
        return ["slurmd", "-D", "-N", name, "-f", str(self.layout.slurm_conf)]

    def _boot_script(self, name: str) -> str:
        """What the first process of a node does: give it folders of its own, start slurmd, reap orphans."""
        node = self.root / "nodes" / name
        lines = ["set -e", f"hostname {name}", f"mount --bind {self.root}/etc/hosts /etc/hosts"]
        private = [folder for folder in _PRIVATE_FOLDERS if not _is_below(folder, self._paths_all_nodes_see())]
        for folder in private:
            source = node / folder.name
            for path in self._paths_all_nodes_see():
                if _is_below(path, [folder]):
                    target = source / path.relative_to(folder)
                    lines += [
                        shlex.join(["mkdir", "-p", str(target)]),
                        shlex.join(["mount", "--bind", str(path), str(target)]),
                    ]
            lines.append(shlex.join(["mount", "--rbind", str(source), str(folder)]))
        if self.tracks_daemonised_processes:
            lines.append(MOUNT_FREEZER)
        lines += [f"{shlex.join(self._slurmd_argv(name))} &", "wait $!"]
        return "\n".join(lines) + "\n"

    def _paths_all_nodes_see(self) -> list[Path]:
        """The bench, the checkout and the Python that runs it, wherever they are: jobs start all of them."""
        checkout = Path(__file__).resolve().parents[2]
        return list(dict.fromkeys([self.root, checkout, Path(sys.prefix).resolve(), Path(sys.base_prefix).resolve()]))

    def _on_controller(self, argv: list[str]) -> list[str]:
        """The command under the controller's hostname; its pid is the daemon's."""
        if not self.namespaces:
            return argv
        return ["unshare", "--uts", "bash", "-c", 'hostname controller && exec "$@"', "controller", *argv]

    def _start_daemon(self, name: str, argv: list[str], **environment: str) -> None:
        env = {
            "PATH": os.pathsep.join(SYSTEM_PATH),
            "LANG": "C.UTF-8",
            "SLURM_CONF": str(self.layout.slurm_conf),
            **environment,
        }
        with (self.root / "log" / f"{name}.out").open("ab") as log:
            self._daemons[name] = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env, cwd="/", start_new_session=True
            )
        self._write_state()

    def _wait_for_daemon(self, name: str, ready: Callable[[], bool]) -> None:
        def ready_or_dead() -> bool:
            code = self._daemons[name].poll()
            if code is not None:
                raise BenchError(f"{name} ended with {code} instead of serving")
            return ready()

        self.wait_for(ready_or_dead, timeout=30, what=f"{name} serving")

    def _kill_daemon(self, name: str) -> None:
        daemon = self._daemons.pop(name, None)
        if daemon is not None:
            daemon.kill()
            daemon.wait()
            self._write_state()
        if name == "mariadbd":
            self.layout.mysql_socket.unlink(missing_ok=True)

    def _wait_until_controller_answers(self) -> None:
        self.wait_for(
            lambda: self.run(["squeue", "--noheader"]).returncode == 0, timeout=30, what="slurmctld answering"
        )

    def _all_nodes_idle(self) -> bool:
        states = self.run(["sinfo", "--noheader", "--Node", "--partition=debug", "--format=%T"]).stdout.split()
        return states == ["idle"] * len(self.node_names)

    def _active_jobs(self) -> list[str]:
        return self.run(["squeue", "--noheader", f"--states={_ACTIVE_STATES}", "--array", "--format=%i"]).stdout.split()

    def _write_state(self) -> None:
        pids = {daemon.pid: start_time(daemon.pid) for daemon in self._daemons.values()}
        record = {"root": str(self.root), "pids": {str(pid): started for pid, started in pids.items()}}
        temporary = self.root / f"{STATE_FILE}.new"
        temporary.write_text(json.dumps(record))
        temporary.replace(self.root / STATE_FILE)


def _listens(port: int | None) -> bool:
    assert port is not None
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _is_below(path: Path, folders: Iterable[Path]) -> bool:
    return any(path == folder or folder in path.parents for folder in folders)


def _write_secret(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


if __name__ == "__main__":
    from tests.slurm.bench_command import main

    sys.exit(main())
