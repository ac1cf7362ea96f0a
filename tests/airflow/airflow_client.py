"""Airflow's REST API as its tests use it: trigger, wait, look, clear, mark."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from tests.slurm.bench_end import BenchError

ENDED = frozenset({"success", "failed"})
Json = dict[str, Any]
T = TypeVar("T")


class AirflowClient:
    """Every answer is the API's JSON; every wait has a deadline and says what it saw last."""

    def __init__(self, url: str) -> None:
        self.url = url

    # -- runs -------------------------------------------------------------------------------------------------------

    def trigger(self, dag_id: str, conf: Mapping[str, Any] | None = None, *, run_id: str | None = None) -> str:
        """Start a run of a DAG that may be paused, and give its run id."""
        self.request("PATCH", f"/dags/{dag_id}", {"is_paused": False})
        body = {"logical_date": None, "conf": dict(conf or {}), **({"dag_run_id": run_id} if run_id else {})}
        answer = self.request("POST", f"/dags/{dag_id}/dagRuns", body)
        return str(answer["dag_run_id"])

    def run_state(self, dag_id: str, run_id: str) -> str:
        return str(self.request("GET", f"/dags/{dag_id}/dagRuns/{quote(run_id)}")["state"])

    def wait_for_run(self, dag_id: str, run_id: str, timeout: float = 120.0) -> str:
        """The state in which the run ended.

        Raises: BenchError: it did not end in that time; with the states of its tasks.
        """
        try:
            return self.wait_for(lambda: self.run_state(dag_id, run_id), ENDED, timeout)
        except BenchError as error:
            raise BenchError(f"{dag_id} {run_id}: {error}; tasks: {self.states(dag_id, run_id)}") from None

    def mark_run(self, dag_id: str, run_id: str, state: str) -> None:
        self.request("PATCH", f"/dags/{dag_id}/dagRuns/{quote(run_id)}", {"state": state})

    # -- task instances ---------------------------------------------------------------------------------------------

    def tasks(self, dag_id: str, run_id: str) -> list[Json]:
        """All task instances of the run, also of mapped tasks."""
        path = f"/dags/{dag_id}/dagRuns/{quote(run_id)}/taskInstances"
        found: list[Json] = []
        while True:
            page = self.request("GET", f"{path}?{urlencode({'limit': 100, 'offset': len(found)})}")
            found += page["task_instances"]
            if not page["task_instances"] or len(found) >= page["total_entries"]:
                return found

    def task(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> Json:
        """One task instance.

        Raises: BenchError: there is none (yet).
        """
        for found in self.tasks(dag_id, run_id):
            if found["task_id"] == task_id and found["map_index"] == map_index:
                return found
        raise BenchError(f"no task {task_id}[{map_index}] in {dag_id} {run_id}")

    def states(self, dag_id: str, run_id: str) -> dict[str, str | None]:
        """`task` or `task[index]` to its state."""
        return {_name(task): task["state"] for task in self.tasks(dag_id, run_id)}

    def wait_for_task(
        self,
        dag_id: str,
        run_id: str,
        task_id: str,
        states: Collection[str],
        timeout: float = 60.0,
        *,
        map_index: int = -1,
        try_number: int = 0,
    ) -> Json:
        """The task instance as soon as it is in one of these states, in this try or a later one."""

        def look() -> Json | None:
            found = self.task(dag_id, run_id, task_id, map_index)
            return found if found["state"] in states and found["try_number"] >= try_number else None

        return self.wait(look, timeout, what=lambda: f"{task_id} {set(states)}: {self.states(dag_id, run_id)}")

    def mark(self, dag_id: str, run_id: str, task_id: str, state: str, map_index: int | None = None) -> None:
        """As a person who presses "mark as"."""
        path = f"/dags/{dag_id}/dagRuns/{quote(run_id)}/taskInstances/{task_id}"
        path += "" if map_index is None else f"/{map_index}"
        self.request("PATCH", path, {"new_state": state})

    def clear(self, dag_id: str, run_id: str, task_ids: Sequence[str | list[str | int]]) -> None:
        """As a person who presses "clear"; an item is a task or `[task, map index]`."""
        body = {
            "dry_run": False,
            "dag_run_id": run_id,
            "task_ids": list(task_ids),
            "only_failed": False,
            "reset_dag_runs": True,
        }
        self.request("POST", f"/dags/{dag_id}/clearTaskInstances", body)

    def links(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> dict[str, str | None]:
        """The extra links that the UI shows, by name."""
        answer = self.request("GET", f"{_task_path(dag_id, run_id, task_id)}/links?map_index={map_index}")
        return dict(answer["extra_links"])

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str = "return_value", map_index: int = -1) -> Any:
        """The value of one XCom entry.

        Raises: BenchError: there is none.
        """
        path = f"{_task_path(dag_id, run_id, task_id)}/xcomEntries/{key}?map_index={map_index}&deserialize=false"
        value = self.request("GET", path)["value"]
        return json.loads(value) if isinstance(value, str) and value[:1] in '{["' else value

    def log(self, dag_id: str, run_id: str, task_id: str, try_number: int = 1, map_index: int = -1) -> str:
        """The task's log as text, one event a line."""
        path = f"{_task_path(dag_id, run_id, task_id)}/logs/{try_number}?map_index={map_index}&full_content=true"
        content = self.request("GET", path)["content"]
        return "\n".join(_log_line(event) for event in content)

    # -- asking -----------------------------------------------------------------------------------------------------

    def request(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """One call below `/api/v2`.

        Raises: BenchError: the API refused, with its reason.
        """
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"{self.url}/api/v2{path}", data=data, method=method, headers={"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=90) as answer:  # a loaded API server took more than 30 s
                text = answer.read()
        except urllib.error.HTTPError as error:
            raise BenchError(f"{method} {path}: {error.code}: {error.read().decode(errors='replace')[:600]}") from None
        except OSError as error:
            raise BenchError(f"{method} {path}: {error}") from None
        return json.loads(text) if text else None

    def wait_for(self, look: Callable[[], str], wanted: Collection[str], timeout: float) -> str:
        """Ask until the answer is one of those wanted."""
        seen = ""

        def reached() -> str | None:
            nonlocal seen
            seen = look()
            return seen if seen in wanted else None

        return self.wait(reached, timeout, what=lambda: f"{set(wanted)}, it is {seen}")

    def wait(
        self,
        look: Callable[[], T | None],
        timeout: float,
        *,
        what: Callable[[], str] = lambda: "it",
        pause: float = 0.5,
    ) -> T:
        """The first answer of `look` that is not None; a look that fails is one that saw nothing.

        Raises: BenchError: none came in that time.
        """
        deadline = time.monotonic() + timeout
        while True:
            try:
                found = look()
            except BenchError as error:
                found, trouble = None, f" ({error})"
            else:
                trouble = ""
            if found is not None:
                return found
            if time.monotonic() > deadline:
                raise BenchError(f"waited {timeout:g} s in vain for {what()}{trouble}")
            time.sleep(pause)


def _task_path(dag_id: str, run_id: str, task_id: str) -> str:
    return f"/dags/{dag_id}/dagRuns/{quote(run_id)}/taskInstances/{task_id}"


def _name(task: Json) -> str:
    return str(task["task_id"]) + ("" if task["map_index"] < 0 else f"[{task['map_index']}]")


def _log_line(event: Any) -> str:
    if not isinstance(event, dict):
        return str(event)
    detail = event.get("error_detail")
    return str(event.get("event", "")) + (f" {json.dumps(detail)}" if detail else "")
