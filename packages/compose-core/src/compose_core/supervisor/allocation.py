"""The nodes that the job got."""

import socket
import subprocess
from typing import Dict, List

from compose_core.supervisor.talk import complain

TOOL_TIMEOUT_S = 10.0


class Allocation:
    """Where the job runs."""

    def __init__(self, environment: Dict[str, str]) -> None:
        own = environment.get("SLURMD_NODENAME") or socket.gethostname()
        self.nodelist = environment.get("SLURM_JOB_NODELIST") or own
        self.nodes = self._expand(own)
        self.primary = self.nodes[0]

    def _expand(self, own: str) -> List[str]:
        if "[" not in self.nodelist and "," not in self.nodelist:
            return [own]
        try:
            answer = subprocess.run(
                ["scontrol", "show", "hostnames", self.nodelist],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                timeout=TOOL_TIMEOUT_S,
                check=True,
            )
            return answer.stdout.decode("utf-8", "replace").split() or [own]
        except (OSError, subprocess.SubprocessError) as error:
            complain("the nodes of {} are not known: {}".format(self.nodelist, error))
            return [own]
