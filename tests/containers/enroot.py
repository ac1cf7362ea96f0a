"""A stand-in for `enroot` where it cannot be had: it takes the documented options only, and really runs the container.

Images are fetched by skopeo, unpacked by umoci and packed by mksquashfs; a container is a squashfs root with an overlay
in mount namespaces of its own. Facts it follows: /etc/rc, /etc/fstab and /etc/environment in the image; the environment
of the host stays outside; a command goes through /etc/rc unless --rc names another script; the root is read-only
without --rw.  Source: enroot 4.1, doc/image-format.md, doc/cmd/*.md, and what was seen on a real cluster.
"""

from __future__ import annotations

import json
import os
import pwd
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

VERSION = "4.1.0"
URI = re.compile(
    r"docker://(?:(?P<user>[^@/#]+)@)?(?:(?P<registry>[^#/]+)#)?(?P<image>[a-z0-9._/-]+)"
    r"(?::(?P<tag>[A-Za-z0-9._-]+))?(?P<digest>@sha256:[0-9a-f]{64})?"
)
HOST_FILES = ("/etc/hosts", "/etc/hostname", "/etc/resolv.conf")
"""Those of the host, in every container.  Source: enroot 4.1, conf/mounts/20-config.fstab."""
NO = re.compile(r"(no?|N[oO]?|[fF](alse)?|FALSE)")
OPTIONS: dict[str, dict[str, tuple[str, bool]]] = {
    "import": {"-a": ("arch", True), "--arch": ("arch", True), "-o": ("output", True), "--output": ("output", True)},
    "create": {"-n": ("name", True), "--name": ("name", True), "-f": ("force", False), "--force": ("force", False)},
    "start": {
        "-c": ("conf", True),
        "--conf": ("conf", True),
        "-e": ("env", True),
        "--env": ("env", True),
        "--rc": ("rc", True),
        "-r": ("root", False),
        "--root": ("root", False),
        "-w": ("rw", False),
        "--rw": ("rw", False),
        "-m": ("mount", True),
        "--mount": ("mount", True),
    },
    "export": {
        "-o": ("output", True),
        "--output": ("output", True),
        "-f": ("force", False),
        "--force": ("force", False),
    },
    "remove": {"-f": ("force", False), "--force": ("force", False)},
    "list": {"-f": ("fancy", False), "--fancy": ("fancy", False)},
    "version": {},
}
"""Subcommand to its options: name and whether a value follows.  Source: `enroot SUBCOMMAND --help`."""


def main(argv: Sequence[str]) -> int:
    if argv[:1] == ["__inside__"]:
        with os.fdopen(int(argv[1]), encoding="utf-8", errors="surrogateescape") as stream:
            enter(json.load(stream))
    if not argv or argv[0] not in OPTIONS:
        fail(f"Invalid command: {argv[0] if argv else ''}")
    for name in ("ENROOT_CACHE_PATH", "ENROOT_DATA_PATH", "ENROOT_RUNTIME_PATH"):
        setting(name).mkdir(mode=0o700, parents=True, exist_ok=True)
    options, words = parsed(argv[0], argv[1:])
    COMMANDS[argv[0]](options, words)
    return 0


def parsed(command: str, argv: Sequence[str]) -> tuple[dict[str, list[str]], list[str]]:
    """The options by name, and the other words; as bash's `case` loop of the real one reads them."""
    known, rest = OPTIONS[command], list(argv)
    found: dict[str, list[str]] = {}
    while rest and rest[0].startswith("-") and rest[0] != "-":
        word = rest.pop(0)
        if word == "--":
            break
        option, joined, value = word.partition("=")
        if option not in known or (joined and not option.startswith("--")):
            print(f"Usage: enroot {command} [options]", file=sys.stderr)
            sys.exit(1)
        name, has_value = known[option]
        if has_value and not joined:
            value = rest.pop(0) if rest else ""
        if has_value and not value:
            sys.exit(1)
        found.setdefault(name, []).append(value)
    return found, rest


# ---- images


def do_import(options: Mapping[str, list[str]], words: list[str]) -> None:
    (uri,) = words
    output = Path(options["output"][-1] if "output" in options else f"{uri.rpartition('/')[2]}.sqsh")
    if output.exists():
        fail(f"File already exists: {output}")
    match = URI.fullmatch(uri)
    if match is None:
        fail(f"Invalid image reference: {uri}")
    with tempfile.TemporaryDirectory(prefix="enroot.", dir=os.environ.get("ENROOT_TEMP_PATH")) as folder:
        config = fetch(match, Path(folder))
        rootfs = Path(folder) / "bundle" / "rootfs"
        write_configuration(rootfs, config, uri)
        pack(rootfs, output)


def fetch(match: re.Match[str], folder: Path) -> dict[str, Any]:
    """The image's configuration; its root lies in `folder`/bundle/rootfs afterwards."""
    registry = match["registry"] or "registry-1.docker.io"
    reference = f"docker://{registry}/{match['image']}{match['digest'] or ':' + (match['tag'] or 'latest')}"
    plain = [] if no("ENROOT_ALLOW_HTTP", "no") else ["--src-tls-verify=false"]
    credentials = [f"--src-creds={login}" for login in [credentials_for(registry)] if login]
    local = f"oci:{folder}/oci:image"
    run(["skopeo", "copy", "--quiet", *plain, *credentials, reference, local], f"Could not fetch {reference}")
    run(["umoci", "unpack", "--image", f"{folder}/oci:image", f"{folder}/bundle"], "Could not extract the layers")
    text = subprocess.run(["skopeo", "inspect", "--config", local], check=True, capture_output=True, text=True).stdout
    found = json.loads(text).get("config")
    return found if isinstance(found, dict) else {}


def credentials_for(registry: str) -> str | None:
    """`login:password` of this registry in `$ENROOT_CONFIG_PATH/.credentials`, a netrc file."""
    path = setting("ENROOT_CONFIG_PATH") / ".credentials"
    words = path.read_text().split() if path.exists() else []
    for position, word in enumerate(words):
        if word == "machine" and words[position + 1 : position + 2] == [registry]:
            entry = dict(zip(words[position + 2 :: 2], words[position + 3 :: 2]))
            return f"{entry['login']}:{entry['password']}"
    return None


def write_configuration(rootfs: Path, config: Mapping[str, Any], uri: str) -> None:
    """/etc/fstab, /etc/environment and /etc/rc, made of the image's configuration."""
    etc, folder = rootfs / "etc", config.get("WorkingDir") or "/"
    etc.mkdir(exist_ok=True)
    (etc / "fstab").write_text(
        "".join(
            f"${{ENROOT_ROOTFS}}{path} {path} none x-create=dir,bind,rw,nosuid,nodev\n"
            for path in config.get("Volumes") or {}
        )
    )
    (etc / "environment").write_text("".join(f"{line}\n" for line in config.get("Env") or []))
    (rootfs / folder.lstrip("/")).mkdir(parents=True, exist_ok=True)
    entrypoint, command = list(config.get("Entrypoint") or []), list(config.get("Cmd") or [])
    if not entrypoint and not command:
        command = ["/bin/sh"]
    (etc / "rc").write_text(
        f"# enroot-provenance: {uri}\n\n"
        f'mkdir -p "{folder}" 2> /dev/null\ncd "{folder}" && unset OLDPWD || exit 1\n\n'
        "if [ -s /etc/rc.local ]; then\n    . /etc/rc.local\nfi\n\n"
        f'if [ $# -gt 0 ]; then\n    exec {shlex.join(entrypoint)} "$@"\nelse\n    exec {shlex.join([*entrypoint, *command])}\nfi\n'
    )
    (etc / "rc.local").write_text("# This file is sourced by /etc/rc when the container starts.\n")


def do_create(options: Mapping[str, list[str]], words: list[str]) -> None:
    (image,) = words
    if not is_squashfs(Path(image)):
        fail(f"Invalid image format: {image}" if Path(image).is_file() else f"No such file or directory: {image}")
    rootfs = rootfs_of(options["name"][-1] if "name" in options else Path(image).stem)
    if rootfs.exists():
        if "force" not in options:
            fail(f"File already exists: {rootfs}")
        shutil.rmtree(rootfs)
    run(["unsquashfs", "-no-progress", "-user-xattrs", "-d", str(rootfs), image], "Could not extract the image")


def do_export(options: Mapping[str, list[str]], words: list[str]) -> None:
    (name,) = words
    rootfs = rootfs_of(name)
    output = Path(options["output"][-1] if "output" in options else f"{name}.sqsh")
    if not rootfs.is_dir():
        fail(f"No such file or directory: {rootfs}")
    if output.exists():
        if "force" not in options:
            fail(f"File already exists: {output}")
        output.unlink()
    pack(rootfs, output)


def do_remove(options: Mapping[str, list[str]], words: list[str]) -> None:
    if "force" not in options:
        fail("the stand-in asks nobody: --force is needed")
    for name in words:
        if not rootfs_of(name).is_dir():
            fail(f"No such file or directory: {rootfs_of(name)}")
        shutil.rmtree(rootfs_of(name))


def do_list(_: Mapping[str, list[str]], __: list[str]) -> None:
    print("\n".join(sorted(path.name for path in setting("ENROOT_DATA_PATH").iterdir())))


def do_version(_: Mapping[str, list[str]], __: list[str]) -> None:
    print(VERSION)


def pack(rootfs: Path, output: Path) -> None:
    run(["mksquashfs", str(rootfs), str(output), "-all-root", "-no-progress", "-quiet"], "Could not pack the image")


def is_squashfs(path: Path) -> bool:
    return (
        path.is_file() and subprocess.run(["unsquashfs", "-s", path], capture_output=True, check=False).returncode == 0
    )


def rootfs_of(name: str) -> Path:
    if "/" in name:
        fail(f"Invalid argument: {name}")
    return setting("ENROOT_DATA_PATH") / name


# ---- containers


def do_start(options: Mapping[str, list[str]], words: list[str]) -> NoReturn:
    if not words:
        fail("Invalid argument")
    image, *command = words
    is_image = is_squashfs(Path(image))
    rootfs = Path(image).resolve() if is_image else rootfs_of(image)
    if not is_image and not rootfs.is_dir():
        fail(f"No such file or directory: {rootfs}")
    mounts = options.get("mount", [])
    for mount in mounts:
        if not re.fullmatch(r"\S+(:\S+)*", mount):
            fail(f"Invalid argument: {mount}")
    for variable in options.get("env", []):
        if not re.fullmatch(r"[A-Za-z_]\w*(=[^\n]*|)", variable, re.DOTALL):
            fail(f"Invalid argument: {variable}")
    rc = options.get("rc", [""])[-1]
    if rc and not Path(rc).is_file():
        fail(f"No such file or directory: {rc}")
    run_container(
        {
            "rootfs": str(rootfs),
            "is_image": is_image,
            "writable": "rw" in options or not no("ENROOT_ROOTFS_WRITABLE", "no"),
            "mounts": [mount.split(":") for mount in mounts],
            "variables": [line for variable in options.get("env", []) for line in variable_lines(variable)],
            "rc": Path(rc).read_text() if rc else None,
            "login": not no("ENROOT_LOGIN_SHELL", "yes"),
            "command": command,
        }
    )


def variable_lines(variable: str) -> Iterator[str]:
    """The lines of the environment file; a value with a newline loses what follows it, as with the real one."""
    text = variable if "=" in variable else f"{variable}={os.environ.get(variable, '')}"
    yield text.split("\n")[0]


def run_container(description: Mapping[str, Any]) -> NoReturn:
    """Become the container's program, in namespaces of its own."""
    descriptor = os.memfd_create("description", 0)  # not as an argument: values would show in the process list
    os.write(descriptor, json.dumps(description).encode())
    os.lseek(descriptor, 0, os.SEEK_SET)
    os.set_inheritable(descriptor, True)
    python = [sys.executable, "-I", "-S", str(Path(__file__).resolve()), "__inside__", str(descriptor)]
    namespaces = ["--mount"] if os.geteuid() == 0 else ["--mount", "--user", "--map-root-user"]
    os.execvp("unshare", ["unshare", *namespaces, "--propagation", "private", *python])


def enter(description: Mapping[str, Any]) -> NoReturn:
    """Inside the namespaces: mounts, the new root, its environment, its command script."""
    root = setting("ENROOT_RUNTIME_PATH")  # covered by a folder in memory that goes with the namespace
    mount("tmpfs", "enroot", str(root), "mode=700")
    merged = mounted_root(description, root)
    for source, target, options in (("/proc", "proc", "rbind"), ("/sys", "sys", "rbind"), ("/dev", "dev", "rbind")):
        bind(source, merged / target, options)
    (merged / "tmp").mkdir(exist_ok=True)
    mount("tmpfs", "tmp", str(merged / "tmp"), "mode=1777")
    for name in HOST_FILES:
        bind(name, merged / name.lstrip("/"), "rbind,ro")
    for fields in description["mounts"]:
        bind_as_fstab(fields, merged)
    if not description["writable"]:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(merged)], check=True)
    environment = image_environment(merged) | dict(line.split("=", 1) for line in description["variables"])
    environment = description.get("environment") or environment
    become(description, merged, environment)


def mounted_root(description: Mapping[str, Any], root: Path) -> Path:
    """The container's root: an image with a layer in memory on top, or a folder."""
    lower, upper, work, merged = (root / name for name in ("lower", "upper", "work", "merged"))
    for folder in (lower, upper, work, merged):
        folder.mkdir()
    if not description["is_image"]:
        subprocess.run(["mount", "--rbind", description["rootfs"], str(merged)], check=True)
        return merged
    subprocess.run(["mount", "-t", "squashfs", "-o", "loop,ro", description["rootfs"], str(lower)], check=True)
    mount("overlay", "overlay", str(merged), f"lowerdir={lower},upperdir={upper},workdir={work}")
    return merged


def bind_as_fstab(fields: Sequence[str], merged: Path) -> None:
    """One line of an fstab: `SRC DST [TYPE] [OPTIONS]`; without options it is `none rbind,x-create=auto`."""
    source, target, *rest = (unescaped(text) for text in fields)
    if len(rest) == 1 and rest[0] != "none":
        rest = ["none", rest[0]]  # a third field that is an option replaces the default options
    kind, options = (*rest, "", "")[:2] if len(rest) == 2 else ("none", "rbind,x-create=auto")
    words = options.split(",")
    if kind == "tmpfs" or source == "tmpfs":
        (merged / target.lstrip("/")).mkdir(parents=True, exist_ok=True)
        mount("tmpfs", "tmpfs", str(merged / target.lstrip("/")), "mode=755")
        return
    if not {"bind", "rbind"} & set(words):
        fail(f"enroot-mount: failed to mount: {source} at {merged}{target}: Invalid argument")
    if not Path(source).exists():
        fail(f"enroot-mount: failed to mount: {source} at {merged}{target}: No such file or directory")
    if not any(word.startswith("x-create") for word in words) and not (merged / target.lstrip("/")).exists():
        fail(f"enroot-mount: failed to mount: {source} at {merged}{target}: No such file or directory")
    bind(source, merged / target.lstrip("/"), "rbind,ro" if "ro" in words else "rbind")


def unescaped(text: str) -> str:
    """One field of an fstab.  Source: getmntent(3)."""
    return re.sub(r"\\(040|011|012|134)", lambda match: chr(int(match[1], 8)), text)


def bind(source: str, target: Path, options: str) -> None:
    if Path(source).is_dir():
        target.mkdir(parents=True, exist_ok=True)
    elif not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    subprocess.run(["mount", "--rbind", source, str(target)], check=True)
    if "ro" in options.split(","):
        subprocess.run(["mount", "-o", "remount,bind,ro", str(target)], check=True)


def mount(kind: str, source: str, target: str, options: str) -> None:
    subprocess.run(["mount", "-t", kind, "-o", options, source, target], check=True)


def image_environment(merged: Path) -> dict[str, str]:
    path = merged / "etc" / "environment"
    lines = path.read_text().splitlines() if path.exists() else []
    return dict(line.split("=", 1) for line in lines if re.match(r"[A-Za-z_]\w*=", line))


def become(description: Mapping[str, Any], merged: Path, environment: dict[str, str]) -> NoReturn:
    """The command script by the container's shell, with the command as its arguments."""
    home = pwd.getpwuid(os.geteuid())
    environment = {"HOME": home.pw_dir, "USER": home.pw_name, "PATH": "/usr/local/bin:/usr/bin:/bin", **environment}
    script = description["rc"]
    if script is None and (merged / "etc" / "rc").exists():
        script = (merged / "etc" / "rc").read_text()
    os.chroot(merged)
    os.chdir("/")
    arg0 = "-sh" if description["login"] else "sh"
    if script is None:
        os.execve("/bin/sh", [arg0, "-c", 'exec "$@"', "sh", *description["command"]], environment)
    descriptor = os.memfd_create("rc", 0)
    os.write(descriptor, script.encode())
    os.execve("/bin/sh", [arg0, f"/proc/self/fd/{descriptor}", *description["command"]], environment)


# ---- the rest


def setting(name: str) -> Path:
    home = Path(os.environ.get("HOME") or pwd.getpwuid(os.geteuid()).pw_dir)
    defaults = {
        "ENROOT_CACHE_PATH": Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "enroot",
        "ENROOT_DATA_PATH": Path(os.environ.get("XDG_DATA_HOME") or home / ".local/share") / "enroot",
        "ENROOT_CONFIG_PATH": Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / "enroot",
        "ENROOT_RUNTIME_PATH": Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()) / "enroot",
    }
    return Path(os.environ.get(name) or defaults[name])


def no(name: str, default: str) -> bool:
    return bool(NO.fullmatch(os.environ.get(name) or default))


def run(argv: Sequence[str], what: str) -> None:
    done = subprocess.run(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        print(done.stderr.strip(), file=sys.stderr)
        fail(what)


def fail(text: str) -> NoReturn:
    print(f"[ERROR] {text}", file=sys.stderr)
    sys.exit(1)


COMMANDS = {
    "import": do_import,
    "create": do_create,
    "start": do_start,
    "export": do_export,
    "remove": do_remove,
    "list": do_list,
    "version": do_version,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
