"""The stand-ins for Enroot and Pyxis behave as the documents of the real ones say; with a real enroot, that is what is tested."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.containers.bench import ContainerBench


class Enroot:
    """One image, imported, and a way to call `enroot`."""

    def __init__(self, bench: ContainerBench, folder: Path) -> None:
        self.folder = folder
        self.environment = bench.environment(os.environ)
        self.image = str(folder / "image.sqsh")
        reference = bench.push(
            f"stand-in/{folder.name.lower()}",
            environment={"WHO": "the image", "PATH": "/opt/app:/bin"},
            entrypoint=["/bin/echo", "entry"],
            command=["command", "two words"],
            working_dir="/srv",
            files={"/opt/app/hello": "#!/bin/sh\necho hello\n"},
        )
        self.uri = f"docker://{reference.replace('/', '#', 1)}"
        self.rc = folder / "rc"
        self.rc.write_text('exec "$@"\n')
        self("import", "--output", self.image, "--", self.uri)

    def __call__(self, *words: str, status: int = 0) -> str:
        done = subprocess.run(["enroot", *words], env=self.environment, capture_output=True, text=True, check=False)
        assert done.returncode == status, done.stderr
        return done.stdout if status == 0 else done.stderr

    def shell(self, text: str, *options: str, status: int = 0) -> str:
        return self("start", "--rc", str(self.rc), *options, "--", self.image, "/bin/sh", "-c", text, status=status)


@pytest.fixture(scope="module")
def enroot(containers: ContainerBench, tmp_path_factory: pytest.TempPathFactory) -> Enroot:
    return Enroot(containers, tmp_path_factory.mktemp("enroot"))


def test_without_a_command_the_images_own_runs_in_its_folder(enroot: Enroot) -> None:
    assert enroot("start", "--", enroot.image) == "entry command two words\n"


def test_a_command_is_handed_to_the_images_entrypoint(enroot: Enroot) -> None:
    assert enroot("start", "--", enroot.image, "/bin/ls") == "entry /bin/ls\n"


def test_another_command_script_runs_the_command_alone(enroot: Enroot) -> None:
    assert 'NAME="stand-in/' in enroot.shell("cat /etc/os-release")


def test_the_environment_is_the_images_and_what_is_named(enroot: Enroot) -> None:
    enroot.environment |= {"OUTSIDE": "1", "NAMED": "two words"}
    assert enroot.shell('echo "$WHO|$OUTSIDE|$NAMED"', "--env", "NAMED").strip() == "the image||two words"
    enroot.environment["ENROOT_LOGIN_SHELL"] = "n"
    assert enroot.shell("hello").strip() == "hello"


def test_the_root_is_read_only_unless_it_is_asked_for(enroot: Enroot) -> None:
    enroot.shell("touch /there", status=1)
    assert enroot.shell("touch /there && echo written", "--rw") == "written\n"


def test_a_mount_needs_its_options_as_an_fstab_has_them(enroot: Enroot) -> None:
    folder = str(enroot.folder)
    assert "rc" in enroot.shell("ls /mnt", "--rw", "--mount", f"{folder}:/mnt")
    read_only = f"{folder}:/mnt:none:x-create=auto,rbind,ro"
    enroot.shell("touch /mnt/x", "--rw", "--mount", read_only, status=1)
    assert "failed to mount" in enroot.shell("true", "--rw", "--mount", f"{folder}:/mnt:ro", status=1)


def test_an_unknown_option_is_an_error(enroot: Enroot) -> None:
    assert "Usage" in enroot("start", "--volume", "/a:/b", "--", enroot.image, status=1)


def test_a_root_file_system_is_unpacked_changed_packed_and_removed(enroot: Enroot) -> None:
    output = str(enroot.folder / "changed.sqsh")
    enroot("create", "--name", "work", "--", enroot.image)
    words = ("--root", "--rw", "--rc", str(enroot.rc), "--", "work", "/bin/sh", "-c", "echo new > /new")
    enroot("start", *words)
    enroot("export", "--output", output, "--", "work")
    enroot("remove", "--force", "--", "work")
    assert enroot("start", "--rc", str(enroot.rc), "--", output, "/bin/cat", "/new") == "new\n"
    assert "work" not in enroot("list")


def test_a_wrong_tag_and_an_unreachable_registry_are_told(enroot: Enroot) -> None:
    output = str(enroot.folder / "none.sqsh")
    assert "unknown" in enroot("import", "--output", output, "--", f"{enroot.uri}9", status=1)
    assert "refused" in enroot("import", "--output", output, "--", "docker://127.0.0.1:1#a/b:1", status=1)
    assert not Path(output).exists()
