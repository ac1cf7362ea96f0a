"""When a wait for a job ends."""

from __future__ import annotations

import pytest

from airflow_provider_hpccompose.triggers.waiting import LOST_AFTER_S, Ignorance, Terms, outcome
from tests.airflow.virtual_time import report

pytestmark = pytest.mark.adapters


def test_a_job_that_is_over_ends_the_wait() -> None:
    """Also when a deadline has passed: what is over needs no cancelling."""
    assert outcome(Terms(deadline=10.0), report(state="COMPLETED"), now=20.0) == "done"


def test_a_job_without_a_trace_is_lost_and_never_done() -> None:
    """Absence is no success."""
    assert outcome(Terms(), report(state="LOST"), now=0.0) == "lost"


@pytest.mark.parametrize(("now", "expected"), [(9.9, None), (10.0, "timeout")])
def test_a_job_that_runs_at_its_deadline_has_timed_out(now: float, expected: str | None) -> None:
    """Airflow's own timeouts do not reach a deferred task's job."""
    assert outcome(Terms(deadline=10.0), report(), now=now) == expected


def test_the_queue_deadline_is_for_jobs_that_have_not_started() -> None:
    """A job that ran and was put back into the queue has not waited too long to start."""
    terms = Terms(queue_deadline=10.0)
    assert outcome(terms, report(state="PENDING"), now=11.0) == "queue_timeout"
    assert outcome(terms, report(state="PENDING", times={"started": 5.0}), now=11.0) is None
    assert outcome(terms, report(state="RUNNING"), now=11.0) is None


def test_a_reason_that_means_never_ends_the_wait_of_a_pending_job() -> None:
    """The job would wait for ever."""
    terms = Terms(fatal_reasons=["InvalidQOS"])
    assert outcome(terms, report(state="PENDING", reason="InvalidQOS"), now=0.0) == "fatal_pending"
    assert outcome(terms, report(state="PENDING", reason="Priority"), now=0.0) is None


def test_while_the_cluster_is_silent_only_the_silence_ends_the_wait() -> None:
    """The job may have ended well in the meantime, so its deadline says nothing."""
    terms = Terms(deadline=10.0, outage_s=3600.0)
    assert outcome(terms, report(), now=20.0, silent_s=3599.0, is_silent=True) is None
    assert outcome(terms, report(), now=20.0, silent_s=3600.0, is_silent=True) == "outage"
    assert outcome(terms, None, now=20.0, silent_s=3600.0, is_silent=True) == "outage"


def test_a_long_interval_is_no_silence() -> None:
    """Between two looks nobody was asked."""
    assert outcome(Terms(outage_s=60.0), report(), now=0.0, silent_s=300.0, is_silent=False) is None


def test_a_wait_can_be_for_running_for_states_and_for_a_service() -> None:
    """Sensors wait for more than the end."""
    assert outcome(Terms(wait_for="running"), report(state="PENDING"), now=0.0) is None
    assert outcome(Terms(wait_for="running"), report(), now=0.0) == "done"
    assert outcome(Terms(wait_for="states:suspended, RUNNING"), report(), now=0.0) == "done"
    ready = Terms(wait_for="service:web:ready")
    assert outcome(ready, report(services={"web": {"ready": False}}), now=0.0) is None
    assert outcome(ready, report(services={"web": {"ready": True}}), now=0.0) == "done"
    assert outcome(ready, report(state="FAILED"), now=0.0) == "done"  # it will never be ready


def test_a_job_of_which_nobody_knows_anything_is_lost_in_the_end() -> None:
    """Its records were removed: no later look will know more, and the wait would have no end."""
    ignorance, nothing = Ignorance(), report(state="UNKNOWN", verdict="unknown")
    assert ignorance.after(nothing, 100.0) == 0.0
    assert outcome(Terms(), nothing, now=0.0, unknown_s=ignorance.after(nothing, 100.0 + LOST_AFTER_S - 1)) is None
    assert outcome(Terms(), nothing, now=0.0, unknown_s=ignorance.after(nothing, 100.0 + LOST_AFTER_S)) == "lost"
    assert ignorance.after(report(), 800.0) == 0.0
    assert ignorance.after(nothing, 900.0) == 0.0


def test_an_unknown_wait_is_refused_at_once() -> None:
    """A typing error would wait for ever."""
    with pytest.raises(ValueError, match="none of `terminal`"):
        Terms(wait_for="service:web")
