#!/usr/bin/env python3
"""A private Airflow on this host, for tests: the four real components and a real Postgres, a temporary folder, free ports, gone afterwards.

    python tests/airflow/airflow_bench.py up --dir DIR       # start one that outlives this command
    eval "$(python tests/airflow/airflow_bench.py env --dir DIR)"   # AIRFLOW_HOME and all settings; the web page is $AIRFLOW__API__BASE_URL
    python tests/airflow/airflow_bench.py down --dir DIR

It inherits the environment of its start, so where that talks to a Slurm bench, the tasks do. DAG files go to `$AIRFLOW_HOME/dags`.
"""

from __future__ import annotations

import json
import os
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType

if __package__ in {None, ""}:  # run as a script
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.airflow.airflow_client import AirflowClient
from tests.airflow.airflow_database import PostgresBench, end_postgres, postgres_folder
from tests.slurm.bench_end import STATE_FILE, BenchError
from tests.slurm.bench_host import Ports
from tests.slurm.bench_processes import descendants, kill_all, orphans_in, processes_of, start_time

__all__ = ["AirflowBench", "BenchError", "missing_requirements"]

COMPONENTS = ("api-server", "scheduler", "dag-processor", "triggerer")


def missing_requirements() -> list[str]:
    """What this host lacks to run a bench, in words; empty when it can."""
    missing = [] if postgres_folder() else ["Postgres (Debian's package postgresql)"]
    if shutil.which("airflow", path=str(Path(sys.executable).parent)) is None:
        missing.append("Airflow beside this Python")
    return missing


class AirflowBench:
    """A running private Airflow: a context manager, healthy within a minute and stopped without a trace.

    LocalExecutor, every visitor an administrator, short intervals everywhere. Its processes carry the bench's folder in their
    environment, which is how the last of them is found.
    """

    def __init__(
        self,
        *,
        environment: Mapping[str, str] | None = None,
        dags: Iterable[Path] = (),
        parallelism: int = 4,
        detached: bool = False,
    ) -> None:
        """Options only; `start` (or `with`) does the work.

        `environment`: added to what every component inherits. `dags`: files copied into the DAG folder before the start.
        `detached`: it outlives this process. Otherwise a guard process stops it when this process dies, however it dies.
        """
        self._added = dict(environment or {})
        self._dags = list(dags)
        self._parallelism = parallelism
        self._detached = detached
        self._ports = Ports()
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._guard: subprocess.Popen[bytes] | None = None
        self._root: Path | None = None
        self._environment: dict[str, str] = {}
        self._database: PostgresBench | None = None
        self.startup_s: dict[str, float] = {}
        """Seconds since the start at which each part was up."""

    # -- life -------------------------------------------------------------------------------------------------------

    def __enter__(self) -> AirflowBench:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> AirflowBench:
        """Start everything and wait until all components are healthy.

        Raises: BenchError: with the end of the logs; nothing is left running.
        """
        missing = missing_requirements()
        if missing:
            raise BenchError(f"an Airflow bench needs: {', '.join(missing)}")
        began = time.monotonic()
        try:
            self._prepare_folder()
            self._start_database()
            self.startup_s["database"] = round(time.monotonic() - began, 1)
            self.airflow("db", "migrate")
            self.startup_s["migrated"] = round(time.monotonic() - began, 1)
            for component in COMPONENTS:
                self.start_component(component)
            self.wait_until_healthy()
            self.startup_s["healthy"] = round(time.monotonic() - began, 1)
        except BaseException as error:
            logs = self.log_tails()
            self.stop()
            if isinstance(error, BenchError):
                raise BenchError(f"{error}\n{logs}") from error
            raise
        return self

    def stop(self) -> None:
        """End everything that belongs to this bench and remove its folder; safe to call twice."""
        if self._root is not None:
            tear_down(self._root)
            for process in self._processes.values():
                process.wait()
            self._processes.clear()
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
    def home(self) -> Path:
        """AIRFLOW_HOME; its `dags` is the DAG folder."""
        return self.root / "home"

    @property
    def environment(self) -> dict[str, str]:
        """The whole environment of its components."""
        return dict(self._environment)

    @property
    def settings(self) -> dict[str, str]:
        """What it sets on top of the environment it was started in."""
        return {name: value for name, value in self._environment.items() if os.environ.get(name) != value}

    @property
    def url(self) -> str:
        """The web page, and below `/api/v2` the API."""
        return self._environment["AIRFLOW__API__BASE_URL"]

    @property
    def client(self) -> AirflowClient:
        return AirflowClient(self.url)

    @property
    def database(self) -> PostgresBench:
        assert self._database is not None
        return self._database

    def airflow(self, *arguments: str, timeout: float = 180.0, check: bool = True) -> subprocess.CompletedProcess[str]:
        """`airflow …`; each call costs five seconds of imports.

        Raises: BenchError: it failed, unless `check` is off.
        """
        done = subprocess.run(
            [*_AIRFLOW, *arguments],
            env=self._environment,
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if check and done.returncode != 0:
            raise BenchError(f"airflow {shlex.join(arguments)}: {done.returncode}: {done.stderr[-2000:]}")
        return done

    def wait_until_healthy(self, timeout: float = 180.0) -> None:
        """All four components beat."""

        def look() -> bool | None:
            for name, process in self._processes.items():
                if process.poll() is not None:
                    raise SystemError(f"{name} ended with {process.returncode}")
            health = self.client.request("GET", "/monitor/health")
            return all(part["status"] == "healthy" for part in health.values()) or None

        try:
            self.client.wait(look, timeout, what=lambda: "a healthy Airflow")
        except SystemError as error:
            raise BenchError(str(error)) from None

    def wait_for_dags(self, *dag_ids: str, timeout: float = 90.0) -> None:
        """The DAG processor has read them.

        Raises: BenchError: with the import errors that Airflow shows.
        """

        def errors() -> str:
            found = self.client.request("GET", "/importErrors")["import_errors"]
            return f"DAGs {', '.join(dag_ids)}; import errors: {[error['stack_trace'][-800:] for error in found]}"

        def look() -> bool | None:
            known = {dag["dag_id"] for dag in self.client.request("GET", "/dags?limit=1000")["dags"]}
            return True if known.issuperset(dag_ids) else None

        self.client.wait(look, timeout, what=errors)

    def log_tails(self, lines: int = 15) -> str:
        """The last lines of every component's output."""
        if self._root is None:
            return ""
        parts = []
        for log in sorted((self._root / "log").glob("*")):
            tail = log.read_text(errors="replace").splitlines()[-lines:]
            parts += ["\n".join([f"--- {log.name}", *tail])] if tail else []
        return "\n".join(parts)

    # -- levers -----------------------------------------------------------------------------------------------------

    def start_component(self, component: str, *options: str, name: str = "") -> None:
        """Start one of `COMPONENTS`; `name` tells a second one of its kind from the first."""
        self._start(name or component, [*_AIRFLOW, component, *options])

    def kill_component(self, name: str) -> None:
        """It crashes, with all its processes."""
        self._signal(name, signal.SIGKILL)
        self._processes.pop(name).wait()
        self._write_state()

    def stop_component(self, name: str, timeout: float = 60.0) -> None:
        """It ends in good order."""
        process = self._processes[name]
        process.terminate()
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise BenchError(f"{name} does not end") from None
        self.kill_component(name)

    def freeze_component(self, name: str) -> None:
        """It stops, as on a host that swaps; others think that it is dead."""
        self._signal(name, signal.SIGSTOP)

    def thaw_component(self, name: str) -> None:
        self._signal(name, signal.SIGCONT)

    def processes_of_component(self, name: str) -> list[int]:
        """Its pids, from the first process down."""
        pid = self._processes[name].pid
        return [pid, *descendants(pid)]

    # -- starting ---------------------------------------------------------------------------------------------------

    def _prepare_folder(self) -> None:
        self._root = root = Path(tempfile.mkdtemp(prefix="hpcca-", dir="/tmp")).resolve()
        root.chmod(0o711)  # the database's user reaches its own folder in here, and lists nothing
        self._write_state()
        if not self._detached:
            self._guard = subprocess.Popen(
                [sys.executable, __file__, "guard", "--dir", str(root)],
                stdin=subprocess.PIPE,
                start_new_session=True,
                cwd="/",
                env={name: value for name, value in os.environ.items() if str(root) not in value},
            )
        for folder in ("home", "log"):
            (root / folder).mkdir(mode=0o700)
        (self.home / "dags").mkdir()
        for dag in self._dags:
            shutil.copy(dag, self.home / "dags")

    def _start_database(self) -> None:
        port, *others = self._ports.take(4)
        self._database = PostgresBench(self.root / "db", port)
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")},
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
            **_settings(self.home, self._database.url, others, self._parallelism),
            **self._added,
        }
        self._processes["postgres"] = self._database.start(self.root / "log" / "postgres.log")
        self._write_state()

    def _start(self, name: str, argv: list[str]) -> None:
        with (self.root / "log" / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
                cwd=self.home,
                start_new_session=True,
            )
        self._write_state()

    def _signal(self, name: str, number: signal.Signals) -> None:
        for pid in self.processes_of_component(name):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue

    def _write_state(self) -> None:
        root = self.root
        pids = {
            name: {"pid": process.pid, "started": start_time(process.pid)} for name, process in self._processes.items()
        }
        temporary = root / f"{STATE_FILE}.new"
        temporary.write_text(json.dumps({"root": str(root), "pids": pids, "environment": self.settings}))
        temporary.chmod(0o600)
        temporary.replace(root / STATE_FILE)


_AIRFLOW = [sys.executable, "-m", "airflow"]


def _settings(home: Path, database_url: str, ports: list[int], parallelism: int) -> dict[str, str]:
    """Airflow's configuration: private, quick, without examples."""
    api, worker_logs, trigger_logs = ports
    url = f"http://127.0.0.1:{api}"
    return {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": str(parallelism),
        "AIRFLOW__CORE__FERNET_KEY": urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database_url,
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(api),
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(worker_logs),
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(trigger_logs),
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "5",
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "30",
        "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "2",
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.5",
        "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "2",
        "AIRFLOW__TRIGGERER__ON_KILL_TIMEOUT": "120",
        "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "10",
    }


def tear_down(root: Path) -> None:
    """Kill what belongs to the bench until nothing does, then remove its folder."""
    record = json.loads((root / STATE_FILE).read_text())
    alive = {
        name: int(entry["pid"])
        for name, entry in record["pids"].items()
        if entry["started"] is not None and start_time(int(entry["pid"])) == entry["started"]
    }
    database = alive.pop("postgres", None)
    kill_all([pid for top in alive.values() for pid in (top, *descendants(top))])
    if database is not None:
        end_postgres(database)
        _wait_until(lambda: start_time(database) is None, within_s=10)
    for _ in range(20):
        stray = [*processes_of(root), *orphans_in(root)]
        if not stray:
            break
        kill_all(stray)
    shutil.rmtree(root)


def _wait_until(reached: Callable[[], bool], within_s: float) -> None:
    deadline = time.monotonic() + within_s
    while not reached() and time.monotonic() < deadline:
        time.sleep(0.02)


if __name__ == "__main__":
    from tests.airflow.airflow_bench_command import main

    sys.exit(main())
