"""Where a later attempt goes on from, and what it has to be configured like."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterator

from compose_core.errors import Problem
from compose_core.plan.context import PlanContext
from compose_core.plan.model import EnvironmentEntry, Mount, ResumeRules, Variable, literal
from compose_core.plan.text import RESUME_MOUNT
from compose_core.spec import LoadedSpec

_OF_ONE_NODE = ("/tmp/", "/var/tmp/", "/dev/shm/", "/run/")  # noqa: S108 - compared with, never written to


def resume_rules(loaded: LoadedSpec, config: str) -> ResumeRules | None:
    """What `x-slurm.resume` asks for; None without it. `config` is its `config_text`."""
    resume = loaded.spec.x_slurm.resume
    if resume is None:
        return None
    config = json.dumps(json.loads(config), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return ResumeRules(path=posixpath.normpath(resume.path), config_sha256=loaded.sha256, config=config)


def resume_problems(loaded: LoadedSpec, context: PlanContext) -> Iterator[Problem]:
    """What keeps the folder from being mounted, or from being found by another node."""
    resume = loaded.spec.x_slurm.resume
    if resume is None:
        return
    where = loaded.locate("x-slurm.resume.path")
    if loaded.spec.runtime.backend != "host" and set(":,") & set(resume.path):
        yield Problem(
            code="mount-syntax",
            message=f"the resume folder {resume.path!r} holds `:` or `,`, which separate mounts and cannot be escaped",
            where=where,
            remedy="Rename the folder.",
        )
    if context.engine == "slurm" and f"{posixpath.normpath(resume.path)}/".startswith(_OF_ONE_NODE):
        yield Problem(
            code="resume-not-shared",
            message=f"{resume.path} usually is a folder of each node alone, so a later attempt may find nothing there",
            where=where,
            remedy="Name a folder on shared storage.",
            severity="warning",
        )


def resume_mount(rules: ResumeRules) -> Mount:
    """The shared folder, as every container sees it."""
    return Mount(source=literal(rules.path), target=RESUME_MOUNT, reason="x-slurm.resume, in every container")


def resume_environment() -> list[EnvironmentEntry]:
    """What a container has to be told by name; on the host the supervisor's variables are there anyway."""
    told = [EnvironmentEntry(name="HPC_COMPOSE_RESUME_DIR", value=literal(RESUME_MOUNT), reason="where it is mounted")]
    return told + [
        EnvironmentEntry(name=name, value=(Variable(name),), reason="set by the supervisor for each attempt")
        for name in ("HPC_COMPOSE_ATTEMPT", "HPC_COMPOSE_IS_RESUME")
    ]
