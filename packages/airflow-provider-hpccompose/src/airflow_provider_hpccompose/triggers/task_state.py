"""In which state Airflow has a trigger's task, and whether its job still has an owner."""

from __future__ import annotations

import asyncio
import logging
from typing import Any
from weakref import WeakKeyDictionary

_OWNED = frozenset({"deferred", "scheduled", "queued", "running", "restarting", "up_for_retry", "up_for_reschedule"})
"""The task waits, or a newer try runs or will run: that one finds the job and decides."""

_ASKED: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Task[None]] = WeakKeyDictionary()
log = logging.getLogger(__name__)


def ask_ahead(task_instance: Any) -> None:
    """Ask Airflow once per event loop, in the background, so that it can answer `task_state` at once when a task is killed.

    The first question of a triggerer makes its supervisor build the whole execution API: 8 s on a quiet machine, and on a busy one more
    than the 30 s that `on_kill` has.
    """
    loop = asyncio.get_running_loop()
    if task_instance is not None and loop not in _ASKED:
        _ASKED[loop] = loop.create_task(_ask(task_instance))


async def _ask(task_instance: Any) -> None:
    try:
        await task_state(task_instance)
    except Exception as error:  # noqa: BLE001  (the answer matters only when a task is killed, and then it is asked for again)
        log.debug("Airflow does not tell the state of a task: %r", error)


async def task_state(task_instance: Any) -> str | None:
    """The state of the trigger's task; None: it has none, which is what a clear leaves behind."""
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance
    from asgiref.sync import sync_to_async

    runs = await sync_to_async(RuntimeTaskInstance.get_task_states)(
        dag_id=task_instance.dag_id,
        task_ids=[task_instance.task_id],
        run_ids=[task_instance.run_id],
        map_index=task_instance.map_index,
    )
    states = runs.get(task_instance.run_id, {})
    index = task_instance.map_index
    name = task_instance.task_id if index is None or index < 0 else f"{task_instance.task_id}_{index}"
    state = states.get(name)
    return None if state is None else str(getattr(state, "value", state))


def has_left_its_task(state: str | None) -> bool:
    """A task in this state has let go of its job."""
    return state not in _OWNED
