"""A stand-in for Pyxis: an `srun` that takes its documented options, and hands all others to the real srun.

On the node the task enters the image by the stand-in for enroot. Facts it follows: everything exported goes in, but the
image's variables win unless --container-env names them; the working folder is the image's unless --container-workdir
names one; the root is read-only without --container-writable; neither the image's entrypoint nor its command is run.
Source: srun(1) of Pyxis 0.24, and what was seen on a real cluster.
"""

from __future__ import annotations

import json
import os
import pwd
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.containers import enroot

VALUES = ("image", "mounts", "workdir", "name", "save", "env", "unshare")
FLAGS = (
    "mount-home",
    "remap-root",
    "entrypoint",
    "entrypoint-log",
    "writable",
    "readonly",
)
"""`--container-NAME`; all flags but writable and readonly also as `--no-container-NAME`."""


def main(argv: Sequence[str]) -> NoReturn:
    if argv[:1] == ["__task__"]:
        enter(json.loads(argv[1]), list(argv[2:]))
    options, rest = pyxis_options(argv)
    real = real_srun()
    if "--help" in rest:
        subprocess.run([real, "--help"], check=False)
        print("\nOptions provided by plugins:", *(f"      --container-{name}" for name in (*VALUES, *FLAGS)), sep="\n")
        sys.exit(0)
    if "image" not in options:
        os.execv(real, ["srun", *rest])
    end = rest.index("--") if "--" in rest else None
    if end is None:
        sys.exit("this stand-in wants -- before the command")
    if not rest[end + 1 :]:
        refuse("No command given to execute", 255)
    task = [sys.executable, "-I", str(Path(__file__).resolve()), "__task__", json.dumps(options), *rest[end + 1 :]]
    os.execv(real, ["srun", *rest[:end], "--", *task])


def pyxis_options(argv: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Pyxis' options by name without `container-`, and the words that are for srun."""
    options: dict[str, str] = {}
    rest: list[str] = []
    words = list(argv)
    while words:
        word = words.pop(0)
        if word == "--":
            return options, [*rest, "--", *words]
        match = re.fullmatch(r"--(no-)?container-([a-z-]+)(?:=(.*))?", word, re.DOTALL)
        if match is None:
            rest.append(word)
            continue
        name, value = match[2], match[3]
        if name in VALUES and not match[1]:
            options[name] = value if value is not None else words.pop(0)
            if not options[name]:
                refuse(f"--container-{name}: argument required", 255)
        elif name in FLAGS and value is None and not (match[1] and name in ("writable", "readonly")):
            options[name] = "" if match[1] else "yes"
        else:
            refuse(f"unrecognized option '{word}'", 255)
    return options, rest


def enter(options: Mapping[str, str], command: list[str]) -> NoReturn:
    """As the step's task: into the container, as the job's user."""
    image = options["image"]
    if not image.startswith(("/", "./")):
        image = imported(image)
    if not enroot.is_squashfs(Path(image)):
        refuse(f"failed to import/unpack the image {image}", 1)
    mounts = [mount_fields(text) for text in options.get("mounts", "").split(",") if text]
    configuration = image_file(image, "etc/rc")
    folder = re.search(r'^cd "([^"]*)"', configuration, re.MULTILINE)
    from_image = dict(line.split("=", 1) for line in image_file(image, "etc/environment").splitlines() if "=" in line)
    named = [name for name in options.get("env", "").split(",") if name]
    variables = {name: value for name, value in os.environ.items() if name not in ("LANG", "LANGUAGE", "LC_ALL")}
    variables |= from_image
    variables |= {name: os.environ[name] for name in named if name in os.environ}
    if not enroot.no("ENROOT_LOGIN_SHELL", "yes") and image_file(image, "etc/profile") and "PATH" not in named:
        variables["PATH"] = "/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games"
    elif "PATH" not in from_image and "PATH" not in named:
        variables["PATH"] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    description: dict[str, Any] = {
        "rootfs": image,
        "is_image": True,
        "writable": options.get("writable") == "yes",
        "mounts": mounts,
        "variables": [],
        "rc": 'cd "$1" || { echo "slurmstepd: error: pyxis: couldn\'t chdir to $1: No such file or directory" >&2; exit 1; }\n'
        'shift\nexec "$@"\n',
        "login": False,
        "command": [options.get("workdir") or (folder[1] if folder else "/"), *command],
    }
    # Values with newlines are fine here: Pyxis sets the task's environment itself.
    description["environment"] = {**variables, "HOME": pwd.getpwuid(os.geteuid()).pw_dir}
    enroot.run_container(description)


def mount_fields(text: str) -> list[str]:
    """`SRC:DST[:FLAG+FLAG]` as fields of an fstab."""
    source, _, rest = text.partition(":")
    target, _, flags = rest.partition(":")
    if not source.startswith(("/", "./", "tmpfs")) or ":" in flags:
        refuse(f"--container-mounts: invalid format: {text}", 255)
    if source != "tmpfs" and not Path(source).exists():
        refuse(f"--container-mounts: source path does not exist: {source}", 1)
    return [
        source,
        target or source,
        "none",
        ",".join(["x-create=auto", "rbind", *(flags.split("+") if flags else [])]),
    ]


def imported(reference: str) -> str:
    """A file of this registry's image; imported anew for every task."""
    path = Path(tempfile.mkdtemp(prefix="pyxis.")) / "image.sqsh"
    uri = reference if reference.startswith("docker://") else f"docker://{reference}"
    try:
        enroot.do_import({"output": [str(path)]}, [uri])
    except SystemExit:
        refuse(f"failed to import docker image {reference}", 1)
    return str(path)


def image_file(image: str, path: str) -> str:
    """What the image holds there; empty when it holds nothing."""
    done = subprocess.run(["unsquashfs", "-cat", image, path], capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else ""


def real_srun() -> str:
    """The first srun on PATH that is a program, not a script of these tests."""
    for folder in os.environ["PATH"].split(os.pathsep):
        path = Path(folder) / "srun"
        if os.access(path, os.X_OK) and path.read_bytes()[:2] != b"#!":
            return str(path)
    sys.exit("there is no srun behind this stand-in")


def refuse(text: str, status: int) -> NoReturn:
    print(f"slurmstepd: error: pyxis: {text}", file=sys.stderr)
    sys.exit(status)


if __name__ == "__main__":
    main(sys.argv[1:])
