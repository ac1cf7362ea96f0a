"""`apptainer pull`, as Snakemake calls it: images come from the core's cache."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from snakemake_executor_plugin_hpccompose.containers import remove_unpacked, stand_in
from snakemake_executor_plugin_hpccompose.containers.pull import parse_pull
from tests.containers.bench import LOGIN, PASSWORD, ContainerBench, missing_programs
from tests.slurm.conftest import skip_or_fail_without

pytestmark = pytest.mark.adapters


@pytest.fixture(autouse=True)
def _workdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder of the workflow, where it is written down what was fetched."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def open_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ContainerBench]:
    """A registry without logins."""
    yield from _running(ContainerBench(tmp_path_factory.mktemp("registry")))


@pytest.fixture(scope="module")
def private_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ContainerBench]:
    """A registry that wants a login."""
    yield from _running(ContainerBench(tmp_path_factory.mktemp("private"), wants_login=True))


@pytest.fixture(params=["open", "private"])
def registry(request: pytest.FixtureRequest) -> ContainerBench:
    """Both, one after the other."""
    found: ContainerBench = request.getfixturevalue(f"{request.param}_registry")
    return found


def _running(bench: ContainerBench) -> Iterator[ContainerBench]:
    skip_or_fail_without(missing_programs())
    bench.up()
    yield bench
    bench.down()


def pull(bench: ContainerBench, folder: Path, url: str, *, login: bool = True) -> subprocess.CompletedProcess[str]:
    """`apptainer pull --name image.simg URL` in the folder."""
    environment = bench.environment({"PATH": os.environ["PATH"], "HOME": str(folder / "home")})
    if login:
        (folder / "enroot").mkdir(exist_ok=True)
        (folder / "enroot" / ".credentials").write_text(f"machine {bench.registry} login {LOGIN} password {PASSWORD}\n")
        environment["ENROOT_CONFIG_PATH"] = str(folder / "enroot")
    stand_in("enroot", [], environment)
    return subprocess.run(
        ["apptainer", "pull", "--name", "image.simg", url],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_an_image_is_fetched_once_for_all_workflows(registry: ContainerBench, tmp_path: Path) -> None:
    """The second workflow shares the file of the first; credentials are those of Enroot."""
    url = f"docker://{registry.push('team/once')}"
    seen = set()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        environment_home = tmp_path / name / "home"
        environment_home.symlink_to(tmp_path / "home")
        (tmp_path / "home").mkdir(exist_ok=True)
        done = pull(registry, tmp_path / name, url)
        assert done.returncode == 0, done.stderr
        image = tmp_path / name / "image.simg"
        assert image.read_bytes()[:4] == b"hsqs"
        seen.add(image.stat().st_ino)
    assert len(seen) == 1


def test_a_refused_login_says_where_credentials_go(private_registry: ContainerBench, tmp_path: Path) -> None:
    """The text that Snakemake shows names the file, and no secret."""
    url = f"docker://{private_registry.push('team/secret')}"
    done = pull(private_registry, tmp_path, url, login=False)
    assert done.returncode == 1
    assert ".credentials" in done.stderr
    assert PASSWORD not in done.stderr
    assert not (tmp_path / "image.simg").exists()


@pytest.mark.parametrize("url", ["oras://reg/x:1", "shub://some/x", "library://x/y:1", "docker-archive:x.tar"])
def test_images_of_apptainer_alone_are_refused_with_the_way_out(url: str, tmp_path: Path) -> None:
    """Enroot imports from Docker's registries."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    stand_in("enroot", [], environment)
    done = subprocess.run(
        ["apptainer", "pull", "--name", "a.simg", url], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "docker://REGISTRY/IMAGE:TAG" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_words_of_a_pull_are_read() -> None:
    """As Snakemake says them, and as people do."""
    assert parse_pull(["--name", "x.simg", "docker://a"]) == ("x.simg", "docker://a")
    assert parse_pull(["--force", "x.sif", "docker://a"]) == ("x.sif", "docker://a")


def test_without_squashfuse_an_image_is_unpacked_once_per_job(open_registry: ContainerBench, tmp_path: Path) -> None:
    """By whichever command comes first, also of several at once; at the end of the job it is gone."""
    url = f"docker://{open_registry.push('team/unpack', files={'/opt/say': '#!/bin/sh' + chr(10) + 'echo said $1'})}"
    assert pull(open_registry, tmp_path, url).returncode == 0
    environment = open_registry.environment({"PATH": os.environ["PATH"], "HOME": str(tmp_path / "home")})
    environment |= {"HPCC_CONTAINER_UNPACK": "1", "SLURM_JOB_ID": "41", "TMPDIR": str(tmp_path / "tmp")}
    (tmp_path / "tmp").mkdir()
    stand_in("enroot", [], environment)
    words = ["apptainer", "exec", "--home", str(tmp_path), "image.simg", "/opt/say"]
    started = [
        subprocess.Popen([*words, str(number)], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True)
        for number in range(3)
    ]
    assert [process.communicate(timeout=60)[0] for process in started] == ["said 0\n", "said 1\n", "said 2\n"]
    [folder] = (tmp_path / "tmp").iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert len(list(folder.glob("*.done"))) == 1
    remove_unpacked(environment)
    assert not folder.exists()


def test_an_image_is_prepared_as_the_mapping_file_says(open_registry: ContainerBench, tmp_path: Path) -> None:
    """Without a change of the Snakefile; when the file changes, Snakemake's copy goes, so that it asks again."""
    url = f"docker://{open_registry.push('team/plain')}"
    environment = open_registry.environment({"PATH": os.environ["PATH"], "HOME": str(tmp_path / "home")})
    mapping = tmp_path / "map.yaml"

    def fetched(text: str) -> list[str]:
        mapping.write_text(f'images:\n  "{url}":\n    prepare: {{commands: ["echo {text} > /etc/prepared"]}}\n')
        stand_in("enroot", [], environment, config="map.yaml")
        folder = tmp_path / ".snakemake/singularity"
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "x.simg").exists():
            command = ["apptainer", "pull", "--name", "x.simg", url]
            done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
        shown = ["unsquashfs", "-cat", str(folder / "x.simg"), "etc/prepared"]
        return subprocess.run(shown, capture_output=True, text=True, check=True).stdout.split()

    assert [fetched("one"), fetched("one"), fetched("two")] == [["one"], ["one"], ["two"]]


def test_an_image_that_cannot_be_fetched_names_its_line(open_registry: ContainerBench, tmp_path: Path) -> None:
    """Snakemake, which asks for images before it makes an executor, names no rule."""
    url = f"docker://{open_registry.registry}/team/none:1"
    (tmp_path / "Snakefile").write_text(f'rule a:\n    output: "x"\n    container: "{url}"\n    shell: "true"\n')
    environment = open_registry.environment({"PATH": os.environ["PATH"], "HOME": str(tmp_path / "home")})
    stand_in("enroot", [], environment)
    command = ["apptainer", "pull", "--name", "x.simg", url]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert done.stderr.startswith("Snakefile:3: ")
    assert url.removeprefix("docker://").partition("/")[2].partition(":")[0] in done.stderr
