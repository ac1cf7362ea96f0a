"""Stand-ins for Snakemake's jobs, with the attributes that its executor interface promises."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, NamedTuple


class Target(NamedTuple):
    """As Snakemake names a job."""

    rulename: str
    wildcards_dict: dict[str, str]


@dataclass(eq=False)
class FakeJob:
    """One job of a workflow."""

    name: str = "align"
    wildcards: Mapping[str, str] = field(default_factory=dict)
    input: Sequence[str] = ()
    output: Sequence[str] = ("out.txt",)
    log: Sequence[str] = ()
    params: Mapping[str, Any] = field(default_factory=dict)
    threads: int = 1
    attempt: int = 1
    resources: Mapping[str, Any] = field(default_factory=dict)
    shellcmd: str = "touch {output}"
    jobid: int = 1
    is_local: bool = False
    is_updated: bool = False
    is_containerized: bool = False
    errors: list[tuple[str | None, dict[str, Any]]] = field(default_factory=list)

    @property
    def rule(self) -> SimpleNamespace:
        return SimpleNamespace(name=self.name, shellcmd=self.shellcmd, restart_times=0)

    @property
    def rules(self) -> list[str]:
        return [self.name]

    def is_group(self) -> bool:
        return False

    def get_target_spec(self) -> list[Target]:
        return [Target(self.name, dict(self.wildcards))]

    def properties(self) -> str:
        return json.dumps(
            {
                "type": "single",
                "rule": self.name,
                "wildcards": dict(self.wildcards),
                "params": dict(self.params),
                "input": list(self.input),
                "output": list(self.output),
                "log": list(self.log),
                "threads": self.threads,
                "resources": {name: str(value) for name, value in self.resources.items()},
                "jobid": self.jobid,
            }
        )

    def logfile_suggestion(self, prefix: str) -> str:
        parts = [f"{name}_{value}" for name, value in sorted(self.wildcards.items())]
        return "/".join([prefix, self.name, *parts]) + ".log"

    def get_wait_for_files(self) -> list[str]:
        return list(self.input)

    def register(self, external_jobid: str | None = None) -> None:
        """Nothing is marked."""

    def log_info(self, skip_dynamic: bool = False) -> None:
        """Nothing is printed."""

    def log_error(self, msg: str | None = None, **more: Any) -> None:
        self.errors.append((msg, more))

    def format_wildcards(self, string: str, **variables: Any) -> str:
        return string.format(jobid=self.jobid, **variables)


@dataclass(eq=False)
class FakeGroup:
    """Several jobs that run as one; as in Snakemake, it has no `rule` and no `wildcards`."""

    jobs: Sequence[FakeJob]
    name: str = "together"
    groupid: str = "g1"
    attempt: int = 1
    resources: Mapping[str, Any] = field(default_factory=dict)
    is_local: bool = False
    is_updated: bool = False
    is_containerized: bool = False
    jobid: str = "0a1b2c3d"
    errors: list[tuple[str | None, dict[str, Any]]] = field(default_factory=list)

    @property
    def rules(self) -> list[str]:
        return [job.name for job in self.jobs]

    @property
    def threads(self) -> int:
        return sum(job.threads for job in self.jobs)

    @property
    def input(self) -> list[str]:
        return [path for job in self.jobs for path in job.input]

    @property
    def output(self) -> list[str]:
        return [path for job in self.jobs for path in job.output]

    @property
    def log(self) -> list[str]:
        return []

    def is_group(self) -> bool:
        return True

    def get_target_spec(self) -> list[Target]:
        return [target for job in self.jobs for target in job.get_target_spec()]

    def properties(self) -> str:
        return json.dumps(
            {"type": "group", "groupid": self.groupid, "resources": dict(self.resources), "jobid": self.jobid}
        )

    def logfile_suggestion(self, prefix: str) -> str:
        return f"{prefix}/groupjobs/group_{self.name}/job_{self.jobid}.log"

    def get_wait_for_files(self) -> list[str]:
        return self.input

    def register(self, external_jobid: str | None = None) -> None:
        """Nothing is marked."""

    def log_info(self, skip_dynamic: bool = False) -> None:
        """Nothing is printed."""

    def log_error(self, msg: str | None = None, **more: Any) -> None:
        self.errors.append((msg, more))
