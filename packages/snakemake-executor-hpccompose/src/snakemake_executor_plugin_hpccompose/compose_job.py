"""From a job of the workflow to a compose job: what it asks of Slurm, and what runs beside it.

`compose_job(facts, options, mapping)` reads the files that rules name and is otherwise pure. Jobs that ask for the same give the same
answer, which is made once: a workflow of thousands of jobs has a handful of shapes.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping as Map
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from compose_core import LoadedSpec, Location, load_spec, parse_memory_mib
from snakemake_executor_plugin_hpccompose.absolute_paths import make_paths_absolute
from snakemake_executor_plugin_hpccompose.allocation import (
    Extra,
    Site,
    job_slurm,
    over,
    raw_options,
    site_slurm,
    with_extra,
)
from snakemake_executor_plugin_hpccompose.containers import front_environment
from snakemake_executor_plugin_hpccompose.errors import RuleError
from snakemake_executor_plugin_hpccompose.job_variables import own_variables, shared_variables
from snakemake_executor_plugin_hpccompose.literal_ports import LiteralPort, has_nodes_alone, literal_ports
from snakemake_executor_plugin_hpccompose.mapping import EMPTY, Mapping, RuleEntry, read_mapping
from snakemake_executor_plugin_hpccompose.partitions import Partitions, read_partitions
from snakemake_executor_plugin_hpccompose.resources import NAMES, Request, gres_gpus, request_of
from snakemake_executor_plugin_hpccompose.rule_facts import RuleFacts
from snakemake_executor_plugin_hpccompose.stacks import Stack, parts_of, stack_of, told
from snakemake_executor_plugin_hpccompose.unit_paths import MAIN_SERVICE

PARTITIONS_VARIABLE = "SNAKEMAKE_SLURM_PARTITIONS"
"""Names the file of partitions where no setting does; as snakemake-executor-plugin-slurm has it."""


@dataclass(frozen=True, kw_only=True)
class ComposeJob:
    """A complete compose file but for the command of its main service, and what it asks for."""

    spec: dict[str, Any]
    shape_key: str
    """The same for jobs that can be tasks of one array."""
    sidecars: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    """Services of the workflow that have to be ready first."""
    pack: int | None = None
    """So many jobs may share a task; None: neither the rule nor the mapping file says it."""
    share_sidecars: bool = False
    cpus: int | None = None
    """Of the rule alone, in sum over its tasks; None: Slurm was not told."""
    mem_mb: int | None = None
    """Of the rule alone, on each node."""
    runtime_min: int | None = None
    source: str = ""
    """The compose files and the mapping file that it comes from."""
    warnings: tuple[str, ...] = ()
    ports: tuple[LiteralPort, ...] = ()
    """Fixed ports that another job on its nodes must not have; of a job that has its nodes for itself none."""
    places: Map[str, Location] = field(default_factory=dict)
    """Where the images of its services are written."""


@dataclass(frozen=True, kw_only=True)
class JobOptions:
    """What holds for all jobs of a run."""

    workdir: Path
    environment: Map[str, str] = field(default_factory=dict, repr=False)
    site: Site = field(default_factory=Site)
    partitions: Partitions | None = None
    containers: bool = False
    """Rules of the workflow run in the images that they name (`--sdm apptainer`)."""
    container_runtime: str = "enroot"
    container_mounts: tuple[str, ...] = ()
    made: dict[Any, tuple[ComposeJob, bool]] = field(default_factory=dict, repr=False, compare=False)
    """Compose jobs by what decides them, and whether they hold for all jobs that ask for the same."""

    @classmethod
    def of(cls, settings: Any, *, workdir: Path, environment: Map[str, str], containers: bool = False) -> JobOptions:
        """From the executor's settings.

        Raises: SpecError: the file of partitions is wrong.
        """
        named = settings.partition_config or environment.get(PARTITIONS_VARIABLE)
        site = Site(
            account=settings.account,
            partition=settings.partition,
            qos=settings.qos,
            reservation=settings.reservation,
            requeue=True if settings.requeue else False if settings.no_requeue else None,
        )
        return cls(
            workdir=workdir,
            environment=environment,
            site=site,
            partitions=read_partitions(_near(named)) if named else None,
            containers=containers,
            container_runtime=settings.container_runtime,
            container_mounts=tuple(settings.container_mounts or ()),
        )


def mapping_of(settings: Any) -> Mapping:
    """The mapping file that the settings name; without one, a mapping that says nothing.

    Raises: SpecError: the file is wrong.
    """
    return read_mapping(_near(settings.config)) if settings.config else EMPTY


def _near(named: str) -> Path:
    """The file as messages name it: from here, if it lies below."""
    path = Path(named).expanduser()
    here = Path(os.path.relpath(path))
    return path if here.parts[:1] == ("..",) else here


def compose_job(facts: RuleFacts, options: JobOptions, mapping: Mapping = EMPTY) -> ComposeJob:
    """The compose job of this job of the workflow.

    Raises: RuleError: it cannot be run as it is asked for; with rule, place and remedy.
    """
    resources = tuple(sorted((name, value) for name, value in facts.resources.items() if name in NAMES))
    alike = (facts.rules, facts.threads, resources, facts.is_group, id(mapping))
    made = options.made.get(alike)
    if made is None or made[1]:
        made = _placed(facts, options, mapping)
        options.made[alike] = made
    return made[0]


def _placed(facts: RuleFacts, options: JobOptions, mapping: Mapping) -> tuple[ComposeJob, bool]:
    """What `_made` gives; an error that names no place gets that of the rule."""
    try:
        return _made(facts, options, mapping)
    except RuleError as error:
        if error.where is None and facts.snakefile:
            error.where = Location(file=facts.snakefile, line=facts.line)
        raise


def _made(facts: RuleFacts, options: JobOptions, mapping: Mapping) -> tuple[ComposeJob, bool]:
    """The compose job, and whether it is for this job alone."""
    request, rule = request_of(facts), facts.title
    entries = [mapping.entry(name) for name in facts.rules]
    needs = tuple(dict.fromkeys((*request.needs, *(name for entry in entries for name in entry.needs or ()))))
    mapping.check_needs(needs, rule)
    stack = _stack(facts, request, entries, options, mapping)
    whole = with_extra(request, _extra(stack.loaded) if stack else Extra(), rule)
    whole = replace(whole, partition=_partition(whole, stack, options, rule))
    asked = job_slurm(whole, rule)
    spec = _spec(facts, stack, asked, raw_options(whole), _container(entries, options), options)
    told(
        rule,
        lambda: load_spec(
            f"compose job of {facts.name}", text=json.dumps(spec), variables={}, project_dir=options.workdir
        ),
    )
    pack = _pack(facts, request, entries)
    ports = literal_ports(rule, stack.loaded) if stack else ()
    job = ComposeJob(
        spec=spec,
        shape_key=_digest([spec, needs, pack]),
        sidecars=stack.sidecars if stack else (),
        needs=needs,
        pack=pack,
        share_sidecars=all(entry.share_sidecars for entry in entries),
        cpus=_cpus(request),
        mem_mb=_mem_mb(request),
        runtime_min=request.runtime_min,
        source=_source(request, entries, mapping),
        warnings=tuple(one.warning for one in ports),
        ports=() if has_nodes_alone(spec.get("x-slurm", {})) else ports,
        places={name: stack.loaded.locate(f"services.{name}.image") for name in stack.sidecars} if stack else {},
    )
    return job, bool(stack and stack.names & own_variables(facts).keys())


def _stack(
    facts: RuleFacts, request: Request, entries: Sequence[RuleEntry], options: JobOptions, mapping: Mapping
) -> Stack | None:
    """What runs beside the rule; None: nothing."""
    parts = parts_of(facts.title, request.compose, entries, options.workdir, mapping.shown)
    slurm = list({id(node): node for entry in entries for node in entry.slurm}.values())
    if not parts:
        if request.compose_main:
            what = f"compose_main={request.compose_main} names a service, but the rule has no compose file."
            raise RuleError(facts.title, what, remedy="Set the resource compose, or remove compose_main.")
        if not slurm:
            return None
    named = next((entry for entry in entries if entry.main), None)
    variables = {**options.environment, **shared_variables(facts, options.workdir), **own_variables(facts)}
    return stack_of(
        facts.title,
        parts,
        main=request.compose_main or (named.main if named else None),
        main_at=None if request.compose_main or named is None else named.main_at,
        slurm=slurm,
        variables=variables,
        base=mapping.path or options.workdir / "mapping.yaml",
    )


def _spec(
    facts: RuleFacts,
    stack: Stack | None,
    asked: dict[str, Any],
    options_of_sbatch: tuple[str, ...],
    container: dict[str, str],
    options: JobOptions,
) -> dict[str, Any]:
    """The compose file, complete but for the command."""
    asked = {key: _plain(value) for key, value in asked.items()}
    raw = tuple(_plain(option) for option in options_of_sbatch)
    main: dict[str, Any] = {"command": ["true"], "x-slurm": {"launch": "batch"}}
    if stack is None:
        spec: dict[str, Any] = {"runtime": {"backend": "host"}, "services": {MAIN_SERVICE: main}}
        written: dict[str, Any] = {}
    else:
        spec = stack.loaded.reloadable()
        spec.pop("name", None)
        written = spec.pop("x-slurm", {})
        make_paths_absolute(spec, written, stack.loaded.project_dir)
        _tell(spec["services"], stack, facts, options.workdir)
        if not stack.sidecars:
            spec["runtime"] = {"backend": "host"}
        main = spec["services"][MAIN_SERVICE]
        main["depends_on"] = _dependencies(stack.loaded)
    if container:
        main["environment"] = {
            **{name: _plain(text) for name, text in container.items()},
            **main.get("environment", {}),
        }
    site = {key: _plain(value) for key, value in site_slurm(options.site).items()}
    if slurm := {**site, **over(written, asked, raw)}:
        spec["x-slurm"] = slurm
    return spec


def _partition(request: Request, stack: Stack | None, options: JobOptions, rule: str) -> str | None:
    """The one that the rule names, else a file, else the one that fits best, else that of the settings."""
    if request.partition:
        return request.partition
    if stack is not None and stack.loaded.spec.x_slurm.partition:
        return None
    return options.partitions.best(request, rule) if options.partitions else options.site.partition


def _extra(loaded: LoadedSpec) -> Extra:
    """What the services beside the rule ask for in their own sections `x-slurm`."""
    cpus = memory = gpus = 0
    for name, service in loaded.spec.services.items():
        slurm = service.x_slurm
        if name == MAIN_SERVICE:
            continue
        tasks = slurm.ntasks or slurm.ntasks_per_node or 1
        cpus += (slurm.cpus_per_task or 0) * tasks
        memory += parse_memory_mib(slurm.mem) if slurm.mem else 0
        gpus += gres_gpus(slurm.gres)[0] or slurm.gpus or slurm.gpus_per_node or (slurm.gpus_per_task or 0) * tasks
    return Extra(cpus=cpus, mem_mib=memory, gpus=gpus)


def _container(entries: Sequence[RuleEntry], options: JobOptions) -> dict[str, str]:
    """The variables by which the rule's own containers run; what the mapping file says of the rule wins."""
    if not options.containers:
        return {}
    own = [entry.container for entry in entries if entry.container is not None]
    mounts = [*options.container_mounts, *(mount for one in own for mount in one.mounts)]
    runtime = next((one.runtime for one in own if one.runtime), options.container_runtime)
    return front_environment(runtime, list(dict.fromkeys(mounts)), options.workdir)


def _tell(services: dict[str, Any], stack: Stack, facts: RuleFacts, workdir: Path) -> None:
    """Every service finds the variables of the job that are its own business; what it sets itself stays."""
    shared, own = shared_variables(facts, workdir), own_variables(facts)
    for name in stack.sidecars:
        named = {variable: own[variable] for variable in sorted(stack.texts[name] & own.keys())}
        for variable, value in named.items():
            if "@{" in value:
                what = f"the service {name!r} asks for {variable}, whose value holds `@{{`: that stands for hosts and ports."
                raise RuleError(facts.title, what, remedy="Rename the wildcard's value, or pass it in a file.")
        told_it = {variable: _plain(value) for variable, value in {**shared, **named}.items()}
        services[name]["environment"] = {**told_it, **services[name].get("environment", {})}


def _dependencies(loaded: LoadedSpec) -> dict[str, dict[str, str]]:
    """The rule waits for every service: until it is ready where that can be told, else until it is started."""
    services = loaded.spec.services
    written = services[MAIN_SERVICE].depends_on
    found: dict[str, dict[str, str]] = {}
    for name, service in services.items():
        if name == MAIN_SERVICE or service.x_slurm.failure_policy.mode == "ignore":
            continue
        condition: str = written[name].condition if name in written else "service_started"
        if condition == "service_started" and service.readiness is not None:
            condition = "service_healthy"
        found[name] = {"condition": condition}
    return found


def _plain(value: Any) -> Any:
    """Literally: a `$` in it is no variable."""
    return value.replace("$", "$$") if isinstance(value, str) else value


def _pack(facts: RuleFacts, request: Request, entries: Sequence[RuleEntry]) -> int | None:
    if "pack" in facts.resources:
        return request.pack or 1
    return next((entry.pack for entry in entries if entry.pack), None)


def _cpus(request: Request) -> int | None:
    if request.cpus_per_task is None:
        return None
    tasks = request.tasks or (request.tasks_per_node or 1) * (request.nodes or 1)
    return request.cpus_per_task * tasks


def _mem_mb(request: Request) -> int | None:
    if request.mem_mb_per_cpu:
        cpus = _cpus(request)
        return request.mem_mb_per_cpu * -(-cpus // (request.nodes or 1)) if cpus else None
    return request.mem_mb


def _source(request: Request, entries: Sequence[RuleEntry], mapping: Mapping) -> str:
    files = [request.compose] if request.compose else [str(entry.compose) for entry in entries if entry.compose]
    from_mapping = any(entry != RuleEntry() for entry in entries)
    return ", ".join(dict.fromkeys([*files, *([mapping.shown] if from_mapping and mapping.shown else [])]))


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
