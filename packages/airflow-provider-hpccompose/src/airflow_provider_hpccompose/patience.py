"""A submission outlasts a short outage: a silent scheduler is asked again before the try is given up."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from airflow_provider_hpccompose.exceptions import HpcComposeNotReached, HpcComposeUnreachable
from compose_core import SystemClock

PATIENCE = timedelta(minutes=3)
"""A controller that is restarted or fails over is back within this time."""
FIRST_WAIT_S = 5.0
LONGEST_WAIT_S = 30.0
CLOCK = SystemClock()

log = logging.getLogger(__name__)
Answer = TypeVar("Answer")


def ask_patiently(ask: Callable[[], Answer], patience: timedelta) -> Answer:
    """The answer; a scheduler that is silent is asked again, at growing intervals, until the patience is at its end.

    A host that cannot be reached at all, which may as well be misspelt, is asked once.

    Raises: HpcComposeUnreachable: there was no answer.  What `ask` raises besides.
    """
    deadline, wait_s = CLOCK.monotonic() + patience.total_seconds(), FIRST_WAIT_S
    while True:
        try:
            return ask()
        except HpcComposeNotReached:
            raise
        except HpcComposeUnreachable as error:
            if CLOCK.monotonic() + wait_s > deadline:
                raise
            log.warning("The scheduler does not answer; it is asked again in %.0f s: %s", wait_s, error)
        CLOCK.sleep(wait_s)
        wait_s = min(wait_s * 1.5, LONGEST_WAIT_S)
