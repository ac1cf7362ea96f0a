"""What has to hold of a service once all services of the job have ended."""

import time
from typing import Callable, Iterable, List, Optional

from compose_core.supervisor.artifacts import glob_pattern
from compose_core.supervisor.files import Json
from compose_core.supervisor.service import Service


def check_assertions(
    services: Iterable[Service], find_paths: Callable[[], List[str]], is_success: bool
) -> List[Service]:
    """The services whose assertions failed; `find_paths` lists the job folder, and is asked only when somebody wants to know.

    A service that was never started fails only a job that went well otherwise: in any other there is nothing to say of it.
    """
    paths: Optional[List[str]] = None
    failed = []
    for service in services:
        if not service.asserts:
            continue
        if paths is None and service.asserts.get("artifacts_contain"):
            paths = find_paths()
        service.assertion_failures = []
        if not service.launches:
            service.assertion_failures = ["it was not started"] if is_success else []
        else:
            service.assertion_failures = list(_violations(service, paths or []))
        service.assertion_status = (
            "failed" if service.assertion_failures else "passed" if service.launches else "skipped"
        )
        if service.assertion_failures:
            failed.append(service)
    return failed


def assertions_json(service: Service) -> Optional[Json]:
    """The assertions of a service for state.json; None when it has none."""
    if not service.asserts:
        return None
    return {
        "configured": True,
        "status": service.assertion_status,
        "expected_exit_code": service.asserts.get("exit_code"),
        "artifacts_contain": list(service.asserts.get("artifacts_contain") or ()),
        "max_duration_seconds": service.asserts.get("max_duration_seconds"),
        "duration_seconds": None if service.assertion_status == "not_evaluated" else _duration_s(service),
        "failures": service.assertion_failures,
    }


def _violations(service: Service, paths: List[str]) -> Iterable[str]:
    expected, limit_s = service.asserts.get("exit_code"), service.asserts.get("max_duration_seconds")
    if expected is not None and service.last_exit_code != expected:
        yield "it ended with {} instead of {}".format(service.last_exit_code, expected)
    took_s = _duration_s(service)
    if limit_s is not None and took_s is not None and took_s > limit_s:
        yield "it took {:.1f} s instead of {} at most".format(took_s, limit_s)
    for glob in service.asserts.get("artifacts_contain") or ():
        if not any(map(glob_pattern(glob).match, paths)):
            yield "nothing in the job folder matches {}".format(glob)


def _duration_s(service: Service) -> Optional[float]:
    """From its first launch to its last end, restarts and what lies between them included."""
    if service.first_started_at is None:
        return None
    return round(max(0.0, (service.finished_at or time.time()) - service.first_started_at), 3)
