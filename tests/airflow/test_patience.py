"""A short outage costs a submission time and no try; a longer one, or a wrong address, ends the try."""

from __future__ import annotations

from datetime import timedelta

import pytest

from airflow_provider_hpccompose import patience
from airflow_provider_hpccompose.exceptions import (
    HpcComposeError,
    HpcComposeNotReached,
    HpcComposeSpecError,
    HpcComposeUnreachable,
)
from compose_core.testing import FakeClock

pytestmark = pytest.mark.adapters


class Asked:
    """Raises what it is given, one after the other, then answers."""

    def __init__(self, *errors: HpcComposeError) -> None:
        self.errors = list(errors)
        self.count = 0

    def __call__(self) -> str:
        self.count += 1
        if self.errors:
            raise self.errors.pop(0)
        return "job"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    """The time that passes without being waited for."""
    clock = FakeClock()
    monkeypatch.setattr(patience, "CLOCK", clock)
    return clock


def test_a_scheduler_that_comes_back_gives_the_answer(clock: FakeClock) -> None:
    asked = Asked(*[HpcComposeUnreachable("silent")] * 3)
    assert patience.ask_patiently(asked, patience.PATIENCE) == "job"
    assert asked.count == 4
    assert clock.slept_s == pytest.approx(5 + 7.5 + 11.25)


def test_the_patience_has_an_end(clock: FakeClock) -> None:
    """A scheduler that comes back after two minutes is waited for, one that stays away is not."""
    asked = Asked(*[HpcComposeUnreachable("silent")] * 1000)
    with pytest.raises(HpcComposeUnreachable, match="silent"):
        patience.ask_patiently(asked, patience.PATIENCE)
    assert 120 < clock.slept_s <= 180
    assert 6 <= asked.count <= 12


def test_without_patience_one_answer_counts(clock: FakeClock) -> None:
    asked = Asked(HpcComposeUnreachable("silent"))
    with pytest.raises(HpcComposeUnreachable):
        patience.ask_patiently(asked, timedelta(0))
    assert (asked.count, clock.slept_s) == (1, 0.0)


@pytest.mark.parametrize("error", [HpcComposeNotReached("no such host"), HpcComposeSpecError("wrong")])
def test_what_waiting_does_not_mend_is_told_at_once(clock: FakeClock, error: HpcComposeError) -> None:
    asked = Asked(error)
    with pytest.raises(type(error)):
        patience.ask_patiently(asked, patience.PATIENCE)
    assert (asked.count, clock.slept_s) == (1, 0.0)
