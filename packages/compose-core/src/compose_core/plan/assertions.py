"""What a service's `assert` asks for, with globs as the supervisor reads them."""

from __future__ import annotations

from compose_core.plan.model import PlannedAssertions
from compose_core.plan.text import below_job
from compose_core.spec.models import Service


def planned_assertions(service: Service) -> PlannedAssertions | None:
    """The service's assertions; None when it has none, or an empty list of them."""
    asserts = service.asserts
    if asserts is None:
        return None
    planned = PlannedAssertions(
        exit_code=asserts.exit_code,
        artifacts_contain=tuple(below_job(glob) for glob in asserts.artifacts_contain),
        max_duration_s=asserts.max_duration_seconds,
    )
    return planned if planned != PlannedAssertions() else None
