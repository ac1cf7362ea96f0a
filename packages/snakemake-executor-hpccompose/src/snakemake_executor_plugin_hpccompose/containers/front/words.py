"""The words of an `apptainer exec`, and what they ask for."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

_FLAGS = frozenset(
    [
        "--nv",
        "--rocm",
        "--nvccli",
        "--cleanenv",
        "-e",
        "--contain",
        "-c",
        "--containall",
        "-C",
        "--no-home",
        "--writable-tmpfs",
        "--writable",
        "-w",
        "--fakeroot",
        "-f",
        "--userns",
        "-u",
        "--pid",
        "-p",
        "--ipc",
        "-i",
        "--net",
        "-n",
        "--uts",
        "--no-privs",
        "--keep-privs",
        "--no-init",
        "--no-umask",
        "--no-eval",
        "--no-compat",
        "--compat",
        "--disable-cache",
        "--sharens",
        "--unsquash",
        "--underlay",
        "--no-https",
        "--quiet",
        "-q",
        "--silent",
        "-s",
        "--debug",
        "-d",
        "--verbose",
        "-v",
        "--nocolor",
    ]
)
_VALUES = frozenset(
    [
        "--home",
        "-H",
        "--bind",
        "-B",
        "--pwd",
        "--cwd",
        "--env",
        "--env-file",
        "--workdir",
        "-W",
        "--hostname",
        "--overlay",
        "-o",
        "--scratch",
        "-S",
        "--security",
        "--app",
        "--no-mount",
        "--cpus",
        "--memory",
        "--add-caps",
        "--drop-caps",
        "--network",
        "--network-args",
        "--dns",
        "--fusemount",
        "--pem-path",
        "--mount",
    ]
)
_REFUSED = frozenset(("--env-file", "--overlay", "-o", "--app", "--scratch", "-S", "--fusemount", "--mount"))
"""What they ask for would silently be missing."""
IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Refusal(Exception):
    """What cannot be done; the text says what to do instead."""


class Mount(NamedTuple):
    """One folder or file of the host in the container."""

    source: str
    target: str
    read_only: bool = False


class Call(NamedTuple):
    """What an `exec` asks for."""

    image: str
    command: tuple[str, ...]
    home: str
    folder: str
    mounts: tuple[Mount, ...]
    variables: Mapping[str, str]
    """Set in the container whatever the host or the image says."""
    gpus: bool = False
    clean: bool = False
    contained: bool = False


def parse_exec(words: Sequence[str], environment: Mapping[str, str], *, cwd: str) -> Call:
    """The call behind the words after `exec`.

    Raises: Refusal: an option that is unknown or cannot be honoured.
    """
    options, rest = _options(words)
    if len(rest) < 2:
        raise Refusal("exec wants an image and a command")
    image, command = _image_and_command(rest, cwd)
    flags = {name for name, _ in options}
    folder = _last(options, "--pwd", "--cwd")
    home, _, home_inside = (_last(options, "--home", "-H") or cwd).partition(":")
    binds = [mount for name, value in options if name in ("--bind", "-B") for mount in mounts_of(value)]
    return Call(
        image=image,
        command=command,
        home=home_inside or os.path.join(cwd, home),
        folder=os.path.join(cwd, folder),
        mounts=(Mount(os.path.join(cwd, home), home_inside or os.path.join(cwd, home)), *binds),
        variables=_set_variables(options, environment),
        gpus=bool(flags & {"--nv", "--rocm", "--nvccli"}),
        clean=bool(flags & {"--cleanenv", "-e", "--containall", "-C"}),
        contained=bool(flags & {"--contain", "-c", "--containall", "-C"}),
    )


def _options(words: Sequence[str]) -> tuple[list[tuple[str, str]], list[str]]:
    """Name and value of each option, and what follows the options."""
    found: list[tuple[str, str]] = []
    rest = list(words)
    while rest and rest[0].startswith("-") and rest[0] != "-":
        word = rest.pop(0)
        if word == "--":
            break
        name, joined, value = word.partition("=")
        if name in _REFUSED or name not in _FLAGS | _VALUES:
            raise Refusal(
                f"the option {name} of apptainer is not there with Enroot and Pyxis; take it out of --apptainer-args, "
                "or set `--hpccompose-container-runtime apptainer`"
            )
        if name in _VALUES and not joined:
            if not rest:
                raise Refusal(f"the option {name} wants a value")
            value = rest.pop(0)
        found.append((name, value))
    return found, rest


def _image_and_command(words: Sequence[str], cwd: str) -> tuple[str, tuple[str, ...]]:
    """The image's absolute path; Snakemake does not quote it, so blanks in it have made several words of it."""
    for count in range(1, len(words)):
        path = os.path.join(cwd, " ".join(words[:count]))
        if os.path.isfile(path):
            return path, tuple(words[count:])
    return os.path.join(cwd, words[0]), tuple(words[1:])


def _last(options: Iterable[tuple[str, str]], *names: str) -> str:
    return next((value for name, value in reversed(list(options)) if name in names), "")


def mounts_of(text: str) -> list[Mount]:
    """The mounts of one `--bind`; a path that exists as it is written is not taken apart at its commas and colons."""
    if os.path.exists(text):
        return [Mount(os.path.abspath(text), os.path.abspath(text))]
    found = []
    for item in re.split(r"(?<!\\),", text):
        source, target, options, *more = [*re.split(r"(?<!\\):", item), "", ""]
        if any(more) or not source or options not in ("", "rw", "ro"):
            raise Refusal(f"the mount {item!r} is none: SOURCE[:TARGET[:ro]] is wanted")
        source, target = (re.sub(r"\\([,:])", r"\1", part) for part in (source, target))
        found.append(Mount(os.path.abspath(source), target or os.path.abspath(source), options == "ro"))
    return found


def _set_variables(options: Iterable[tuple[str, str]], environment: Mapping[str, str]) -> dict[str, str]:
    """APPTAINERENV_NAME and SINGULARITYENV_NAME of the host, then the `--env NAME=VALUE` of the call."""
    found: dict[str, str] = {}
    for prefix in ("SINGULARITYENV_", "APPTAINERENV_"):
        found.update({name[len(prefix) :]: value for name, value in environment.items() if name.startswith(prefix)})
    for name, text in options:
        if name == "--env":
            for item in re.split(r",(?=[A-Za-z_][A-Za-z0-9_]*=)", text):
                key, _, value = item.partition("=")
                found[key] = value
    return {name: value for name, value in found.items() if IDENTIFIER.fullmatch(name)}
