"""`hpcc prepare` against a real registry: what goes wrong is told with the tool's last lines, and leaves no half image."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.containers.bench import LOGIN, PASSWORD, ContainerBench
from tests.jobs.project import HPCC, Project
from tests.slurm.conftest import skip_or_fail_without


@pytest.fixture(scope="module")
def image(containers: ContainerBench) -> str:
    return containers.push("prepare/app", environment={"WHO": "image"}, command=["/bin/echo", "own command"])


@pytest.fixture
def project(containers: ContainerBench, tmp_path: Path) -> Project:
    project = Project(tmp_path / "project", "local")
    project.environment = containers.environment(project.environment)
    return project


def write(project: Project, image: str, prepare: str = "", *, more: str = "", command: str = "cat /built") -> None:
    project.write(f"""
        runtime: {{backend: enroot}}
        x-slurm: {{time: "00:02:00"}}
        services:
          app:
            image: {image}
            command: [/bin/sh, -c, "{command}"]
            {prepare and f"x-runtime: {{prepare: {prepare}}}"}
          {more}
    """)


def cache_of(project: Project) -> Path:
    """Where it is without `cache_dir`; the folder above it exists."""
    cache = project.folder.parent / "home" / ".cache" / "hpc-compose"
    cache.parent.mkdir(exist_ok=True)
    return cache


def cached(project: Project) -> list[Path]:
    """Every file and folder in the cache that is more than its frame."""
    cache = cache_of(project)
    frame = {"base", "prepared", "building", "digests"}
    return [path for path in cache.rglob("*") if path.name not in frame]


def failure(project: Project, *arguments: str, code: int = 1) -> dict[str, Any]:
    """The error report of a `prepare` that fails, which left nothing."""
    report = project.json("prepare", *arguments, code=code)
    assert cached(project) == []
    return report


@pytest.mark.parametrize(
    ("reference", "said", "remedy"),
    [
        ("127.0.0.1:1/team/app:1", "refused", "reaches it"),
        ("{registry}/prepare/app:9", "unknown", "name and tag"),
        ("{registry}/prepare/none:1", "unknown", "name and tag"),
    ],
    ids=["unreachable registry", "wrong tag", "wrong name"],
)
def test_an_image_that_cannot_be_had_is_told_with_the_tools_words(
    containers: ContainerBench, project: Project, image: str, reference: str, said: str, remedy: str
) -> None:
    write(project, reference.format(registry=containers.registry))
    report = failure(project)["error"]
    assert said in report["details"]
    assert remedy in report["problems"][0]["remedy"]
    shown = project.hpcc("up", code=1).stderr
    assert said in shown
    assert "image of app" in shown


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory, containers: ContainerBench) -> Iterator[str]:
    """An image of a registry that wants a login."""
    if containers.uses_real_enroot:
        skip_or_fail_without(["a stand-in: the real one asks a token service"])
    bench = ContainerBench(tmp_path_factory.mktemp("private"), wants_login=True)
    bench.up()
    yield bench.push("team/private")
    bench.down()


def test_a_private_registry_takes_the_credentials_of_enroot(project: Project, private: str) -> None:
    write(project, private)
    report = failure(project)["error"]
    assert "authentication required" in report["details"].lower()
    assert ".credentials" in report["problems"][0]["remedy"]
    settings = project.folder.parent / "enroot-settings"
    settings.mkdir()
    project.environment["ENROOT_CONFIG_PATH"] = str(settings)
    credentials = settings / ".credentials"
    credentials.write_text(f"machine {private.partition('/')[0]} login {LOGIN} password wrong\n")
    assert ".credentials" in failure(project)["error"]["problems"][0]["remedy"]
    credentials.write_text(f"machine {private.partition('/')[0]} login {LOGIN} password {PASSWORD}\n")
    done = project.hpcc("prepare", "--format", "json")
    assert '"imported"' in done.stdout
    assert PASSWORD not in done.stdout + done.stderr
    assert all(PASSWORD not in path.read_text("latin-1") for path in cached(project) if path.is_file())


@pytest.mark.parametrize("size", ["64k", "1m"])
def test_a_full_disk_is_told_and_holds_no_half_image(project: Project, image: str, size: str) -> None:
    """A file system of its own for the cache: room for the records, and for a part of the image."""
    write(project, image)
    cache = cache_of(project)
    cache.mkdir()
    look = f"find {cache} -type f; find {cache}/building -mindepth 1"
    script = (
        f"mount -t tmpfs -o size={size} none {cache} && {{ {' '.join(HPCC)} prepare --engine local; echo $?; {look}; }}"
    )
    done = project.run_program(["unshare", "--mount", "sh", "-c", script])
    assert done.stdout.split() == ["1"], done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert "no space left" in done.stderr.lower()
    assert "cache_dir" in done.stderr or "Free some" in done.stderr


def test_a_link_to_the_cache_is_followed_and_one_in_it_is_refused(project: Project, image: str) -> None:
    write(project, image)
    cache, elsewhere = cache_of(project), project.folder.parent / "elsewhere"
    elsewhere.mkdir()
    cache.symlink_to(elsewhere)
    (report,) = project.json("prepare")["images"]
    assert Path(report["path"]).is_relative_to(cache)
    for file in (elsewhere / "base").iterdir():
        file.unlink()
    (elsewhere / "base").rmdir()
    (elsewhere / "base").symlink_to(project.folder)
    before = sorted(project.folder.rglob("*"))
    error = project.json("prepare", code=1)["error"]
    assert f"{cache}/base" in error["problems"][0]["message"]
    assert "link" in error["problems"][0]["remedy"]
    assert sorted(project.folder.rglob("*")) == before


def test_a_cache_behind_a_link_into_tmp_is_refused_where_nodes_have_their_own(project: Project, image: str) -> None:
    write(project, image)
    cache_of(project).symlink_to("/tmp")
    done = project.run_program([*HPCC, "prepare", "--engine", "slurm"])
    assert done.returncode == 3, done.stderr
    assert "(through a link: /tmp) lies in /tmp" in done.stderr
    assert "remedy: Set x-slurm.cache_dir" in done.stderr


def test_a_folder_is_no_image(project: Project) -> None:
    (project.folder / "app.sqsh").mkdir()
    write(project, "./app.sqsh")
    error = failure(project, code=3)["error"]
    assert "it is a folder" in error["problems"][0]["message"]
    assert "it is a folder" in project.hpcc("up", code=3).stderr


def test_a_prepare_command_that_fails_is_shown_and_kept_on_request(project: Project, image: str) -> None:
    write(project, image, '{commands: ["true", "echo last words of $(hostname) >&2; exit 7"]}')
    error = project.json("prepare", code=1)["error"]
    assert "last words of" in error["details"]
    assert "last words" in error["problems"][0]["message"]
    assert "status 7" in error["problems"][0]["message"]
    cache = cache_of(project)
    assert list((cache / "prepared").iterdir()) == list((cache / "building").iterdir()) == []
    shown = project.hpcc("prepare", "--keep-failed-prep", code=1).stderr
    (kept,) = (cache / "building").iterdir()
    assert str(kept) in shown
    assert (kept / "data" / "rootfs" / "etc" / "os-release").exists()
    write(project, image, '{commands: ["true", "echo better > /built"]}')
    assert {item["how"] for item in project.json("prepare")["images"]} == {"built", "reused"}


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_the_programs_and_leaves_no_part(
    project: Project, image: str, signum: signal.Signals
) -> None:
    sleep = f"sleep {10_000_000 + 10 * os.getpid() + signum}"
    write(project, image, f'{{commands: ["trap true TERM INT; while :; do {sleep}; done"]}}')
    running = project.start("prepare")
    deadline = time.monotonic() + 60
    while not sleepers(sleep):
        assert running.poll() is None, running.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(running.pid, signum)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 128 + signum, said
    assert "Traceback" not in said
    assert sleepers(sleep) == []
    cache = cache_of(project)
    assert [path.name for path in cache.rglob("*.lease")] == []
    assert list((cache / "prepared").iterdir()) == list((cache / "building").iterdir()) == []


def sleepers(command: str) -> list[int]:
    """The processes of this command line."""
    wanted = command.encode().replace(b" ", b"\0")
    found = []
    for path in Path("/proc").iterdir():
        try:
            if path.name.isdigit() and (path / "cmdline").read_bytes().rstrip(b"\0").endswith(wanted):
                found.append(int(path.name))
        except OSError:
            continue
    return found


def test_root_is_asked_for_unless_it_is_turned_off(project: Project, image: str) -> None:
    """What enroot is called with: the bench runs as root, who has no use for the option."""
    program = shutil.which("enroot", path=project.environment["PATH"])
    log = project.folder / "asked"
    spy = project.write(f'#!/bin/sh\necho "$@" >> {log}\nexec {program} "$@"\n', "spy")
    spy.chmod(0o755)
    for root in ("true", "false"):
        write(project, image, f'{{root: {root}, commands: ["echo {root} > /built"]}}')
        project.hpcc("prepare", "--enroot-bin", str(spy))
    starts = [line for line in log.read_text().splitlines() if line.startswith("start")]
    assert ["--root" in line.split() for line in starts] == [True, False]


def test_mounts_are_seen_inside_and_make_the_image_anew_each_time(project: Project, image: str) -> None:
    project.write("one", "data/text")
    write(project, image, '{mounts: ["./data:/data"], commands: ["cp /data/text /built"]}')
    assert project.log(project.up()["job_id"], "app").strip() == "one"
    project.write("two", "data/text")
    decisions = project.json("prepare", "--dry-run")["images"]
    assert "prepare.mounts" in decisions[-1]["reason"]
    assert project.log(project.up()["job_id"], "app").strip() == "two"


def test_a_local_image_is_customised_anew_when_its_content_changes(
    containers: ContainerBench, project: Project, image: str
) -> None:
    """Also with the other suffix; the content is read once for each state of the file."""
    file = project.folder / "base.squashfs"

    def imported(reference: str) -> None:
        file.unlink(missing_ok=True)
        uri = f"docker://{reference.replace('/', '#', 1)}"
        subprocess.run(["enroot", "import", "-o", file, uri], env=project.environment, check=True, capture_output=True)

    imported(image)
    write(project, "./base.squashfs", '{commands: ["grep NAME /etc/os-release > /built"]}')
    first = project.json("prepare")["images"][-1]
    assert first["how"] == "built"
    assert project.json("prepare")["images"][-1]["how"] == "reused"
    digests = list((cache_of(project) / "digests").iterdir())
    assert len(digests) == 1
    imported(containers.push("prepare/other"))
    second = project.json("prepare")["images"][-1]
    assert second["how"] == "built"
    assert second["key"] != first["key"]
    assert "prepare/other" in project.log(project.up()["job_id"], "app")


def test_all_reports_show_the_same_decisions_and_a_second_up_makes_nothing(
    containers: ContainerBench, project: Project, image: str
) -> None:
    """Digests, `#` after the registry, and --service on the way."""
    digest = subprocess.run(
        ["skopeo", "inspect", "--tls-verify=false", "--format", "{{.Digest}}", f"docker://{image}"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    pinned = f"docker://{containers.registry}#prepare/app@{digest}"
    more = f'other: {{image: "{pinned}", command: [/bin/cat, /etc/os-release]}}'
    write(project, f'"{pinned}"', '{commands: ["echo built > /built"]}', more=more)
    planned = decisions(project.json("prepare", "--dry-run")["images"])
    assert [action for action, _, _ in planned] == ["import", "build"]
    for arguments in (("plan",), ("inspect",)):
        assert decisions(project.json(*arguments)["images"]) == planned, arguments
    text = project.hpcc("prepare", "--dry-run").stdout
    assert all(reason in text for _, _, reason in planned)
    assert [item["how"] for item in project.json("prepare", "--service", "other")["images"]] == ["imported"]
    assert [item["how"] for item in project.json("prepare")["images"]] == ["reused", "built"]
    began = {path: path.stat().st_mtime_ns for path in cached(project) if path.suffix == ".sqsh"}
    report = project.up()
    assert project.log(report["job_id"], "app").strip() == "built"
    assert {path: path.stat().st_mtime_ns for path in cached(project) if path.suffix == ".sqsh"} == began


def decisions(images: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    return [(item["action"], item["path"], item["reason"]) for item in images]


def test_skip_prepare_trusts_no_damaged_image(project: Project, image: str) -> None:
    write(project, image, command="true")
    assert "is not there" in project.hpcc("up", "--skip-prepare", code=3).stderr
    project.hpcc("prepare")
    project.up("--skip-prepare")
    (file,) = (path for path in cached(project) if path.suffix == ".sqsh")
    times = file.stat().st_mtime_ns
    with file.open("r+b") as stream:
        stream.seek(5000)
        stream.write(b"damage")
    os.utime(file, ns=(times, times))
    assert "does not match its checksum" in project.hpcc("up", "--skip-prepare", code=3).stderr


def test_each_job_has_folders_for_enroot_that_go_with_it(project: Project, image: str) -> None:
    """ENROOT_CACHE_PATH, ENROOT_DATA_PATH and ENROOT_TEMP_PATH of the program that starts the container."""
    program = shutil.which("enroot", path=project.environment["PATH"])
    seen = project.folder / "seen"
    spies = project.folder / "spies"
    spy = project.write(
        f'#!/bin/sh\ncase $1 in start) for name in CACHE DATA TEMP; do eval "folder=\\$ENROOT_${{name}}_PATH"; '
        f'ls -d "$folder" >> {seen}; done;; esac\nexec {program} "$@"\n',
        "spies/enroot",
    )
    spy.chmod(0o755)
    project.environment["PATH"] = f"{spies}:{project.environment['PATH']}"
    write(project, image, command="true")
    report = project.up()
    runtime = cache_of(project) / "runtime" / report["job_id"]
    assert seen.read_text().split() == [str(runtime / name) for name in ("cache", "data", "tmp")]
    assert not runtime.exists()
