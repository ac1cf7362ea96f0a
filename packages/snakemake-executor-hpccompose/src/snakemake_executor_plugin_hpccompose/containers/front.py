"""What `apptainer` does for Snakemake, done by Enroot or Pyxis: `--version`, `pull` and `exec`.

It runs before every command of a rule with a container, so it needs nothing but a few modules of the standard library.
No value becomes shell syntax on the way: everything is handed on as words of an argument list or as variables.
Settings are variables: HPCC_CONTAINER_RUNTIME (enroot or pyxis), HPCC_CONTAINER_MOUNTS (a JSON list of SRC[:DST[:ro]]),
HPCC_PYTHON (what runs the pull), HPCC_STEP_ARGS (a JSON list of further options of srun).
Source: enroot(1) 4.1, srun(1) of Pyxis 0.24, apptainer exec(1) 1.3.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, NoReturn

VERSION = "apptainer version 1.3.0"
"""Snakemake wants at least 1.0.0."""
ENTER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "enter.sh")
"""The container's command script."""
WRITTEN = "HPCC_SET_"
"""Prefix of variables that `enter.sh` turns into those they are for."""
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
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OF_THE_IMAGE = frozenset(("PATH", "LD_LIBRARY_PATH", "LD_PRELOAD", "HOME", "PWD", "OLDPWD", "SHLVL", "_"))
"""Variables that speak of the host's file system or of another shell."""
_NEEDS_WRITING = re.compile(r"[\n\r\\\"'$`]")
"""Enroot hands variables over as lines of a file and strips quotes; such values are written with \\\\ and \\n instead."""
_FSTAB = {"\\": "\\134", " ": "\\040", "\t": "\\011", "\n": "\\012"}


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


def main(argv: Sequence[str]) -> int:
    try:
        return _run(list(argv), dict(os.environ))
    except Refusal as refusal:
        print(f"hpccompose: {refusal}", file=sys.stderr)
        return 255


def _run(argv: list[str], environment: dict[str, str]) -> int:
    while argv and argv[0] in ("--quiet", "-q", "--silent", "-s", "--debug", "-d", "--verbose", "-v", "--nocolor"):
        argv.pop(0)
    if argv == ["--version"] or argv == ["version"]:
        print(VERSION)
        return 0
    if argv[:1] == ["pull"]:
        _pull(argv[1:], environment)
    if argv[:1] == ["exec"]:
        _enter(parse_exec(argv[1:], environment, cwd=os.getcwd()), environment)
    raise Refusal(
        f"`apptainer {' '.join(argv[:1])}` is more than Snakemake's containers need; for the real apptainer "
        "set `--hpccompose-container-runtime apptainer`"
    )


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
    return {name: value for name, value in found.items() if _IDENTIFIER.fullmatch(name)}


def container_environment(call: Call, environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that the container gets, as with apptainer: the host's, but for those that speak of the host."""
    found = (
        {}
        if call.clean
        else {
            name: value
            for name, value in environment.items()
            if name not in _OF_THE_IMAGE
            and _IDENTIFIER.fullmatch(name)
            and not name.startswith(("ENROOT_", "APPTAINERENV_", "SINGULARITYENV_", "HPCC_CONTAINER_"))
        }
    )
    found.pop("HPCC_PYTHON", None)
    if call.gpus:
        found.setdefault("NVIDIA_VISIBLE_DEVICES", "all")
        found.setdefault("NVIDIA_DRIVER_CAPABILITIES", "compute,utility")
    return {**found, **call.variables}


def all_mounts(call: Call, environment: Mapping[str, str]) -> list[Mount]:
    """What the container sees of the host, each target once: the latest one wins, as with apptainer."""
    temporary = [] if call.contained else ["/tmp", "/var/tmp", environment.get("TMPDIR", "")]
    configured = [
        mount for text in json.loads(environment.get("HPCC_CONTAINER_MOUNTS") or "[]") for mount in mounts_of(text)
    ]
    wanted = [Mount(path, path) for path in temporary if path and os.path.isdir(path)]
    wanted += [*configured, *call.mounts]
    cwd = os.getcwd()
    wanted.append(Mount(cwd, cwd))
    if os.path.isdir(call.folder):
        wanted.append(Mount(call.folder, call.folder))
    by_target = {os.path.normpath(mount.target): mount for mount in wanted}
    # Outer folders first, or a mount would hide what was mounted below it.
    return [by_target[target] for target in sorted(by_target, key=lambda path: path.count("/") if path != "/" else 0)]


def handed_over(inside: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """The variables as they are given to the runtime, and the names of those that `enter.sh` has to set.

    Those are what would change the runtime's own programs, and values that Enroot cannot hand over.
    """
    plain: dict[str, str] = {}
    written: list[str] = []
    for name, value in inside.items():
        if name in _OF_THE_IMAGE or name.startswith("ENROOT_") or _NEEDS_WRITING.search(value):
            written.append(name)
            plain[WRITTEN + name] = value.replace("\\", "\\\\").replace("\n", "\\n")
        else:
            plain[name] = value
    return plain, written


def enroot_argv(
    call: Call, environment: Mapping[str, str], *, image: str, writable: bool
) -> tuple[list[str], dict[str, str]]:
    """The program to become and its environment; only names of variables stand in the argument list."""
    inside, written = handed_over(container_environment(call, environment))
    argv = ["enroot", "start", "--rc", ENTER]
    argv += ["--rw"] if writable else []
    for mount in all_mounts(call, environment):
        argv += ["--mount", _enroot_mount(mount)]
    for name in inside:
        argv += ["--env", name]
    argv += ["--", image, call.folder, call.home, " ".join(written), *call.command]
    return argv, {**environment, **inside}


def _enroot_mount(mount: Mount) -> str:
    """A line of an fstab with colons between its fields; a third field that is an option would replace the default ones."""
    for path in (mount.source, mount.target):
        if ":" in path:
            raise Refusal(f"enroot cannot mount {path!r}: its name holds a colon; use another folder")
    source, target = ("".join(_FSTAB.get(letter, letter) for letter in path) for path in mount[:2])
    return f"{source}:{target}" + (":none:x-create=auto,rbind,ro" if mount.read_only else "")


def pyxis_argv(call: Call, environment: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    """The step that runs the command in the container, and the environment of its srun."""
    inside, written = handed_over(container_environment(call, environment))
    argv = ["srun", "--overlap", "--export=ALL", "--nodes=1", "--ntasks=1"]
    cpus = environment.get("SRUN_CPUS_PER_TASK") or environment.get("SLURM_CPUS_PER_TASK") or _cpus_here(environment)
    argv += [f"--cpus-per-task={cpus}"] if cpus else []
    argv += json.loads(environment.get("HPCC_STEP_ARGS") or "[]")
    mounts = ",".join(_pyxis_mount(mount) for mount in all_mounts(call, environment))
    argv += [f"--container-image={call.image}", "--container-writable", f"--container-mounts={mounts}"]
    argv += [f"--container-workdir={call.folder}", "--container-env=" + ",".join(sorted(inside))]
    with open(ENTER, encoding="ascii") as script:
        enter = script.read()
    argv += ["--", "/bin/sh", "-c", enter, "sh", call.folder, call.home, " ".join(written), *call.command]
    return argv, {**environment, **inside}


def _cpus_here(environment: Mapping[str, str]) -> str:
    """All of the allocation's CPUs on this node: a step gets a single one unless it asks."""
    match = re.match(r"\d+", environment.get("SLURM_JOB_CPUS_PER_NODE", ""))
    return match[0] if match else ""


def _pyxis_mount(mount: Mount) -> str:
    for path in (mount.source, mount.target):
        if "," in path or ":" in path:
            raise Refusal(
                f"Pyxis cannot mount {path!r}: its name holds a comma or a colon; use another folder, or "
                "`--hpccompose-container-runtime enroot`"
            )
    return f"{mount.source}:{mount.target}" + (":ro" if mount.read_only else "")


def _enter(call: Call, environment: dict[str, str]) -> NoReturn:
    """Become the container's command, so that signals, exit status and `benchmark:` see that and nothing else."""
    _refuse_foreign_images(call.image)
    in_job = bool(environment.get("SLURM_JOB_ID")) and environment.get("HPC_COMPOSE_ENGINE") != "local"
    if environment.get("HPCC_CONTAINER_RUNTIME") == "pyxis" and in_job:
        argv, variables = pyxis_argv(call, environment)
    elif _starts_images(environment):
        argv, variables = enroot_argv(call, environment, image=call.image, writable=True)
    else:
        name, data = unpacked(call.image, environment)
        argv, variables = enroot_argv(call, environment, image=name, writable=False)
        variables["ENROOT_DATA_PATH"] = data
    try:
        os.execvpe(argv[0], argv, variables)
    except FileNotFoundError:
        raise Refusal(
            f"{argv[0]} is not installed here ({os.uname().nodename}); install it on the nodes, or choose another "
            "`--hpccompose-container-runtime` (enroot, pyxis or apptainer)"
        ) from None


def _refuse_foreign_images(image: str) -> None:
    """Only squashfs files are images for Enroot and Pyxis.  Source: squashfs' magic number."""
    try:
        with open(image, "rb") as stream:
            start = stream.read(4)
    except OSError as error:
        raise Refusal(f"the image {image} cannot be read: {error.strerror}") from None
    if start != b"hsqs":
        raise Refusal(
            f"{image} is no squashfs image, which Enroot and Pyxis want; name it as docker://…, convert it with "
            "`enroot import`, or set `--hpccompose-container-runtime apptainer`"
        )


def _starts_images(environment: Mapping[str, str]) -> bool:
    """Enroot can start from the file itself, which takes squashfuse where the user is not root.  Source: enroot start(1)."""
    if environment.get("HPCC_CONTAINER_UNPACK"):
        return False
    folders = (environment.get("PATH") or os.defpath).split(os.pathsep)
    return os.geteuid() == 0 or any(os.access(os.path.join(folder, "squashfuse"), os.X_OK) for folder in folders)


def unpacked(image: str, environment: Mapping[str, str]) -> tuple[str, str]:
    """Name and data folder of the image's root file system, unpacked once per job: by whoever comes first."""
    import fcntl
    import hashlib
    import subprocess

    data = rootfs_folder(environment)
    os.makedirs(data, mode=0o700, exist_ok=True)
    status = os.lstat(data)
    if status.st_uid != os.geteuid() or not os.path.isdir(data) or os.path.islink(data):
        raise Refusal(f"{data} is not ours; remove it, or set TMPDIR")
    seen = os.stat(image)
    name = hashlib.sha256(
        f"{image}\0{seen.st_mtime_ns}\0{seen.st_size}".encode("utf-8", "surrogateescape")
    ).hexdigest()[:16]
    done = os.path.join(data, f"{name}.done")
    lock = os.open(os.path.join(data, f"{name}.lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(done):
            result = subprocess.run(
                ["enroot", "create", "--force", "--name", name, "--", image],
                env={**environment, "ENROOT_DATA_PATH": data},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                check=False,
            )
            if result.returncode:
                raise Refusal(f"enroot cannot unpack {image} (status {result.returncode}); its words stand above")
            os.close(os.open(done, os.O_CREAT | os.O_WRONLY, 0o600))
    finally:
        os.close(lock)
    return name, data


def rootfs_folder(environment: Mapping[str, str]) -> str:
    """Where this job's unpacked images lie on this node; the runner removes it when it ends."""
    job = environment.get("HPC_COMPOSE_JOB_ID") or environment.get("SLURM_JOB_ID") or f"user-{os.geteuid()}"
    safe = re.sub(r"[^A-Za-z0-9_-]", "_", job)
    folder = environment.get("HPCC_CONTAINER_TMP") or environment.get("TMPDIR") or "/tmp"
    return os.path.join(folder, f"hpcc-rootfs-{os.geteuid()}-{safe}")


def _pull(words: list[str], environment: dict[str, str]) -> NoReturn:
    """Hand over to the program that knows the image cache."""
    python = environment.get("HPCC_PYTHON") or sys.executable
    argv = [python, "-m", "snakemake_executor_plugin_hpccompose.containers.pull", *words]
    os.execve(python, argv, environment)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
