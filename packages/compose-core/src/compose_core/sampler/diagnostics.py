"""What a person wants to see when GPUs or the network behave oddly: asked once on each node, kept as text."""

import os
import re
import shutil
from typing import Dict, List, Optional, Tuple

from compose_core.sampler.probe import Probe
from compose_core.sampler.report import complain_here
from compose_core.supervisor.files import open_folder, replace_file
from compose_core.supervisor.talk import Refused

DIAGNOSTIC_TIMEOUT_S = 20.0
DIAGNOSTICS: Tuple[Tuple[str, List[str]], ...] = (
    ("nvidia-smi-topo", ["nvidia-smi", "topo", "-m"]),
    ("nvidia-smi-q", ["nvidia-smi", "-q"]),
    ("amd-smi-static", ["amd-smi", "static"]),
    ("rocm-smi-topo", ["rocm-smi", "--showtopo"]),
    ("ibstat", ["ibstat"]),
    ("ibv_devinfo", ["ibv_devinfo"]),
    ("ucx_info", ["ucx_info", "-v", "-d"]),
    ("fi_info", ["fi_info"]),
)
SHOWN_VARIABLES = re.compile(
    r"(?:SLURM|SLURMD|CUDA|NVIDIA|NCCL|RCCL|ROCR|HIP|HSA|UCX|OMPI|PMIX|FI|GLOO|OMP|HPC_COMPOSE)_.*"
    r"|PATH|LD_LIBRARY_PATH|HOSTNAME|TMPDIR|GPU_DEVICE_ORDINAL"
)
SECRET_WORDS = re.compile(r"(?i)TOKEN|SECRET|PASS|KEY|CRED|AUTH|PRIVATE|COOKIE")


def shown_environment(environment: Dict[str, str]) -> str:
    """The variables by name; values only where the name tells that it is about the job's machines, and nothing secret."""
    lines = []
    for name, value in sorted(environment.items()):
        may_show = SHOWN_VARIABLES.fullmatch(name) and not SECRET_WORDS.search(name)
        lines.append("{}={}".format(name, value if may_show else "***"))
    return "\n".join(lines) + "\n"


class Diagnostics:
    """Asks one program after the other, beside the collectors, and writes `metrics/diagnostics/nodes/<node>/<name>.txt`.

    Each node writes into a folder of its own, so nothing of it has two writers.
    """

    def __init__(self, metrics_folder: str, node: str, environment: Dict[str, str]) -> None:
        self._path = metrics_folder
        self._node = node
        self._folder: Optional[int] = None
        self._probe = Probe(environment)
        self._name = ""
        path = environment.get("PATH")
        self._todo = [item for item in DIAGNOSTICS if shutil.which(item[1][0], path=path)] if metrics_folder else []
        if metrics_folder:
            self.keep("env", shown_environment(environment))

    @property
    def pipes(self) -> List[int]:
        """What to wait for."""
        return self._probe.pipes

    @property
    def wake_at(self) -> float:
        """When it has to be looked after."""
        return 0.0 if self._todo and not self._probe.is_busy else self._probe.next_at

    def advance(self) -> None:
        """Take the answer that came, and ask the next."""
        answer = self._probe.poll()
        if answer is not None:
            how = "did not answer in time\n" if answer.timed_out else "exit status {}\n".format(answer.status)
            self.keep(self._name, answer.output + answer.errors + ("" if answer.status == 0 else how))
        while self._todo and not self._probe.is_busy:
            self._name, argv = self._todo.pop(0)
            try:
                self._probe.start(argv, DIAGNOSTIC_TIMEOUT_S)
            except OSError as error:
                self.keep(self._name, str(error) + "\n")

    def stop(self) -> None:
        """No more of them."""
        self._todo = []
        self._probe.kill()

    def keep(self, name: str, text: str) -> None:
        """Write one of them down."""
        try:
            if self._folder is None:
                self._folder = self._open()
            replace_file(name + ".txt", text.encode("utf-8", "backslashreplace"), self._folder)
        except (OSError, Refused) as error:
            complain_here("{}: diagnostics cannot be written: {}".format(self._node, error))

    def _open(self) -> int:
        folder = open_folder(self._path, create=False)
        for name in ("diagnostics", "nodes", self._node):
            inner = open_folder(name, folder)
            os.close(folder)
            folder = inner
        return folder
