"""Empty environments that wheels are installed into, as somebody else would."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

_LEFT_OUT = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "HPC_COMPOSE_USE_ENGINE")


@dataclass(frozen=True)
class Environment:
    """One virtual environment, and an empty home folder for what runs in it."""

    folder: Path

    @property
    def bin(self) -> Path:
        """Where its programs are."""
        return self.folder / "venv" / "bin"

    @property
    def home(self) -> Path:
        """The home folder and working folder of its programs."""
        return self.folder / "home"

    def run(self, program: str, *arguments: str, cwd: Path | None = None) -> str:
        """The standard output of one of its programs, which has to end with 0."""
        return succeeded([str(self.bin / program), *arguments], cwd=cwd or self.home, environment=self.variables())

    def variables(self) -> dict[str, str]:
        """As of a person who has only this environment."""
        kept = {name: value for name, value in os.environ.items() if name not in _LEFT_OUT}
        path = f"{self.bin}{os.pathsep}{kept.get('PATH', os.defpath)}"
        return {**kept, "PATH": path, "HOME": str(self.home), "AIRFLOW_HOME": str(self.home / "airflow")}

    def distributions(self) -> dict[str, str]:
        """Name (as pip writes it) to version of everything installed."""
        listed = succeeded(["uv", "pip", "list", "--format=json", "--python", str(self.bin / "python")])
        return {row["name"]: row["version"] for row in json.loads(listed)}


def environment(folder: Path, interpreter: str, *requirements: str) -> Environment:
    """A new one, with these and what they ask for."""
    made = Environment(folder)
    made.home.mkdir(parents=True)
    succeeded(["uv", "venv", "--quiet", "--python", interpreter, str(folder / "venv")])
    succeeded(["uv", "pip", "install", "--quiet", "--python", str(made.bin / "python"), *requirements])
    return made


def succeeded(argv: list[str], *, cwd: Path | None = None, environment: dict[str, str] | None = None) -> str:
    """What the program says on stdout; anything but exit status 0 fails the test with all it said."""
    done = subprocess.run(
        argv, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL, cwd=cwd, env=environment
    )
    assert done.returncode == 0, f"{' '.join(argv)}: {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout
