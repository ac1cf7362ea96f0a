"""A cache, a plan and an `enroot` of a few lines that notes what it was asked."""

from __future__ import annotations

import json
import os
import socket
import struct
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from compose_core.clock import SystemClock
from compose_core.cluster.container_tools import ContainerTools
from compose_core.plan import Plan, PlanContext, build_plan
from compose_core.prepare.make_ready import ImageMaker, Progress
from compose_core.records.paths import CachePaths
from compose_core.spec import load_spec

ENROOT = """#!{python} -IS
import json, os, pathlib, struct, sys, time
world, words = pathlib.Path({world!r}), sys.argv[1:]
with open(world / "asked.jsonl", "a") as log:
    log.write(json.dumps({{"argv": words, "token": os.environ.get("MY_TOKEN"), "pid": os.getpid()}}) + "\\n")
trouble = world / ("trouble-" + words[0])
if trouble.exists():
    sys.exit(trouble.read_text().strip())
if (world / "slow").exists():
    time.sleep(float((world / "slow").read_text()))
data = pathlib.Path(os.environ["ENROOT_DATA_PATH"])
def image(path, content):
    body = content.encode()
    path.write_bytes(b"hsqs" + bytes(36) + struct.pack("<Q", 96 + len(body)) + bytes(48) + body)
if words[0] == "import":
    image(pathlib.Path(words[2]), words[-1])
elif words[0] == "create":
    (data / words[2]).mkdir(parents=True)
    (data / words[2] / "content").write_text(pathlib.Path(words[-1]).read_bytes()[96:].decode())
elif words[0] == "start":
    with open(data / words[words.index("--") + 1] / "content", "a") as content:
        content.write("+" + words[-1])
elif words[0] == "export":
    image(pathlib.Path(words[2]), (data / words[-1] / "content").read_text())
"""


class World:
    """Everything of one test below one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.cache_dir = self.home / ".cache" / "hpc-compose"
        self.enroot = folder / "enroot"
        self.enroot.write_text(ENROOT.format(python=sys.executable, world=str(folder)))
        self.enroot.chmod(0o755)
        self.seen: list[Progress] = []

    @property
    def cache(self) -> CachePaths:
        return CachePaths(self.cache_dir)

    def plan(self, services: dict[str, dict[str, Any]], **context: Any) -> Plan:
        """The plan of these services, each with a command."""
        spec = {
            "services": {name: {"command": ["run"], **service} for name, service in services.items()},
        }
        (self.folder / "compose.yaml").write_text(json.dumps(spec))
        return self.planned(**context)

    def planned(self, **context: Any) -> Plan:
        """The plan of the compose file as it stands."""
        found = PlanContext(engine="slurm", home=str(self.home), **context)
        return build_plan(load_spec(self.folder / "compose.yaml", variables={}), found)

    def maker(self, **changes: Any) -> ImageMaker:
        """A maker with this world's enroot."""
        maker = ImageMaker(
            cache=self.cache,
            clock=SystemClock(),
            host=socket.gethostname(),
            environment={"PATH": "/usr/bin:/bin"},
            programs=ContainerTools(enroot=str(self.enroot)),
            on_progress=self.seen.append,
        )
        return replace(maker, **changes)

    def asked(self, *commands: str) -> list[list[str]]:
        """What enroot was asked so far, only these subcommands if any are named."""
        path = self.folder / "asked.jsonl"
        rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        return [row["argv"] for row in rows if not commands or row["argv"][0] in commands]

    def trouble(self, command: str, said: str) -> None:
        """Let this subcommand of enroot fail with these last words."""
        (self.folder / f"trouble-{command}").write_text(said)

    def content(self, path: str) -> str:
        """What the made image holds."""
        return Path(path).read_bytes()[96:].decode()

    def pids(self) -> list[int]:
        """The enroots so far."""
        return [json.loads(line)["pid"] for line in (self.folder / "asked.jsonl").read_text().splitlines()]


def damaged(path: Path, change: Callable[[bytes], bytes]) -> None:
    """Change the content of an image file as a fault of the disk does, without a new time."""
    time = path.stat().st_mtime_ns
    path.write_bytes(change(path.read_bytes()))
    os.utime(path, ns=(time, time))


def squashfs(content: bytes) -> bytes:
    """The least that looks like a squashfs image."""
    return b"hsqs" + bytes(36) + struct.pack("<Q", 96 + len(content)) + bytes(48) + content
