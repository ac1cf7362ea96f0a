"""From a compose file to a plan."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from compose_core.errors import SpecError
from compose_core.plan import Plan, PlanContext, build_plan
from compose_core.plan.model import shown
from compose_core.plan.report import all_decisions, plan_report
from compose_core.spec import load_spec

SLURM = PlanContext(engine="slurm", home="/home/me", container_backends=("pyxis", "enroot", "apptainer"))
BARE = PlanContext(engine="local", home="/home/me", container_backends=())


def plan_of(folder: Path, text: str, context: PlanContext = SLURM) -> Plan:
    """The plan of this compose file."""
    (folder / "compose.yaml").write_text(textwrap.dedent(text))
    return build_plan(load_spec(folder / "compose.yaml", variables={}), context)


def refused(folder: Path, text: str, context: PlanContext = SLURM) -> list[str]:
    """The findings that keep this compose file from being planned, as text."""
    with pytest.raises(SpecError) as caught:
        plan_of(folder, text, context)
    return [str(problem) for problem in caught.value.problems]


TWO = """
    name: two
    runtime: {backend: host}
    services:
      client: {command: [ask], depends_on: [server]}
      server: {command: [serve], environment: {API_TOKEN: abc, MODE: fast}}
"""


def test_equal_files_give_equal_plans(tmp_path: Path) -> None:
    """A plan is data; nothing of the moment is in it."""
    assert plan_of(tmp_path, TWO) == plan_of(tmp_path, TWO)


def test_services_are_in_launch_order(tmp_path: Path) -> None:
    """Whatever the order of the file."""
    assert [step.service for step in plan_of(tmp_path, TWO).steps] == ["server", "client"]


def test_every_default_has_a_reason(tmp_path: Path) -> None:
    """A person who asks why gets an answer."""
    decisions = {item.key: item for item in all_decisions(plan_of(tmp_path, TWO))}
    assert decisions["runtime.backend"].reason == "as written"
    assert decisions["x-slurm.cache_dir"].value == "/home/me/.cache/hpc-compose"
    assert all(item.reason for item in decisions.values())


def test_the_report_never_shows_a_secret(tmp_path: Path) -> None:
    """The plan itself needs the value, what is shown does not."""
    report = plan_report(plan_of(tmp_path, TWO))
    assert report["services"][0]["environment"] == {
        "API_TOKEN": "***",
        "MODE": "fast",
    }
    assert "abc" not in str(report)


def test_the_only_main_service_gets_the_cpus_of_the_allocation(tmp_path: Path) -> None:
    """A step never silently gets one CPU; thread pools follow."""
    plan = plan_of(
        tmp_path,
        """
        runtime: {backend: host}
        x-slurm: {cpus_per_task: 8}
        services:
          work: {command: [work]}
          helper: {command: [help], x-slurm: {lifecycle: sidecar, cpus_per_task: 1}}
        """,
    )
    assert "--cpus-per-task=8" in [shown(option) for option in plan.step("work").srun_options]
    assert {entry.name: shown(entry.value) for entry in plan.step("work").environment}["OMP_NUM_THREADS"] == "8"


def test_main_services_without_a_request_share_what_the_others_left(tmp_path: Path) -> None:
    """Ten CPUs, two are asked for, the other two services get four each."""
    plan = plan_of(
        tmp_path,
        """
        runtime: {backend: host}
        x-slurm: {cpus_per_task: 10}
        services:
          a: {command: [a], x-slurm: {cpus_per_task: 2}}
          b: {command: [b]}
          c: {command: [c]}
        """,
    )
    shares = [shown(option) for step in plan.steps for option in step.srun_options if "cpus" in shown(option)]
    assert shares == ["--cpus-per-task=2", "--cpus-per-task=4", "--cpus-per-task=4"]


def test_a_helper_of_a_multi_node_job_is_pinned_to_the_primary_node(tmp_path: Path) -> None:
    """The distributed service spans the allocation."""
    plan = plan_of(
        tmp_path,
        """
        runtime: {backend: host}
        x-slurm: {nodes: 4, ntasks_per_node: 2}
        services:
          helper: {command: [help]}
          train: {command: [train], x-slurm: {nodes: 4}}
        """,
    )
    helper, train = plan.step("helper"), plan.step("train")
    assert (helper.placement, helper.nodes, helper.ntasks) == ("primary_node", 1, 1)
    assert (train.placement, train.nodes, train.ntasks) == ("distributed", 4, 8)
    assert "--nodelist=${HPC_COMPOSE_PRIMARY_NODE}" in [shown(option) for option in helper.srun_options]


def test_a_gres_list_wins_over_a_gpu_count(tmp_path: Path) -> None:
    """At the same level."""
    plan = plan_of(
        tmp_path,
        """
        runtime: {backend: host}
        x-slurm: {gres: "gpu:a100:2", gpus: 4}
        services: {a: {command: [a]}}
        """,
    )
    options = [directive.option for directive in plan.directives]
    assert "--gres" in options
    assert "--gpus" not in options


def test_an_image_on_a_machine_without_containers_names_the_host_backend(tmp_path: Path) -> None:
    """The remedy is one line of YAML."""
    (finding,) = refused(tmp_path, "services: {web: {image: 'redis:7', command: [redis-server]}}", BARE)
    assert "compose.yaml:1:" in finding
    assert "redis:7" in finding
    assert "runtime: {backend: host}" in finding


def test_the_local_engine_is_one_node(tmp_path: Path) -> None:
    """It says so before anything is written."""
    text = "{runtime: {backend: host}, x-slurm: {nodes: 2}, services: {a: {command: [a], x-slurm: {nodes: 2}}}}"
    assert any("one node" in finding for finding in refused(tmp_path, text, BARE))


def test_without_a_command_the_images_own_is_run(tmp_path: Path) -> None:
    """It is shown as none of ours."""
    step = plan_of(tmp_path, "services: {web: {image: 'redis:7'}}").step("web")
    assert step.command == ()
    assert [shown(word) for word in step.argv] == ["/bin/sh", "/etc/rc"]


def test_a_command_on_the_enroot_backend_leaves_the_images_entrypoint_out(tmp_path: Path) -> None:
    """Without a command script of its own, Enroot would hand the command to the image's entrypoint."""
    text = """
        runtime: {backend: enroot}
        services: {web: {image: 'redis:7', command: [run], volumes: ['/with space:/x:ro']}}
        """
    argv = [shown(word) for word in plan_of(tmp_path, text).step("web").argv]
    assert argv[argv.index("--rc") + 1] == "${HPC_COMPOSE_JOB_ROOT}/enroot.rc"
    assert "/with\\040space:/x:none:x-create=auto,rbind,ro" in argv
    assert argv[-1] == "run"


def test_a_parameter_without_a_default_has_no_value_in_a_single_job(tmp_path: Path) -> None:
    """The first value of the sweep would be taken for the right one."""
    findings = refused(
        tmp_path,
        """
        runtime: {backend: host}
        sweep: {parameters: {lr: [1]}}
        services: {a: {command: [a, $lr]}}
        """,
    )
    assert ["lr is a parameter of the `sweep`" in finding for finding in findings] == [True]


def test_a_single_job_leaves_the_sweep_out_and_says_so(tmp_path: Path) -> None:
    """Outside of `hpcc sweep` the block is a remark."""
    text = """
        runtime: {backend: host}
        sweep: {parameters: {lr: [1]}}
        services: {a: {command: [a, "${lr:-2}"]}}
        """
    plan = plan_of(tmp_path, text)
    assert [warning.code for warning in plan.warnings] == ["sweep-left-out"]
    assert [shown(word) for word in plan.step("a").argv] == ["a", "2"]


def test_a_mount_that_cannot_be_written_down_is_refused(tmp_path: Path) -> None:
    """`:` and `,` separate mounts and cannot be escaped."""
    (finding,) = refused(tmp_path, "services: {web: {image: 'redis:7', command: [x], volumes: ['./a,b:/data']}}")
    assert "cannot be escaped" in finding


def test_a_remote_image_has_its_place_in_the_cache_by_content_and_format(tmp_path: Path) -> None:
    """The same for the same image and cache, whatever the release; a local image needs none."""
    text = """
        x-slurm: {cache_dir: /shared/cache}
        services:
          a: {image: 'redis:7', command: [x]}
          b: {image: 'docker://redis:7', command: [x]}
          c: {image: ./own.sqsh, command: [x]}
        """
    paths = {service: image.runtime_path for image in plan_of(tmp_path, text).images for service in image.services}
    assert paths["a"] == paths["b"] == "/shared/cache/base/1aad12bf83354f9b-redis-7.sqsh"
    assert paths["c"] == str(tmp_path / "own.sqsh")


@pytest.mark.parametrize("backend", ["enroot", "apptainer"])
def test_a_path_that_would_hide_the_container_program_is_refused(tmp_path: Path, backend: str) -> None:
    """On the other backends PATH is the service's own."""
    text = (
        "runtime: {{backend: {0}}}\nservices: {{app: {{image: /a.{1}, command: x, environment: {{PATH: /app/bin}}}}}}"
    )
    (problem,) = refused(tmp_path, text.format(backend, "sqsh" if backend == "enroot" else "sif"))
    assert f"decide where the node finds {backend}" in problem
    assert plan_of(tmp_path, text.format("pyxis", "sqsh")).steps


@pytest.mark.parametrize(
    ("backend", "folder", "is_refused"),
    [
        ("enroot", "my project", True),
        ("enroot", "a,b", True),
        ("enroot", "project", False),
        ("pyxis", "a:b", True),
        ("apptainer", "a,b", True),
        ("apptainer", "my project", False),
        ("host", "my: project", False),
    ],
)
def test_a_job_folder_that_no_mount_can_name_is_refused(
    tmp_path: Path, backend: str, folder: str, is_refused: bool
) -> None:
    """It is mounted into every container, by a path that nobody can escape beforehand."""
    text = f'runtime: {{backend: {backend}}}\nservices: {{app: {{image: alpine, command: ["true"]}}}}\n'
    (tmp_path / folder).mkdir()
    if not is_refused:
        plan_of(tmp_path / folder, text)
        return
    with pytest.raises(SpecError, match="the job folder lies below") as caught:
        plan_of(tmp_path / folder, text)
    assert [problem.code for problem in caught.value.problems] == ["mount-syntax"]
    plan_of(tmp_path / folder, f"{text}x-slurm: {{runtime_root: /shared/jobs}}\n")
