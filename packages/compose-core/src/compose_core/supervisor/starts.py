"""Which start of the job this is: Slurm counts those that it knows of, and after a crash of its controller it may forget one."""

import socket
import time
from typing import Callable, Dict, Optional

from compose_core.supervisor.files import Json
from compose_core.supervisor.host import restart_count, start_ticks
from compose_core.supervisor.talk import Refused, say

ENDS_OF_ITS_OWN = (
    "completed",
    "service_failed",
    "readiness_failed",
    "restarts_exhausted",
    "window_exhausted",
    "dependency_failed",
    "assertion_failed",
    "secret_unavailable",
)
"""Causes by which a job is over for good; whatever else ended it may be the reason why it is started again."""
EARLIER_SILENT_S = 30.0
"""A supervisor of another host that has written nothing for so long is gone."""
EARLIER_PATIENCE_S = 90.0
"""Slurm ends what an earlier start left running; so long that is waited for."""
EARLIER_LOOK_S = 0.5


def attempt_of(environment: Dict[str, str], earlier: Json, may_start_again: bool) -> int:
    """The number of this start, from 0 on; one that Slurm did not count comes after the one that `earlier` tells of.

    Raises: Refused: Slurm started the job again although it must not.
    """
    known = _uncounted(environment, earlier)
    if known is None:
        return restart_count(environment)
    if not may_start_again:
        raise Refused("Slurm started this job a second time although `requeue` is false: nothing is started")
    return known + 1


def earlier_end(environment: Dict[str, str], earlier: Json) -> Optional[int]:
    """The exit status of a start that Slurm forgot and that had come to its end: what it did is not done again."""
    is_over = earlier.get("finished_at") is not None and earlier.get("cause") in ENDS_OF_ITS_OWN
    status = earlier.get("job_exit_code")
    if _uncounted(environment, earlier) is None or not is_over or type(status) is not int:
        return None
    return status


def _uncounted(environment: Dict[str, str], earlier: Json) -> Optional[int]:
    """The number of the earlier start, when Slurm does not know of it."""
    known = earlier.get("attempt")
    if type(known) is not int or known < restart_count(environment) or environment.get("HPC_COMPOSE_ENGINE") == "local":
        return None
    return known


def wait_for_earlier(
    earlier: Json,
    again: Callable[[], Json],
    patience_s: float = EARLIER_PATIENCE_S,
    sleep: Callable[[float], None] = time.sleep,
) -> Json:
    """What the earlier start said last, once it is surely over; two starts never run side by side.

    `again` reads the state anew.  Raises: Refused: it still runs when the patience is over.
    """
    waited = 0.0
    while _may_run(earlier):
        if waited >= patience_s:
            raise Refused("an earlier start of this job still runs on {}".format(earlier.get("host")))
        if not waited:
            say("job", "an earlier start of it may still run on {}; it is waited for".format(earlier.get("host")))
        sleep(EARLIER_LOOK_S)
        waited += EARLIER_LOOK_S
        earlier = again() or earlier
    return earlier


def _may_run(state: Json) -> bool:
    if not state or state.get("finished_at") is not None:
        return False
    pid, ticks, heartbeat = (state.get(name) for name in ("supervisor_pid", "supervisor_start_ticks", "heartbeat_at"))
    if state.get("host") == socket.gethostname() and type(pid) is int and type(ticks) is int:
        found: Optional[int] = start_ticks(str(pid))
        return found == ticks
    return isinstance(heartbeat, (int, float)) and abs(time.time() - heartbeat) < EARLIER_SILENT_S
