"""Whose process is it: pid, cgroup, step, service; what cannot be known is None, never guessed."""

import re
from typing import Dict, Iterable, Optional, Tuple

from compose_core.supervisor.files import READ_LIMIT, Json

STEP_IN_CGROUP = re.compile(r"/job_([0-9]+)/step_([0-9a-z_]+)")
ANCESTORS = 32


def cgroup_of(text: str) -> Optional[str]:
    """The cgroup that names a Slurm step, else the unified one, else the first: of /proc/PID/cgroup.

    Source: cgroups(7), /proc/[pid]/cgroup.
    """
    paths = [line.split(":", 2)[2] for line in text.splitlines() if line.count(":") >= 2]
    named = [path for path in paths if STEP_IN_CGROUP.search(path)]
    unified = [line.split(":", 2)[2] for line in text.splitlines() if line.startswith("0::")]
    return next(iter(named + unified + paths), None)


def step_of(cgroup: Optional[str]) -> Optional[Tuple[str, str]]:
    """Job and step that a cgroup belongs to; None where it is not one of Slurm's."""
    found = STEP_IN_CGROUP.search(cgroup or "")
    return (found.group(1), found.group(2)) if found else None


class Owners:
    """The owners of processes on this node, each looked up once."""

    def __init__(self, job_id: str, slurm_job_id: str, proc: str = "/proc") -> None:
        self._job_id = job_id
        self._slurm_job_id = slurm_job_id
        self._proc = proc
        self._known: Dict[Tuple[int, str], Json] = {}
        self._services: Dict[str, str] = {}
        """From step to service, as processes of the step told by their environment."""

    def of(self, pid: int) -> Json:
        """`{cgroup, step_id, service, slurm_procid, slurm_localid}` of a process."""
        key = (pid, self._parent_and_start(pid)[1])
        if key not in self._known:
            if len(self._known) > 10000:
                self._known.clear()
            self._known[key] = self._look(pid)
        owner = self._known[key]
        if owner["service"] is None and owner["step_id"] in self._services:
            owner["service"] = self._services[owner["step_id"]]
        return owner

    def service_of_step(self, step_id: str) -> Optional[str]:
        """The service that runs as this step, as far as a process of it on this node tells."""
        return self._services.get(step_id)

    def learn(self, pids: Iterable[int]) -> None:
        """Look at these processes for what they tell about steps."""
        for pid in pids:
            self.of(pid)

    def _look(self, pid: int) -> Json:
        cgroup = cgroup_of(self._text(pid, "cgroup"))
        place = step_of(cgroup)
        owner: Json = {"cgroup": cgroup, "step_id": None, "service": None, "slurm_procid": None, "slurm_localid": None}
        if place is not None and place[0] != self._slurm_job_id:
            return owner
        variables = self._variables(pid)
        step = place[1] if place is not None else variables.get("SLURM_STEP_ID")
        if variables.get("HPC_COMPOSE_JOB_ID") == self._job_id:
            owner["service"] = variables.get("HPC_COMPOSE_SERVICE_NAME")
            for field, name in (("slurm_procid", "SLURM_PROCID"), ("slurm_localid", "SLURM_LOCALID")):
                value = variables.get(name, "")
                owner[field] = int(value) if value.isdigit() else None
        elif place is None:
            return owner
        owner["step_id"] = "{}.{}".format(self._slurm_job_id, step) if step and self._slurm_job_id else None
        if owner["service"] and owner["step_id"] and step != "batch":  # several services may share the batch step
            self._services.setdefault(owner["step_id"], owner["service"])
        return owner

    def _variables(self, pid: int) -> Dict[str, str]:
        """The environment of the process, or of the nearest one above it that tells a service."""
        for _ in range(ANCESTORS):
            entries = self._text(pid, "environ").split("\0")
            found = dict(entry.split("=", 1) for entry in entries if "=" in entry)
            if "HPC_COMPOSE_SERVICE_NAME" in found:
                return found
            pid = self._parent_and_start(pid)[0]
            if pid <= 1:
                break
        return {}

    def _parent_and_start(self, pid: int) -> Tuple[int, str]:
        """Source: proc(5), /proc/[pid]/stat, fields 4 and 22."""
        fields = self._text(pid, "stat").rpartition(")")[2].split()
        try:
            return int(fields[1]), fields[19]
        except (ValueError, IndexError):
            return 0, ""

    def _text(self, pid: int, name: str) -> str:
        try:
            with open("{}/{}/{}".format(self._proc, pid, name), "rb") as stream:
                return stream.read(READ_LIMIT).decode("utf-8", "replace")
        except OSError:
            return ""  # somebody else's, or gone
