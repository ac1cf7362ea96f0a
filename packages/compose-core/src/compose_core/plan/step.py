"""One service of the spec → one PlannedStep."""

from __future__ import annotations

from compose_core.plan.around import planned_hooks, planned_script, wrapped_command
from compose_core.plan.assertions import planned_assertions
from compose_core.plan.command import command_argv
from compose_core.plan.distributed import distributed_environment, passed_on, task_start
from compose_core.plan.environment import service_environment
from compose_core.plan.geometry import StepGeometry, step_geometry
from compose_core.plan.model import (
    Allocation,
    Backend,
    Decision,
    EnvironmentEntry,
    PlannedDependency,
    PlannedImage,
    PlannedPolicy,
    PlannedReadiness,
    PlannedStep,
    ResumeRules,
    Text,
    literal,
)
from compose_core.plan.mounts import service_mounts
from compose_core.plan.runtime import STEP_NAME_PREFIX, Container, own_command, srun_options
from compose_core.plan.step_requests import StepRequests, step_requests
from compose_core.plan.text import service_text
from compose_core.spec.models import (
    ComposeSpec,
    HttpReadiness,
    LogReadiness,
    Readiness,
    Service,
    SleepReadiness,
    TcpReadiness,
)
from compose_core.units import parse_slurm_time_s, service_token


def planned_step(
    name: str,
    spec: ComposeSpec,
    allocation: Allocation,
    *,
    backend: Backend,
    project_dir: str,
    home: str,
    image: PlannedImage | None,
    resume: ResumeRules | None = None,
) -> PlannedStep:
    """Everything that starting this service needs, with the reason of each default."""
    service = spec.services[name]
    backend = "host" if service.x_slurm.launch == "batch" else backend
    token = service_token(name)
    geometry = step_geometry(name, spec, allocation)
    mounts = service_mounts(service, project_dir=project_dir, home=home, resume=resume) if backend != "host" else ()
    environment = _environment(service, token, backend, geometry, allocation, resumes=resume is not None)
    passed = passed_on(spec.services, name, backend, geometry, is_array=spec.x_slurm.array is not None)
    variables = tuple(dict.fromkeys([*(entry.name for entry in environment), *service.secrets, *passed]))
    container = Container(
        backend=backend, image=image, mounts=mounts, variables=variables, working_dir=service.working_dir
    )
    command = command_argv(service, backend)
    started = wrapped_command(service, command or own_command(backend))
    requests = step_requests(name, service.x_slurm, spec.x_slurm, geometry)
    return PlannedStep(
        service=name,
        token=token,
        step_name=f"{STEP_NAME_PREFIX}{token}",
        backend=backend,
        lifecycle=service.x_slurm.lifecycle,
        launch=service.x_slurm.launch,
        placement=geometry.placement,
        nodes=geometry.nodes,
        ntasks=geometry.ntasks,
        ntasks_per_node=geometry.ntasks_per_node,
        srun_options=_srun_options(service, token, geometry, requests, allocation, container),
        unset=requests.unset,
        argv=(*task_start(service, geometry), *container.argv(started)),
        mpi=service.x_slurm.mpi.type if service.x_slurm.mpi is not None else None,
        command=command,
        secrets=service.secrets,
        environment=environment,
        mounts=mounts,
        image=image,
        working_dir=_working_dir(service, backend, project_dir),
        depends_on=_depends_on(service),
        readiness=_readiness(service.readiness),
        policy=_policy(service),
        ports=service.x_slurm.ports,
        asserts=planned_assertions(service),
        hooks=planned_hooks(service),
        prologue=planned_script(service.x_slurm.prologue),
        epilogue=planned_script(service.x_slurm.epilogue),
        time_limit_s=_time_limit_s(service),
        decisions=(*geometry.decisions, *requests.decisions, *_decisions(name, service, image)),
    )


def _environment(
    service: Service,
    token: str,
    backend: Backend,
    geometry: StepGeometry,
    allocation: Allocation,
    *,
    resumes: bool,
) -> tuple[EnvironmentEntry, ...]:
    """What the plan sets for the service."""
    cpus = geometry.cpus_per_task if geometry.owns_cpus else None
    inner_srun_cpus = _cpus_asked_for(service, allocation) if service.x_slurm.launch == "batch" else cpus
    return (
        *service_environment(service, backend, cpus=cpus, inner_srun_cpus=inner_srun_cpus, resumes=resumes),
        *distributed_environment(service, token, backend, geometry),
    )


def _cpus_asked_for(service: Service, allocation: Allocation) -> Text | None:
    """A batch service is free to start steps over the whole allocation, so only a written request counts."""
    cpus = service.x_slurm.cpus_per_task or allocation.cpus_per_task
    return literal(str(cpus)) if cpus is not None else None


def _srun_options(
    service: Service,
    token: str,
    geometry: StepGeometry,
    requests: StepRequests,
    allocation: Allocation,
    container: Container,
) -> tuple[Text, ...]:
    """Empty for a batch service, which no srun starts."""
    if service.x_slurm.launch == "batch":
        return ()
    return srun_options(
        token,
        service.x_slurm,
        geometry,
        requests=requests.options,
        multi_node=allocation.nodes > 1,
        container=container.srun_options(),
    )


def _depends_on(service: Service) -> tuple[PlannedDependency, ...]:
    return tuple(
        PlannedDependency(service=other, condition=item.condition) for other, item in service.depends_on.items()
    )


def _time_limit_s(service: Service) -> int | None:
    limit = service.x_slurm.time_limit
    return parse_slurm_time_s(limit) if limit is not None else None


def _working_dir(service: Service, backend: Backend, project_dir: str) -> Text | None:
    """On the host, a relative folder is meant from the compose file's folder on."""
    if service.working_dir is None:
        return None
    folder = service.working_dir
    if backend == "host" and not folder.startswith(("/", "@{")):
        folder = f"{project_dir}/{folder}"
    return service_text(folder, backend)


def _readiness(readiness: Readiness | None) -> PlannedReadiness | None:
    match readiness:
        case None:
            return None
        case SleepReadiness():
            return PlannedReadiness(kind="sleep", seconds=readiness.seconds, timeout_s=readiness.timeout_seconds)
        case TcpReadiness():
            return PlannedReadiness(
                kind="tcp", host=readiness.host, port=readiness.port, timeout_s=readiness.timeout_seconds
            )
        case LogReadiness():
            return PlannedReadiness(kind="log", pattern=readiness.pattern, timeout_s=readiness.timeout_seconds)
        case HttpReadiness():
            return PlannedReadiness(
                kind="http",
                url=readiness.url,
                status_code=readiness.status_code,
                timeout_s=readiness.timeout_seconds,
            )


def _policy(service: Service) -> PlannedPolicy:
    policy = service.x_slurm.failure_policy
    return PlannedPolicy(
        mode=policy.mode,
        max_restarts=policy.max_restarts,
        backoff_s=policy.backoff_seconds,
        window_s=policy.window_seconds,
        max_restarts_in_window=policy.max_restarts_in_window,
    )


def _decisions(name: str, service: Service, image: PlannedImage | None) -> list[Decision]:
    key = f"services.{name}"
    decisions = []
    if image is not None:
        decisions.append(Decision(key=f"{key}.image", value=image.reference, reason=image.reason))
    elif service.image is not None:
        decisions.append(Decision(key=f"{key}.image", value="not used", reason="the host backend runs no containers"))
    return decisions
