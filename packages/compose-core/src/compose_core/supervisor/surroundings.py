"""What the processes of a job find in their environment, and where they reach each other."""

import os
import re
from typing import Any, Dict, List

from compose_core.supervisor.allocation import Allocation
from compose_core.supervisor.distributed import set_distributed
from compose_core.supervisor.host import variable_name
from compose_core.supervisor.record import Record
from compose_core.supervisor.service import Service
from compose_core.supervisor.talk import Refused


class Surroundings:
    """The environments of a job's processes, and the addresses of its services."""

    def __init__(
        self,
        environment: Dict[str, str],
        job_id: str,
        is_slurm: bool,
        record: Record,
        services: List[Service],
        allocation: Allocation,
    ) -> None:
        self._environment = environment
        self._job_id = job_id
        self._is_slurm = is_slurm
        self._record = record
        self._services = services
        self._by_name = {service.name: service for service in services}
        self._allocation = allocation

    def of_job(self) -> Dict[str, str]:
        """What every process of the job finds in its environment."""
        environment = dict(self._environment)
        environment.update(
            HPC_COMPOSE_JOB_DIR=self._record.folder.path,
            HPC_COMPOSE_JOB_ROOT=self._record.folder.path,
            HPC_COMPOSE_JOB_ID=self._job_id,
            HPC_COMPOSE_ENGINE="slurm" if self._is_slurm else "local",
            HPC_COMPOSE_ATTEMPT=str(self._record.attempt),
            HPC_COMPOSE_IS_RESUME="1" if self._record.is_resume else "0",
            HPC_COMPOSE_PRIMARY_NODE=self._allocation.primary,
            HPC_COMPOSE_NODE_COUNT=str(len(self._allocation.nodes)),
            HPC_COMPOSE_NODELIST=self._allocation.nodelist,
            HPC_COMPOSE_NODELIST_FILE=os.path.join(self._record.folder.path, "allocation", "nodes.txt"),
            HPC_COMPOSE_SUBMISSION_TOKEN=self._record.token or "",
        )
        for name in ("ARRAY_JOB_ID", "ARRAY_TASK_ID", "ARRAY_TASK_COUNT"):
            if "SLURM_" + name in self._environment:
                environment["HPC_COMPOSE_" + name] = self._environment["SLURM_" + name]
        if self._record.resume_dir is not None:
            environment["HPC_COMPOSE_RESUME_DIR"] = self._record.resume_dir
        return environment

    def of_step(self, service: Service) -> Dict[str, str]:
        """What the service's process finds in its environment."""
        environment = self.of_job()
        environment["HPC_COMPOSE_SERVICE_NAME"] = service.name
        for other in self._services:
            prefix = "HPC_COMPOSE_" + variable_name(other.name)
            environment[prefix + "_HOST"] = self.host_of(other)
            if other.master_port:
                environment[prefix + "_PORT_MASTER"] = str(other.master_port)
            for port_name, port in other.ports.items():
                environment["{}_PORT_{}".format(prefix, variable_name(port_name))] = str(port)
                url = "http://{}:{}".format(self.host_of(other), port)
                environment["{}_URL_{}".format(prefix, variable_name(port_name))] = url
        if service.launch == "srun":
            run = "{}.{}.{}.{}".format(self._job_id, service.token, self._record.attempt, service.launches)
            set_distributed(environment, service, self.host_of(service), self._record.folder.path, run)
        return environment

    def host_of(self, _service: Service) -> str:
        """Where the others reach it."""
        return self._allocation.primary if self._is_slurm else "127.0.0.1"

    def filled(self, text: str) -> str:
        """`text` with `@{service.host}` and `@{service.port.name}` filled in."""

        def value(found: Any) -> str:
            service = self._by_name.get(found.group(1))
            port = service.port(found.group(2)) if service and found.group(2) else 0
            if service is None or (found.group(2) and not port):
                raise Refused("{} names no service or port of this job".format(found.group(0)))
            return str(port) if port else self.host_of(service)

        return re.sub(r"@\{([^{}]+?)\.(?:host|port\.([^{}.]+))\}", value, text)
