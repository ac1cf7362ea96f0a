"""The nodes that the job got."""

import re
import socket
import subprocess
from typing import Dict, List

from compose_core.supervisor.talk import complain

TOOL_TIMEOUT_S = 10.0
NODES_LIMIT = 100000
"""No job has more; a list that says so is not expanded."""
NODE_NAMES = re.compile(r"(?:[^\[\],]|\[[^\[\]]*\])+")
NODE_LIST = re.compile("{0}(?:,{0})*".format(NODE_NAMES.pattern))
NODE_RANGES = re.compile(r"\[([0-9,-]+)\]")


def expanded_nodes(nodelist: str) -> List[str]:
    """The names that `node[1-3,07],login` stands for; empty when it cannot be read.  Source: scontrol(1), show hostnames."""
    if not NODE_LIST.fullmatch(nodelist):
        return []
    todo: List[str] = NODE_NAMES.findall(nodelist)[::-1]
    names: List[str] = []
    while todo and len(names) + len(todo) <= NODES_LIMIT:
        name = todo.pop()
        found = NODE_RANGES.search(name)
        if found is None:
            names.append(name)
            continue
        for part in reversed(found.group(1).split(",")):
            first, _, last = part.partition("-")
            if not first.isdigit() or not (last or first).isdigit() or int(last or first) - int(first) > NODES_LIMIT:
                return []
            numbers = range(int(last or first), int(first) - 1, -1)
            todo += [name[: found.start()] + str(one).zfill(len(first)) + name[found.end() :] for one in numbers]
    return [] if todo or any("[" in name for name in names) else names


class Allocation:
    """Where the job runs."""

    def __init__(self, environment: Dict[str, str]) -> None:
        own = environment.get("SLURMD_NODENAME") or socket.gethostname()
        self.nodelist = environment.get("SLURM_JOB_NODELIST") or own
        self.nodes = self._expand(own)
        self.primary = self.nodes[0]
        if own not in (self.primary, self.nodelist):
            complain(
                "this is {}, not the first node {}: ports are free here, services run there".format(own, self.primary)
            )

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
            names = answer.stdout.decode("utf-8", "replace").split()
        except (OSError, subprocess.SubprocessError) as error:
            complain("scontrol does not tell the nodes of {}: {}".format(self.nodelist, error))
            names = []
        names = names or expanded_nodes(self.nodelist)
        if not names:
            complain("the nodes of {} are not known".format(self.nodelist))
        return names or [own]
