"""The canonical grammar: what a compose file is after shorthand, variables and inheritance are resolved.

Field names are the keys of the YAML (`x-slurm` is `x_slurm`, `assert` is `asserts`). The classes are frozen dataclasses of the
standard library, so a command that only checks a file need not load a validation library; pydantic reads and writes them as they are.
"""

from compose_core.spec.models.command import Command, ExecCommand, ShellCommand
from compose_core.spec.models.compose import BackendName, ComposeSpec, Runtime, Secret
from compose_core.spec.models.job import (
    AfterJob,
    Artifacts,
    Cleanup,
    Collector,
    JobSlurm,
    Logs,
    MailEvent,
    Metrics,
    Notify,
    Resume,
    Signal,
)
from compose_core.spec.models.readiness import HttpReadiness, LogReadiness, Readiness, SleepReadiness, TcpReadiness
from compose_core.spec.models.service import (
    MASTER_PORT_NAME,
    Assertions,
    Condition,
    Dependency,
    FailureMode,
    FailurePolicy,
    Hook,
    HookEvent,
    Mpi,
    Prepare,
    Service,
    ServiceSlurm,
    StepScript,
    Volume,
)
from compose_core.spec.models.sweep import Objective, ParameterRange, Prune, RandomMatrix, Sweep

__all__ = [
    "MASTER_PORT_NAME",
    "AfterJob",
    "Artifacts",
    "Assertions",
    "BackendName",
    "Cleanup",
    "Collector",
    "Command",
    "ComposeSpec",
    "Condition",
    "Dependency",
    "ExecCommand",
    "FailureMode",
    "FailurePolicy",
    "Hook",
    "HookEvent",
    "HttpReadiness",
    "JobSlurm",
    "LogReadiness",
    "Logs",
    "MailEvent",
    "Metrics",
    "Mpi",
    "Notify",
    "Objective",
    "ParameterRange",
    "Prepare",
    "Prune",
    "RandomMatrix",
    "Readiness",
    "Resume",
    "Runtime",
    "Secret",
    "Service",
    "ServiceSlurm",
    "ShellCommand",
    "Signal",
    "SleepReadiness",
    "StepScript",
    "Sweep",
    "TcpReadiness",
    "Volume",
]
