"""Real OCI images in a real registry on loopback, and the programs that run containers: the real ones where they are installed."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

NEEDED = ("docker-registry", "skopeo", "umoci", "mksquashfs", "unsquashfs", "busybox", "unshare")
"""Programs of the bench; `python tests/bench/install_debian.py` brings them."""
HERE = Path(__file__).parent
LOGIN, PASSWORD = "someone", "s3cret-word"
"""What a registry with `wants_login` takes."""
HTPASSWD = "someone:$2b$04$CRUpcpMUUtlN.v7RL19zBOKhHX0GbTFZNYhf6dai5vUH3qVEzc3ne\n"


def missing_programs() -> list[str]:
    """What this machine lacks to run the bench."""
    return [program for program in NEEDED if not shutil.which(program)]


class ContainerBench:
    """A registry with images, and a folder of programs that belongs in front of the PATH."""

    def __init__(self, folder: Path, *, wants_login: bool = False) -> None:
        self.folder = folder
        self._wants_login = wants_login
        self.programs = folder / "bin"
        self.port = _free_port()
        self._registry: subprocess.Popen[bytes] | None = None

    @property
    def registry(self) -> str:
        """`127.0.0.1:PORT`."""
        return f"127.0.0.1:{self.port}"

    @property
    def uses_real_enroot(self) -> bool:
        """The container programs of this machine are used, not the stand-ins."""
        return shutil.which("enroot") is not None

    def up(self) -> None:
        """Start the registry and write the programs."""
        self.programs.mkdir(parents=True)
        for name in () if self.uses_real_enroot else ("enroot", "srun"):
            program = self.programs / name
            program.write_text(f'#!/bin/sh\nexec {sys.executable} -I {HERE / name}.py "$@"\n')
            program.chmod(0o755)
        auth = {}
        if self._wants_login:
            (self.folder / "htpasswd").write_text(HTPASSWD)
            auth = {"auth": {"htpasswd": {"realm": "bench", "path": str(self.folder / "htpasswd")}}}
        configuration = self.folder / "registry.yml"
        configuration.write_text(
            json.dumps(
                {
                    "version": 0.1,
                    "log": {"level": "error"},
                    "storage": {"filesystem": {"rootdirectory": str(self.folder / "registry")}},
                    "http": {"addr": self.registry},
                    **auth,
                }
            )
        )
        with (self.folder / "registry.log").open("wb") as log:
            self._registry = subprocess.Popen(
                ["docker-registry", "serve", str(configuration)], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        _wait_for(f"http://{self.registry}/v2/")

    def down(self) -> None:
        """End the registry, by its pid."""
        if self._registry is not None:
            self._registry.terminate()
            try:
                self._registry.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self._registry.kill()
                self._registry.wait(timeout=10)

    def environment(self, environment: Mapping[str, str]) -> dict[str, str]:
        """The environment in which the container programs are found and the registry is spoken to without TLS."""
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        return {
            **environment,
            "PATH": f"{self.programs}{os.pathsep}{environment['PATH']}",
            "ENROOT_ALLOW_HTTP": "y",
            "ENROOT_CACHE_PATH": str(self.folder / "enroot-cache"),
            "ENROOT_DATA_PATH": str(self.folder / "enroot-data"),
            "ENROOT_RUNTIME_PATH": str(self.folder / "enroot-runtime"),
        }

    def push(
        self,
        name: str,
        *,
        files: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
        entrypoint: Sequence[str] = (),
        command: Sequence[str] = (),
        working_dir: str = "/",
        tag: str = "1",
    ) -> str:
        """A busybox image with these files and settings, in the registry; its reference: `127.0.0.1:5000/name:1`."""
        folder = self.folder / "oci" / name.replace("/", "-")
        folder.mkdir(parents=True)
        _umoci("init", "--layout", str(folder / "layout"))
        image = f"{folder}/layout:{tag}"
        _umoci("new", "--image", image)
        _umoci("unpack", "--image", image, str(folder / "bundle"))
        _fill(folder / "bundle" / "rootfs", name, files or {})
        _umoci("repack", "--image", image, str(folder / "bundle"))
        settings = ["--config.workingdir", working_dir]
        for key, value in (environment or {}).items():
            settings += ["--config.env", f"{key}={value}"]
        for word in entrypoint:
            settings += ["--config.entrypoint", word]
        for word in command:
            settings += ["--config.cmd", word]
        _umoci("config", "--image", image, *settings)
        reference = f"{self.registry}/{name}:{tag}"
        _run(
            "skopeo",
            "copy",
            "--quiet",
            "--format",
            "v2s2",
            "--dest-tls-verify=false",
            *([f"--dest-creds={LOGIN}:{PASSWORD}"] if self._wants_login else []),
            f"oci:{image}",
            f"docker://{reference}",
        )
        return reference


def _fill(rootfs: Path, name: str, files: Mapping[str, str]) -> None:
    for folder in ("bin", "etc", "tmp", "proc", "sys", "dev", "root", "var"):
        (rootfs / folder).mkdir(exist_ok=True)
    shutil.copy2(str(shutil.which("busybox")), rootfs / "bin" / "busybox")
    applets = subprocess.run(["busybox", "--list"], capture_output=True, text=True, check=True).stdout.split()
    for applet in applets:
        if applet != "busybox":
            (rootfs / "bin" / applet).symlink_to("busybox")
    (rootfs / "etc" / "os-release").write_text(f'NAME="{name}"\nID=test\n')
    (rootfs / "etc" / "passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    for path, text in files.items():
        target = rootfs / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        target.chmod(0o755)


def _umoci(*words: str) -> None:
    _run("umoci", *words)


def _run(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip()}")


def _free_port() -> int:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        port: Any = holder.getsockname()[1]
        return int(port)


def _wait_for(url: str, *, timeout_s: float = 30.0) -> None:
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except urllib.error.HTTPError:
            return  # it speaks, and wants a login
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
