"""From a rule to a compose job: services, the mapping file, and what decides which jobs are alike."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from compose_core import SpecError, load_spec
from snakemake_executor_plugin_hpccompose.allocation import Site
from snakemake_executor_plugin_hpccompose.compose_job import ComposeJob, JobOptions, compose_job
from snakemake_executor_plugin_hpccompose.errors import RuleError
from snakemake_executor_plugin_hpccompose.mapping import EMPTY, Mapping, read_mapping
from snakemake_executor_plugin_hpccompose.partitions import read_partitions
from snakemake_executor_plugin_hpccompose.rule_facts import RuleFacts

pytestmark = pytest.mark.adapters

REDIS = """\
services:
  redis:
    image: redis:7
    command: redis-server --port @{redis.port.tcp}
    readiness: {type: tcp, port: "@{redis.port.tcp}"}
    volumes: [./data:/data]
    x-slurm: {ports: [tcp], cpus_per_task: 2, mem: 512M}
  client:
    environment: {MODE: fast}
    depends_on: [redis]
x-slurm: {partition: stack, setup: ["export A=$HOME"], runtime_root: jobs, mem: 1G, job_name: redis}
"""


class World:
    """A workflow's folder, with what the options say."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.options = JobOptions(workdir=folder, environment={"HOME": "/home/me", "TOKEN": "s3cret-s3cret"})
        self.mapping: Mapping = EMPTY

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def map(self, text: str) -> None:
        """The mapping file."""
        self.mapping = read_mapping(self.write("mapping.yaml", text))

    def job(self, *rules: str, threads: int = 1, resources: dict[str, Any] | None = None, **facts: Any) -> ComposeJob:
        """The compose job of a rule or a group."""
        names = rules or ("align",)
        made = RuleFacts(name="+".join(names), rules=names, threads=threads, resources=resources or {}, **facts)
        return compose_job(made, self.options, self.mapping)

    def refused(self, *rules: str, **job: Any) -> str:
        """What the user reads."""
        with pytest.raises(RuleError) as caught:
            self.job(*rules, **job)
        return str(caught.value).replace(f"{self.folder}/", "")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_plain_rule_is_one_host_service_in_the_batch_step(world: World) -> None:
    job = world.job(threads=2, resources={"mem_mb": 100, "runtime": 5})
    assert job.spec == {
        "runtime": {"backend": "host"},
        "services": {"main": {"command": ["true"], "x-slurm": {"launch": "batch"}}},
        "x-slurm": {"cpus_per_task": 2, "mem": "100M", "time": "00:05:00"},
    }
    assert (job.cpus, job.mem_mb, job.runtime_min, job.sidecars, job.needs, job.pack) == (2, 100, 5, (), (), None)


def test_a_stack_runs_beside_the_rule(world: World) -> None:
    world.write("stacks/redis.yaml", REDIS)
    asks = {"compose": "stacks/redis.yaml", "compose_main": "client", "mem_mb": 1000}
    job = world.job(threads=2, resources=asks)
    main, redis = job.spec["services"]["main"], job.spec["services"]["redis"]
    assert main == {
        "command": ["true"],
        "environment": {"MODE": "fast"},
        "depends_on": {"redis": {"condition": "service_healthy"}},
        "x-slurm": {"launch": "batch"},
    }
    assert redis["x-slurm"] == {"ports": ["tcp"], "cpus_per_task": 2, "mem": "512M", "lifecycle": "sidecar"}
    assert Path(redis["volumes"][0]["source"]) == world.folder / "stacks/data"
    assert redis["environment"] == {"HPCC_RULE": "align", "HPCC_THREADS": "2", "HPCC_WORKDIR": str(world.folder)}
    assert job.spec["x-slurm"] == {
        "partition": "stack",
        "setup": ["export A=$HOME"],
        "runtime_root": f"{world.folder}/stacks/jobs",
        "cpus_per_task": 4,
        "mem": "1512M",
    }
    assert "client" not in job.spec["services"]
    assert (job.sidecars, job.cpus, job.mem_mb) == (("redis",), 2, 1000)


def test_the_spec_is_a_complete_compose_file(world: World) -> None:
    world.write("redis.yaml", REDIS)
    spec = world.job(resources={"compose": "redis.yaml", "compose_main": "client"}).spec
    loaded = load_spec(world.folder / "x.yaml", text=json.dumps(spec), variables={})
    assert loaded.spec.services["main"].x_slurm.launch == "batch"


def test_without_a_name_the_rule_is_one_more_service(world: World) -> None:
    world.write("redis.yaml", REDIS.replace("    depends_on: [redis]\n", "    image: x\n"))
    job = world.job(resources={"compose": "redis.yaml"})
    assert job.sidecars == ("redis", "client")
    assert job.spec["services"]["main"]["depends_on"] == {
        "redis": {"condition": "service_healthy"},
        "client": {"condition": "service_started"},
    }


HOSTILE = "a'b\"c$(touch x)`id` ${HOME} ; \\ é"


def test_values_of_the_job_are_data(world: World) -> None:
    """In the environment, in interpolated fields and in shell text, which reads the environment."""
    world.write(
        "s.yaml",
        'runtime: {backend: host}\nservices:\n  s:\n    command: echo "$HPCC_WILDCARD_s"\n'
        "    environment: {P: 'x ${HPCC_PARAM_p}', I: '${HPCC_INPUT_1}'}\n",
    )
    facts: dict[str, Any] = {"wildcards": {"s": HOSTILE}, "params": {"p": HOSTILE}, "input": ("a", HOSTILE)}
    spec = world.job(resources={"compose": "s.yaml"}, **facts).spec
    loaded = load_spec(world.folder / "x.yaml", text=json.dumps(spec), variables={"HOME": "no"})
    environment = loaded.spec.services["s"].environment
    assert environment["HPCC_WILDCARD_s"] == environment["HPCC_PARAM_p"] == environment["HPCC_INPUT_1"] == HOSTILE
    assert (environment["P"], environment["I"]) == (f"x {HOSTILE}", HOSTILE)
    assert "HPCC_OUTPUT" not in environment, "nothing names it"


def test_a_wildcard_whose_name_looks_secret_is_none(world: World) -> None:
    world.write(
        "s.yaml",
        "runtime: {backend: host}\nservices: {s: {command: run, environment: {A: '${HPCC_WILDCARD_author}'}}}\n",
    )
    job = world.job(resources={"compose": "s.yaml"}, wildcards={"author": "Hildegard von Bingen"})
    assert job.spec["services"]["s"]["environment"]["A"] == "Hildegard von Bingen"


def test_a_value_cannot_stand_for_a_host_or_port(world: World) -> None:
    world.write("s.yaml", 'runtime: {backend: host}\nservices: {s: {command: echo "$HPCC_WILDCARD_s"}}\n')
    assert "stands for hosts and ports" in world.refused(resources={"compose": "s.yaml"}, wildcards={"s": "@{s.host}"})


def test_jobs_whose_services_do_not_tell_them_apart_have_one_shape(world: World) -> None:
    """They become one array; where a service names a value of the job, each is on its own."""
    world.write("s.yaml", "runtime: {backend: host}\nservices: {s: {command: echo $HPCC_RULE}}\n")
    world.write("own.yaml", "runtime: {backend: host}\nservices: {s: {command: echo $HPCC_WILDCARD_i}}\n")
    alike = [world.job(resources={"compose": "s.yaml"}, wildcards={"i": str(i)}) for i in range(3)]
    apart = [world.job(resources={"compose": "own.yaml"}, wildcards={"i": str(i)}) for i in range(3)]
    assert len({job.shape_key for job in alike}) == 1
    assert alike[0] is alike[2], "made once"
    assert len({job.shape_key for job in apart}) == 3


def test_different_rules_that_ask_for_the_same_have_one_shape(world: World) -> None:
    assert world.job("a", resources={"mem_mb": 5}).shape_key == world.job("b", resources={"mem_mb": 5}).shape_key
    assert world.job("a", resources={"mem_mb": 5}).shape_key != world.job("a", resources={"mem_mb": 6}).shape_key


def test_the_sections_of_files_give_way_to_the_rule(world: World) -> None:
    world.write("redis.yaml", REDIS)
    world.options = JobOptions(
        workdir=world.folder, site=Site(account="site", partition="site", qos="site", requeue=True)
    )
    world.map("defaults: {x-slurm: {account: mapped, mem: 7G}}\nrules: {align: {x-slurm: {licenses: 'm:1'}}}\n")
    slurm = world.job(resources={"compose": "redis.yaml", "compose_main": "client"}).spec["x-slurm"]
    assert slurm["partition"] == "stack"
    assert (slurm["account"], slurm["qos"], slurm["requeue"], slurm["licenses"]) == ("mapped", "site", True, "m:1")
    assert slurm["mem"] == "7G", "the rule asks for no memory, and the mapping wins over the stack"
    mine = world.job(resources={"slurm_account": "own", "slurm_partition": "own", "mem_mb": 10}).spec["x-slurm"]
    assert (mine["account"], mine["partition"], mine["mem"]) == ("own", "own", "10M")
    assert world.job("other").spec["x-slurm"]["partition"] == "site"


def test_the_partition_has_room_for_the_services_too(world: World) -> None:
    world.write("redis.yaml", REDIS.replace("partition: stack, ", ""))
    path = world.write("p.yaml", "partitions: {small: {max_mem_mb: 1000}, large: {max_mem_mb: 9000}}\n")
    world.options = JobOptions(workdir=world.folder, partitions=read_partitions(path))
    assert world.job(resources={"mem_mb": 800}).spec["x-slurm"]["partition"] == "small"
    beside = {"mem_mb": 800, "compose": "redis.yaml", "compose_main": "client"}
    assert world.job(resources=beside).spec["x-slurm"]["partition"] == "large"
    assert world.job(resources={"slurm_partition": "x"}).spec["x-slurm"]["partition"] == "x"


def test_the_environment_names_the_file_of_partitions_too(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("partitions: {only: {}}\n")
    names = "account partition qos reservation requeue no_requeue partition_config container_runtime container_mounts"
    settings = SimpleNamespace(**dict.fromkeys(names.split()))
    environment = {"SNAKEMAKE_SLURM_PARTITIONS": str(tmp_path / "p.yaml")}
    options = JobOptions.of(settings, workdir=tmp_path, environment=environment)
    assert options.partitions is not None
    assert list(options.partitions.by_name) == ["only"]


def test_rules_of_the_mapping_file_are_patterns(world: World) -> None:
    world.options = JobOptions(workdir=world.folder, containers=True)
    world.write("stacks/redis.yaml", REDIS)
    world.map("""
defaults: {pack: 3, needs: [vllm]}
rules:
  "em*": {compose: stacks/redis.yaml, main: client, container: {runtime: pyxis, mounts: [/data]}}
  embed: {pack: 5, share_sidecars: true}
services: {vllm: {compose: vllm.yaml, service: api, variables: {MODEL: small}}}
""")
    job = world.job("embed")
    assert (job.sidecars, job.pack, job.share_sidecars, job.needs) == (("redis",), 5, True, ("vllm",))
    environment = job.spec["services"]["main"]["environment"]
    assert environment["HPCC_CONTAINER_RUNTIME"] == "pyxis"
    assert json.loads(environment["HPCC_CONTAINER_MOUNTS"]) == [str(world.folder), "/data"]
    assert environment["MODE"] == "fast"
    assert [world.job("embed", resources={"pack": asked}).pack for asked in (1, "7", 0)] == [1, 7, 1]
    other = world.job("align")
    assert (other.sidecars, other.pack, other.share_sidecars) == ((), 3, False)
    service = world.mapping.services["vllm"]
    assert (service.compose, service.service, service.variables) == (
        world.folder / "vllm.yaml",
        "api",
        {"MODEL": "small"},
    )


def test_services_may_stand_in_the_mapping_file(world: World) -> None:
    world.map("""
rules:
  align:
    services:
      redis: {image: "redis:7", readiness: {type: tcp, port: "@{redis.port.tcp}"}, x-slurm: {ports: [tcp]}}
""")
    job = world.job()
    assert job.sidecars == ("redis",)
    assert job.spec["services"]["main"]["depends_on"] == {"redis": {"condition": "service_healthy"}}
    world.map("rules:\n  align:\n    services:\n      redis: {image: redis, x-slurm: {memory: 3}}\n")
    said = world.refused()
    assert "mapping.yaml:4:39 services.redis.x-slurm.memory" in said
    assert said.startswith("rule align: ")


def test_a_group_has_the_services_of_all_its_members(world: World) -> None:
    world.map("""
rules:
  a: {services: {db: {image: db}}}
  b: {services: {cache: {image: cache}, db: {image: db}}}
  c: {services: {db: {image: another}}}
""")
    assert world.job("a", "b", is_group=True).sidecars == ("db", "cache")
    said = world.refused("a", "c", is_group=True)
    assert "`services.db` is defined twice" in said
    assert "mapping.yaml:5:" in said


def fixed(port: str) -> str:
    return f"""
runtime: {{backend: host}}
services:
  a: {{command: run, readiness: {{type: tcp, port: 6379}}}}
  b: {{command: run, readiness: {port}}}
"""


def test_a_literal_port_is_warned_of_and_refused_where_it_clashes(world: World) -> None:
    world.write("s.yaml", fixed("{type: sleep, seconds: 1}"))
    [warning] = world.job(resources={"compose": "s.yaml"}).warnings
    assert "s.yaml:4:" in warning
    assert "clash at the port 6379 of the service 'a'" in warning
    for port in ("{type: tcp, port: 6379}", "{type: http, url: 'http://localhost:6379/health'}"):
        world.write("clash.yaml", fixed(port))
        world.options.made.clear()
        said = world.refused(resources={"compose": "clash.yaml"})
        assert "'a' and 'b' both have the port 6379" in said
        assert "clash.yaml:5:" in said


Case = tuple[str, dict[str, Any], list[str]]
CASES: list[Case] = [
    ("", {"compose": "none.yaml"}, ["there is no compose file", "none.yaml", "folder of the workflow"]),
    ("", {"compose_main": "x"}, ["no compose file", "compose_main"]),
    ("", {"needs": "vllm"}, ["'vllm'", "no service of the workflow", "--hpccompose-config"]),
    (REDIS, {"compose": "s.yaml", "compose_main": "clinet"}, ["s.yaml:2:", "Did you mean client?"]),
    (REDIS, {"compose": "s.yaml", "compose_main": "redis"}, ["s.yaml:3:5", "image", "container:"]),
    (REDIS.replace("redis:7", "[x]"), {"compose": "s.yaml"}, ["s.yaml:3:12"]),
    (REDIS.replace("ports:", "port:"), {"compose": "s.yaml"}, ["s.yaml:7:", "Did you mean ports?"]),
    (REDIS.replace("partition", "array"), {"compose": "s.yaml"}, ["s.yaml:11:11 x-slurm.array"]),
    (REDIS + "sweep: {parameters: {a: [1]}}\n", {"compose": "s.yaml"}, ["s.yaml:12:1", "sweep"]),
    (REDIS.replace("fast", "'${TOKEN}'"), {"compose": "s.yaml", "compose_main": "client"}, ["TOKEN looks secret"]),
    (REDIS.replace("fast", "'${NOPE}'"), {"compose": "s.yaml"}, ["s.yaml:9:", "NOPE", "not set"]),
    (REDIS.replace("client", "main"), {"compose": "s.yaml", "compose_main": "redis"}, ["'main' is taken"]),
    (REDIS.replace("[redis]", "[valkey]"), {"compose": "s.yaml", "compose_main": "client"}, ["s.yaml:10:", "valkey"]),
    ("services: [a]", {"compose": "s.yaml"}, ["s.yaml:1:"]),
    ("services: {a: 3}", {"compose": "s.yaml"}, ["s.yaml:1:"]),
    ("services: {a: {command: x, x-slurm: 3}}", {"compose": "s.yaml"}, ["s.yaml:1:"]),
    ("services: {a: {x-slurm: 3}}", {"compose": "s.yaml", "compose_main": "a"}, ["s.yaml:1:"]),
    ("x-slurm: 3", {"compose": "s.yaml"}, ["s.yaml:1:"]),
    ("extends: other.yaml", {"compose": "s.yaml"}, ["s.yaml:1:", "other.yaml"]),
    ("{", {"compose": "s.yaml"}, ["s.yaml:2:1", "YAML"]),
]


@pytest.mark.parametrize(("text", "resources", "says"), CASES)
def test_what_is_wrong_is_told_with_rule_place_and_remedy(
    world: World, text: str, resources: dict[str, Any], says: list[str]
) -> None:
    world.write("s.yaml", text)
    said = world.refused(resources=resources)
    assert said.startswith("rule align: ")
    assert [word for word in says if word not in said] == [], said
    assert "s3cret" not in said


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("rule: {}", "Did you mean rules?"),
        ("rules: {a: {compsoe: x}}", "Did you mean compose?"),
        ("rules:\n  a: {pack: 0}", "mapping.yaml:2:13"),
        ("rules: {a: {services: [x]}}", "a mapping is expected"),
        ("rules: {a: {container: {runtime: docker}}}", "enroot, pyxis, apptainer"),
        ("defaults: {compose: x}", "unsupported key 'compose'"),
        ("services: {vllm: {}}", "`compose` is missing"),
        ("services: {vllm: {compose: x, scope: rule}}", "workflow"),
        ("rules: {a: {pack: 1}, a: {pack: 2}}", "given twice"),
    ],
)
def test_a_wrong_mapping_file_is_told_with_its_line(world: World, text: str, says: str) -> None:
    with pytest.raises(SpecError) as caught:
        world.map(text)
    assert says in str(caught.value)
    assert "mapping.yaml:" in str(caught.value)


def test_five_thousand_jobs_cost_little(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are read once for each shape, not for each job."""
    loads = 0

    def counted(*arguments: Any, **more: Any) -> Any:
        nonlocal loads
        loads += 1
        return load_spec(*arguments, **more)

    monkeypatch.setattr("snakemake_executor_plugin_hpccompose.compose_job.load_spec", counted)
    world.write("s.yaml", "runtime: {backend: host}\nservices: {s: {command: echo $HPCC_RULE}}\n")
    shapes = {
        world.job(
            resources={"compose": "s.yaml", "mem_mb": 100 + i % 3, "disk_mb": i}, wildcards={"i": str(i)}
        ).shape_key
        for i in range(5000)
    }
    assert (len(shapes), loads) == (3, 3)
