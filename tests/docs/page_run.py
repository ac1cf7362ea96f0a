"""One page's blocks as a reader would type them, one after the other, in a folder of their own on the local engine."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

from tests.docs.page_blocks import ROOT, Block

_SAME: tuple[tuple[str, str], ...] = (
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[+-]\d\d:\d\d|Z)?|\d\d/\w{3}/\d{4} \d\d:\d\d:\d\d", "TIME"),
    (r"\b(?:\d+h)?(?:\d+m)?\d+(?:\.\d+)?s\b", "DURATION"),
    (r"\b\d+(?:\.\d+)? (?:[KMG]i?B|B)\b", "SIZE"),
    (r"\b[0-9A-HJKMNP-TV-Z]{26}\b", "TOKEN"),
    (r"\b\d\d:\d\d:\d\d\b", "CLOCK"),
    (r"\(pid \d+\)", "(pid N)"),
    (r"\b\d{5}\b", "PORT"),
    (r"\d+% used", "N% used"),
    (r" {2,}", "  "),
    (r"[ \t]+$", ""),
)
"""What may differ between two runs of one command."""

_PASSING = re.compile(r"scheduler state: (?:PENDING|RUNNING|COMPLETING .*)|[\w-]+: (?:starting|running|ready)")
"""Lines about a moment that a look may miss."""


def programs_without_slurm(folder: Path) -> Path:
    """A folder with this machine's programs but those of Slurm, as on a reader's own machine."""
    folder.mkdir()
    for program in sorted(path for place in ("/usr/local/bin", "/usr/bin", "/bin") for path in Path(place).iterdir()):
        if program.name not in SLURM_PROGRAMS and not (folder / program.name).is_symlink():
            (folder / program.name).symlink_to(program)
    return folder


SLURM_PROGRAMS = ("sacct", "sacctmgr", "salloc", "sbatch", "scancel", "scontrol", "sinfo", "squeue", "srun", "sstat")


class PageRun:
    """The blocks of a page share files, jobs and a home."""

    def __init__(self, place: Path, programs: Path) -> None:
        self.place = place
        self.folder = place / "project"
        self.folder.mkdir(parents=True)
        home = place / "home"
        home.mkdir()
        self.environment = {
            "PATH": f"{Path(sys.executable).parent}:{programs}",
            "LANG": "C.UTF-8",
            "TERM": "dumb",
            "HOME": str(home),
            "XDG_STATE_HOME": str(home / "state"),
            "REPOSITORY": str(ROOT),
            "PYTHONWARNINGS": os.environ.get("PYTHONWARNINGS", ""),
        }

    def take(self, block: Block) -> None:
        """Do what the block asks for.

        Raises: AssertionError: it ends otherwise, or says something else, than the page tells.
        """
        if name := block.marks.get("folder"):
            self.folder = self.place / name
            self.folder.mkdir()
        if before := block.marks.get("before"):
            self._expect(block, before, 0)
        kind = block.info.partition(" ")[0]
        if name := block.marks.get("file", "compose.yaml" if kind == "yaml" and block.info != "yaml part" else ""):
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / name).write_text(block.text, encoding="utf-8")
        elif kind == "bash":
            self._expect(block, block.text, int(block.marks.get("exit", "0")))
        elif kind == "python":
            (self.folder / ".of-the-page.py").write_text(block.text, encoding="utf-8")
            self._expect(block, f"{sys.executable} -W error .of-the-page.py", 0)
        elif kind == "console":
            self._console(block)

    def _console(self, block: Block) -> None:
        statuses = [int(word) for word in block.marks.get("exit", "").split()]
        for number, (command, shown) in enumerate(commands_of(block)):
            said = self._expect(block, command, statuses[number] if number < len(statuses) else 0)
            compare = block.marks.get("compare", "all")
            assert agrees(self._same(shown), self._same(said), compare), (
                f"{block}: $ {command}\nthe page shows\n{self._same(shown)}\nit says\n{self._same(said)}"
            )

    def _expect(self, block: Block, command: str, status: int) -> str:
        done = subprocess.run(
            ["bash", "-eu", "-o", "pipefail", "-c", command],
            cwd=self.folder,
            env={**self.environment, "HPC_COMPOSE_USE_ENGINE": block.marks.get("engine", "auto")},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == status, f"{block}: {command}\nended with {done.returncode}:\n{done.stdout}"
        return done.stdout

    def _same(self, text: str) -> str:
        """The text without what is another one in each run."""
        text = re.sub(r"/home/me/(?:squares|try|project|hello)\b", "FOLDER", text.replace(str(self.folder), "FOLDER"))
        for name in {socket.gethostname(), socket.gethostname().partition(".")[0], "vm"}:
            text = re.sub(rf"\b{re.escape(name)}\b", "HOST", text)
        for pattern, word in _SAME:
            text = re.sub(pattern, word, text, flags=re.MULTILINE)
        return text.strip()

    def end(self) -> None:
        """No job of the page runs on."""
        for folder in sorted(path for path in self.place.iterdir() if (path / ".hpc-compose").is_dir()):
            self.folder = folder
            listed = subprocess.run(
                ["hpcc", "jobs", "--state", "active", "--format", "json"],
                cwd=folder, env=self.environment, capture_output=True, text=True, timeout=60, check=True,
            )  # fmt: skip
            for job in json.loads(listed.stdout)["jobs"]:
                argv = ["hpcc", "cancel", "--job-id", str(job["job_id"])]
                subprocess.run(argv, cwd=folder, env=self.environment, capture_output=True, timeout=60, check=False)


def commands_of(block: Block) -> list[tuple[str, str]]:
    """Each command of a console block, with what is shown below it."""
    found: list[tuple[str, list[str]]] = []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        else:
            assert found, f"{block}: begins with something that nobody typed"
            found[-1][1].append(line)
    return [(command, "\n".join(shown)) for command, shown in found]


def agrees(shown: str, said: str, compare: str) -> bool:
    """Whether the output is what the page shows: `all` of it, with `...` for any lines, or its `lines` in any order among others."""
    if compare == "lines":
        there = said.splitlines()
        wanted = [line for line in shown.splitlines() if line.strip() not in ("", "...")]
        return all(line in there or _PASSING.fullmatch(line) for line in wanted)
    pattern = re.escape(shown)
    pattern = re.sub(r"(?m)^\\\.\\\.\\\.(?:\\\n|\n)?", "(?s:.*)", pattern)
    return re.fullmatch(pattern, said) is not None
