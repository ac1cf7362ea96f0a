"""Which jobs of the workflow are a plain shell command, and the command: such a job needs no Snakemake on its node."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from string import Formatter
from typing import Any

from snakemake_interface_executor_plugins.settings import DeploymentMethod, SharedFSUsage

from snakemake_executor_plugin_hpccompose.runner.direct import ShellCommand

_OF_THE_JOB = frozenset({"input", "output", "params", "wildcards", "threads", "resources", "log", "rule"})
_OF_THE_RUN = frozenset({"jobid", "bench_iteration", "name", "rulename"})
"""An inner Snakemake gives these other values, or none."""
_OUTPUT_FLAGS = frozenset({"temp", "protected", "directory", "touch", "ensure", "report"})
"""What the Snakemake that waits for the job sees to."""
_KNOWN_ONLY_THERE = "<TBD>"
_DEFAULT_TMPDIR = "system_tmpdir"
_LONGEST = 32_000
"""Characters of a command: the kernel takes an argument of 128 KiB, and each may be four bytes."""


def shell_command(job: Any, workflow: Any) -> ShellCommand | None:
    """The command of a job that is one and nothing else; None: it takes an inner Snakemake.

    Raises: AttributeError, ImportError: this Snakemake is another than the one whose insides are known here.
    """
    if job.is_group() or not job.is_shell or not _is_plain(job, workflow):
        return None
    has_tmpdir = "tmpdir" in job.rule.resources
    if has_tmpdir and job.rule.resources["tmpdir"].raw != _DEFAULT_TMPDIR:
        return None
    text = job.shellcmd
    if text is None or _KNOWN_ONLY_THERE in text:
        return None
    shell = import_module("snakemake.shell").shell
    executable = shell.get_executable()
    command = " ".join((shell._get_process_prefix(executable), text, shell._process_suffix)).strip()  # noqa: SLF001
    if not executable or len(command) > _LONGEST or "\0" in command:
        return None
    return ShellCommand(
        executable=str(executable),
        command=command,
        threads=max(1, int(job.threads)),
        input=tuple(str(path) for path in job.input),
        output=tuple(str(path) for path in job.output),
        directories=tuple(str(path) for path in job.output if path.is_directory),
        log=tuple(str(path) for path in job.log),
        latency_wait_s=float(workflow.execution_settings.latency_wait),
        has_tmpdir=has_tmpdir,
    )


def sets_secrets(environment: Mapping[str, str]) -> bool:
    """The workflow has set variables that no job inherits, because they look secret: only an inner Snakemake sets them again."""
    from compose_core import looks_secret

    try:
        begin = Path("/proc/self/environ").read_bytes().split(b"\0")
    except OSError:
        begin = []
    return any(
        looks_secret(name) and os.fsencode(f"{name}={value}") not in begin for name, value in environment.items()
    )


def _is_plain(job: Any, workflow: Any) -> bool:
    """Nothing stands around the command that happens on the node."""
    methods = workflow.deployment_settings.deployment_method
    return not (
        SharedFSUsage.INPUT_OUTPUT not in workflow.storage_settings.shared_fs_usage
        or job.is_shadow
        or job.benchmark is not None
        or job.is_pipe
        or job.is_service
        or workflow.workflow_settings.cache is not None
        or job.has_queue_input()
        or "shell_exec" in job.resources.keys()  # noqa: SIM118  (a list of Snakemake's own)
        or (DeploymentMethod.CONDA in methods and job.conda_env_spec is not None)
        or (DeploymentMethod.APPTAINER in methods and job.container_img_url is not None)
        or (DeploymentMethod.ENV_MODULES in methods and job.env_modules is not None)
        or any(path.is_storage for path in (*job.input, *job.output, *job.log))
        or any(set(path.flags) - _OUTPUT_FLAGS for path in job.output)
        or not _names_are_known(job)
    )


def _names_are_known(job: Any) -> bool:
    """The command has the same text here as on the node; a rule of a module has other globals than the workflow."""
    own = job.rule.module_globals is job.rule.workflow.globals
    names = names_in(job.rule.shellcmd)
    return not names & _OF_THE_RUN and (own or names <= _OF_THE_JOB)


def names_in(text: str) -> set[str]:
    """Those between braces, before the first dot or bracket; also where they stand in a format."""
    found = set()
    for _, field, spec, _ in Formatter().parse(text):
        if field is not None:
            found.add(field.partition(".")[0].partition("[")[0])
            found |= names_in(spec or "")
    return found
