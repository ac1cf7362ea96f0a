"""One service: what was asked for and how it is now."""

import os
import socket
import subprocess
from typing import Dict, List, Optional, Tuple

from compose_core.supervisor.allocation import Allocation
from compose_core.supervisor.files import Json
from compose_core.supervisor.policy import RestartWindow
from compose_core.supervisor.readiness import Probe

MASTER_PORT_NAME = "master"
"""A service's `ports: [master]` is its MASTER_PORT, and `@{service.port.master}` stands for it in any case."""
ENDED = ("exited", "failed", "stopped", "skipped")


class Declared:
    """What was asked for of one service."""

    def __init__(self, description: Json, index: int) -> None:
        self.name: str = description["name"]
        self.token: str = description["token"]
        self.step_name: str = description["step_name"]
        self.is_main: bool = description.get("lifecycle", "main") == "main"
        self.launch: str = description.get("launch", "srun")
        self.depends_on = [(need["service"], need["condition"]) for need in description.get("depends_on") or ()]
        self.readiness: Optional[Json] = description.get("readiness")
        self.policy: Json = description.get("failure_policy") or {}
        self.mode: str = self.policy.get("mode", "fail_job")
        self.backoff_s = float(self.policy.get("backoff_s") or 0)
        self.secrets: List[str] = list(description.get("secrets") or ())
        self.asserts: Json = description.get("assert") or {}
        self.hooks: List[Json] = list(description.get("hooks") or ())
        self.around: Dict[str, str] = {
            kind: description[kind] for kind in ("prologue", "epilogue") if description.get(kind) is not None
        }
        """Scripts that run on the batch host before and after each launch."""
        self.port_names: List[str] = list(description.get("ports") or ())
        self.mpi: Optional[Json] = description.get("mpi")
        self.placement = {key: description.get(key) for key in ("placement_mode", "nodes", "ntasks", "ntasks_per_node")}
        self.time_limit_s: Optional[float] = description.get("time_limit_s")
        self.index = index

    @property
    def task_count(self) -> int:
        """Tasks of its step."""
        return int(self.placement["ntasks"] or 1)

    @property
    def node_count(self) -> int:
        """Nodes of its step."""
        return int(self.placement["nodes"] or 1)

    @property
    def is_distributed(self) -> bool:
        """It spans the whole allocation."""
        return bool(self.placement["placement_mode"] == "distributed")

    @property
    def log_name(self) -> str:
        """The log's name in `logs/`."""
        return self.token + ".log"

    def ended_well(self, code: int) -> bool:
        """An exit with this code is no failure."""
        return code in (0, self.asserts.get("exit_code", 0))


class Service(Declared):
    """One service of the job: what was asked for and how it is now."""

    def __init__(self, description: Json, index: int) -> None:
        super().__init__(description, index)
        policy = self.policy
        self.window = RestartWindow(
            policy.get("max_restarts"), policy.get("window_s"), policy.get("max_restarts_in_window")
        )
        self.status = "waiting"
        self.process: Optional["subprocess.Popen[bytes]"] = None
        """Kept until it is reaped: subprocess reaps by itself what nobody holds."""
        self.step_id: Optional[str] = None
        self.ports: Dict[str, int] = {}
        self.port_holders: List[socket.socket] = []
        self.master_port = 0
        """Where the tasks of its step meet; 0 without a step."""
        self.probe: Optional[Probe] = None
        self.launches = 0
        self.relaunch_at = 0.0
        self.stopping = ""
        """Why it was told to stop: `teardown`, `readiness` or `time_limit`; empty while it was not."""
        self.kill_at: Optional[float] = None
        self.killed_at: Optional[float] = None
        self.kill_again_at: Optional[float] = None
        self.lingering: Optional[Tuple[int, Optional[int]]] = None
        """How its process ended, while others of its group still use their grace time."""
        self.verdict_at: Optional[float] = None
        self.verdict: Tuple[int, Optional[int], str] = (0, None, "")
        """A failure that is judged at `verdict_at`: exit code, signal, how it ended."""
        self.indexed_size = 0
        self.log_begin = 0
        """Where the output of the latest launch begins in its log."""
        self.log_bytes: Optional[int] = None
        """All that its log ever got, where logs are rotated."""
        self.was_warned = False
        """This launch of it got the early warning."""
        self.limit_at: Optional[float] = None

        self.first_started_at: Optional[float] = None
        self.assertion_status = "not_evaluated"
        self.assertion_failures: List[str] = []
        self.completed = False
        self.last_exit_code: Optional[int] = None
        self.last_signal: Optional[int] = None
        self.started_at: Optional[float] = None
        self.ready_at: Optional[float] = None
        self.finished_at: Optional[float] = None
        self.first_failure_at: Optional[float] = None
        self.first_failure_exit_code: Optional[int] = None
        self.first_failure_node: Optional[str] = None
        self.first_failure_rank: Optional[int] = None
        self.failed_task: Tuple[Optional[str], Optional[int]] = (None, None)
        """Node and rank of the task that made the latest launch fail, as far as they are known."""
        self.failure_reason: Optional[str] = None

    def port(self, name: str) -> int:
        """The number of the port of this name; 0 when it has none."""
        return self.ports.get(name) or (self.master_port if name == MASTER_PORT_NAME else 0)

    def end_probe(self) -> None:
        """It is not asked any more whether it is ready."""
        if self.probe is not None:
            self.probe.close()
            self.probe = None

    @property
    def pid(self) -> int:
        """Its process, which leads a process group; 0 for none."""
        return self.process.pid if self.process is not None else 0

    @property
    def is_alive(self) -> bool:
        """It has a process."""
        return self.process is not None

    @property
    def has_ended(self) -> bool:
        """It will not run again."""
        return self.status in ENDED

    def satisfies(self, condition: str) -> Optional[bool]:
        """Whether a dependent that waits for `condition` may start: True, None for not yet, False for never."""
        if condition == "service_completed_successfully":
            return self.completed or (False if self.has_ended else None)
        if condition == "service_healthy" and self.readiness is not None:
            healthy = self.ready_at is not None and (self.status == "ready" or self.completed)
            return healthy or (False if self.has_ended or self.status == "running" else None)
        if self.launches and self.status != "backoff":
            return True
        return False if self.has_ended else None

    def as_json(self, now: float, log_folder: str, allocation: Allocation) -> Json:
        """Its object in state.json."""
        timestamps = self.window.timestamps(now)
        state = {
            "service_name": self.name,
            "token": self.token,
            "step_name": self.step_name,
            "step_id": self.step_id,
            "log_path": os.path.join(log_folder, self.log_name),
            "launch_index": self.index,
            "launcher_pid": self.pid,
            "status": self.status,
            "healthy": self.status == "ready" if self.readiness else None,
            "completed_successfully": self.completed,
            "readiness_configured": self.readiness is not None,
            "lifecycle": "main" if self.is_main else "sidecar",
            "failure_policy_mode": self.mode,
            "restart_count": self.window.restart_count,
            "max_restarts": self.window.max_restarts,
            "window_seconds": self.window.window_s,
            "max_restarts_in_window": self.window.max_in_window,
            "restart_failures_in_window": len(timestamps),
            "restart_failure_timestamps": timestamps,
            "last_exit_code": self.last_exit_code,
            "last_signal": self.last_signal,
            "started_at": self.started_at,
            "ready_at": self.ready_at,
            "finished_at": self.finished_at,
            "first_failure_at": self.first_failure_at,
            "first_failure_exit_code": self.first_failure_exit_code,
            "first_failure_node": self.first_failure_node,
            "first_failure_rank": self.first_failure_rank,
            "failure_reason": self.failure_reason,
            "nodelist": allocation.nodelist if self.is_distributed else allocation.primary,
            "host": allocation.primary,
            "ports": self.ports,
        }
        state.update(self.placement)
        return state
