"""A private Postgres for a bench, from Debian's package, run by an unprivileged user."""

from __future__ import annotations

import os
import pwd
import secrets
import signal
import subprocess
import time
from pathlib import Path

from tests.slurm.bench_end import BenchError

_PROGRAMS = Path("/usr/lib/postgresql")
_USER = "bench"
_FAST = (
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "listen_addresses=127.0.0.1",
    "max_connections=200",
)
"""A database that is thrown away needs no care for power cuts."""


def postgres_folder() -> Path | None:
    """Where the newest installed server's programs are; None: there is none."""
    found = [path.parent for path in _PROGRAMS.glob("*/bin/initdb")]
    return max(found, key=lambda folder: int(folder.parent.name), default=None)


class PostgresBench:
    """A database server in a folder, on a port of the loopback interface, with a password nobody else knows."""

    def __init__(self, folder: Path, port: int) -> None:
        self._folder = folder
        self._port = port
        self._password = secrets.token_hex(16)
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """As SQLAlchemy takes it."""
        return f"postgresql+psycopg2://{_USER}:{self._password}@127.0.0.1:{self._port}/postgres"

    def start(self, log: Path) -> subprocess.Popen[bytes]:
        """Create the database and serve it.

        Raises: BenchError: the server did not come up.
        """
        programs = postgres_folder()
        if programs is None:
            raise BenchError("Postgres is not installed")
        self._folder.mkdir(mode=0o700)
        password_file = self._folder / "password"
        password_file.write_text(self._password)
        owner = _unprivileged()
        if owner is not None:
            for path in (self._folder, password_file):
                os.chown(path, owner.pw_uid, owner.pw_gid)
        data = str(self._folder / "data")
        initdb = [str(programs / "initdb"), f"--pgdata={data}", "--auth=scram-sha-256", f"--username={_USER}"]
        self._run([*initdb, f"--pwfile={password_file}", "--no-sync", "--encoding=UTF8"], owner)
        options = [word for setting in _FAST for word in ("-c", setting)]
        argv = [str(programs / "postgres"), "-D", data, "-p", str(self._port), "-k", str(self._folder), *options]
        uid, gid, groups = _ids(owner)
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                start_new_session=True,
                user=uid,
                group=gid,
                extra_groups=groups,
            )
        self._wait_until_it_answers(programs)
        return self.process

    def query(self, sql: str) -> list[list[str]]:
        """The rows of a query, each value as text."""
        programs = postgres_folder()
        assert programs is not None
        argv = [str(programs / "psql"), "-h", "127.0.0.1", "-p", str(self._port), "-U", _USER, "-At", "-F", "\x1f"]
        done = subprocess.run(
            [*argv, "-d", "postgres", "-c", sql],
            env={**os.environ, "PGPASSWORD": self._password},
            check=True,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=60,
        )
        return [line.split("\x1f") for line in done.stdout.splitlines()]

    def _run(self, argv: list[str], owner: pwd.struct_passwd | None) -> None:
        uid, gid, groups = _ids(owner)
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            user=uid,
            group=gid,
            extra_groups=groups,
        )
        if done.returncode != 0:
            raise BenchError(f"{argv[0]} ended with {done.returncode}: {done.stderr}")

    def _wait_until_it_answers(self, programs: Path) -> None:
        ready = [str(programs / "pg_isready"), "-h", "127.0.0.1", "-p", str(self._port), "-q"]
        deadline = time.monotonic() + 30
        assert self.process is not None
        while subprocess.run(ready, check=False, stdin=subprocess.DEVNULL).returncode != 0:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise BenchError("Postgres does not answer")
            time.sleep(0.05)


def end_postgres(pid: int) -> None:
    """Immediate shutdown: a killed server would leave its shared memory segment on the host."""
    try:
        os.kill(pid, signal.SIGQUIT)
    except ProcessLookupError:
        return


def _unprivileged() -> pwd.struct_passwd | None:
    """The server refuses root; any other user may run it as itself."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")


def _ids(owner: pwd.struct_passwd | None) -> tuple[int | None, int | None, list[int] | None]:
    return (None, None, None) if owner is None else (owner.pw_uid, owner.pw_gid, [])
