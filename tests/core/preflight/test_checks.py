"""Each check, at a site made of a few small programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from compose_core.cluster.site import Site
from compose_core.cluster.srun import offers_containers, parse_mpi_list
from compose_core.plan import Plan, build_plan
from compose_core.planning import plan_context
from compose_core.preflight.checks import PreflightFailed, blockers, findings_of
from compose_core.preflight.finding import Finding, report
from compose_core.spec import load_spec

PYXIS = 'echo "      --container-image=[USER@][REGISTRY#]IMAGE[:TAG]|PATH"'
MPI = 'printf "MPI plugin types are...\\n\\tnone\\n\\tpmi2\\n\\tpmix\\n" >&2'


class World:
    """A home, a project and a PATH of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.programs = folder / "bin"
        self.project = folder / "project"
        for path in (self.home, self.programs, self.project):
            path.mkdir()
        for name in ("sbatch", "scontrol", "sstat", "enroot"):
            self.program(name, "true")
        self.program("srun", f'case "$1" in --help) {PYXIS};; --mpi=list) {MPI};; esac')

    def program(self, name: str, body: str) -> None:
        path = self.programs / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)

    def site(self, engine: str = "slurm") -> Site:
        environment = {"PATH": str(self.programs), "HOME": str(self.home), "XDG_STATE_HOME": str(self.folder / "state")}
        return Site.detect(engine, environment)

    def plan(self, engine: str = "slurm", spec: dict[str, Any] | None = None, **more: Any) -> Plan:
        file = self.project / "compose.yaml"
        file.write_text(
            json.dumps({"services": {"app": {"image": "app:1", "command": ["run"]}}, **(spec or {}), **more})
        )
        loaded = load_spec(file, variables={})
        return build_plan(loaded, plan_context(self.site(engine), loaded))

    def found(
        self, check: str, engine: str = "slurm", spec: dict[str, Any] | None = None, **more: Any
    ) -> list[Finding]:
        """What one check says of this file."""
        findings = findings_of(self.plan(engine, spec, **more), self.site(engine))
        return [finding for finding in findings if finding.check == check]

    def level(self, check: str, engine: str = "slurm", spec: dict[str, Any] | None = None, **more: Any) -> set[str]:
        return {finding.level for finding in self.found(check, engine, spec, **more)}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_site_that_has_everything_has_no_blockers(world: World) -> None:
    """The project of this test lies in /tmp, which is told."""
    findings = findings_of(world.plan(spec={"x-slurm": {"cache_dir": "~/cache"}}), world.site())
    assert {finding.check for finding in findings if finding.level == "error"} <= {"cache-place"}
    assert {finding.check for finding in findings if finding.level == "ok"} >= {
        "slurm-programs",
        "pyxis",
        "cache-writable",
    }


@pytest.mark.parametrize("program", ["sbatch", "srun"])
def test_a_missing_slurm_program_is_a_blocker_with_its_option(world: World, program: str) -> None:
    plan = world.plan()
    site = world.site()
    (world.programs / program).unlink()
    (finding,) = [one for one in findings_of(plan, site) if one.check == "slurm-programs" and one.level == "error"]
    assert f"--{program}-bin" in finding.remedy


def test_scontrol_is_needed_for_several_nodes_only(world: World) -> None:
    (world.programs / "scontrol").unlink()
    assert world.level("slurm-programs") == {"ok"}
    assert "error" in world.level("slurm-programs", spec={"x-slurm": {"nodes": 2}})


def test_without_enroot_nothing_can_be_imported(world: World) -> None:
    (world.programs / "enroot").unlink()
    assert world.level("container-program") == {"error"}
    (world.project / "own.sqsh").write_bytes(b"x")
    local = {"services": {"app": {"image": "./own.sqsh", "command": ["run"]}}}
    assert world.level("container-program", spec=local) == set()


def test_an_srun_without_pyxis_is_a_blocker(world: World) -> None:
    world.program("srun", "echo no containers here")
    assert world.level("pyxis") == {"error"}
    assert world.level("pyxis", runtime={"backend": "enroot"}) == set()


def test_an_mpi_plugin_that_srun_does_not_have_is_a_blocker(world: World) -> None:
    def services(plugin: str) -> dict[str, Any]:
        return {"app": {"image": "app:1", "command": ["run"], "x-slurm": {"mpi": {"type": plugin}}}}

    assert world.level("mpi", services=services("pmix")) == {"ok"}
    (finding,) = world.found("mpi", services=services("cray_shasta"))
    assert finding.level == "error"
    assert "pmi2" in finding.message


def test_a_cache_behind_a_link_into_tmp_is_a_blocker(world: World, tmp_path: Path) -> None:
    """The compose file's own rule sees the path as it is written only."""
    (world.home / ".cache").mkdir()
    (world.home / ".cache" / "hpc-compose").symlink_to(tmp_path / "elsewhere")
    (finding,) = world.found("cache-place")
    assert finding.level == "error"
    assert "through a link" in finding.message


def test_a_cache_that_cannot_be_written_is_a_blocker(world: World) -> None:
    (world.home / ".cache").write_text("no folder")
    assert world.level("cache-writable") == {"error"}
    (world.home / ".cache").unlink()
    assert world.level("cache-writable") == {"ok"}
    assert list((world.home / ".cache" / "hpc-compose").iterdir()) == []


def test_a_missing_mount_and_a_broken_link_are_blockers(world: World) -> None:
    (world.project / "there").mkdir()
    (world.project / "broken").symlink_to("/nowhere/at/all")
    (world.project / "link").symlink_to("there")
    volumes = ["./there:/a", "./gone:/b", "./broken:/c", "./link:/d"]
    found = world.found("mounts", services={"app": {"image": "app:1", "command": ["run"], "volumes": volumes}})
    assert [finding.level for finding in found] == ["ok", "error", "error", "info"]


def test_a_local_image_that_is_not_there_is_a_blocker(world: World) -> None:
    assert world.level("local-images", services={"app": {"image": "./gone.sqsh", "command": ["run"]}}) == {"error"}


def test_logins_are_looked_up_by_registry_and_their_file_must_be_private(world: World) -> None:
    services = {
        "hub": {"image": "redis:7", "command": ["x"]},
        "known": {"image": "registry.example.org/a:1", "command": ["x"]},
        "nvidia": {"image": "nvcr.io#nvidia/pytorch:24.01", "command": ["x"]},
    }
    credentials = world.home / ".config" / "enroot" / ".credentials"
    credentials.parent.mkdir(parents=True)
    credentials.write_text("machine registry.example.org login me password s3cret\n")
    credentials.chmod(0o644)
    found = world.found("registry-login", services=services)
    assert [finding.level for finding in found] == ["warning", "warning", "info", "ok"]
    assert "chmod 600" in found[0].remedy
    assert "nvcr.io" in found[1].message
    assert not any("s3cret" in str(finding) for finding in found)


def test_the_host_backend_on_this_machine_needs_nothing(world: World) -> None:
    spec = {"runtime": {"backend": "host"}, "services": {"app": {"command": ["run"]}}}
    for program in list(world.programs.iterdir()):
        program.unlink()
    findings = findings_of(world.plan("local", spec), world.site("local"))
    assert blockers(findings, strict=True) == ()


def test_strict_makes_blockers_of_warnings_and_all_blockers_are_told_at_once(world: World) -> None:
    warning = Finding(check="a", level="warning", message="look", remedy="do")
    error = Finding(check="b", level="error", message="broken")
    assert blockers((warning, error)) == (error,)
    assert blockers((warning, error), strict=True) == (warning, error)
    assert [problem.message for problem in PreflightFailed((warning, error)).problems] == ["look", "broken"]
    assert report((warning, error))["summary"]["blockers"] == 1


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("MPI plugin types are...\n\tpmix\n\tpmi2\n\tnone\n", {"pmix", "pmi2", "none"}),
        ("srun: MPI types are...\nsrun: none\nsrun: pmix_v4\n", {"none", "pmix_v4"}),
        (
            "MPI plugin types are...\n\tnone\n\tpmix\nspecific pmix plugin versions available: pmix_v4\n",
            {"none", "pmix", "pmix_v4"},
        ),
        ("", set()),
    ],
)
def test_the_list_of_mpi_plugins_is_read_in_all_its_forms(text: str, names: set[str]) -> None:
    assert parse_mpi_list(text) == names


def test_an_srun_that_hangs_is_no_pyxis(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """And it is not waited for."""
    from compose_core.preflight import programs

    monkeypatch.setattr(programs, "_PATIENCE_S", 0.2)
    world.program("srun", "exec /bin/sleep 60")
    assert world.level("pyxis") == {"error"}
    assert not offers_containers("")
