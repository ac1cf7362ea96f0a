"""What holds for every test: the working folder and the environment are left as they were found, and property tests are repeatable."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

# The same cases on every run, and no deadline: a slow machine is no failure.
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None)
hypothesis.settings.load_profile("repeatable")

_WRITTEN_BY_PYTEST = frozenset({"PYTEST_CURRENT_TEST"})


@pytest.fixture(autouse=True, scope="session")
def _signals_as_at_a_terminal() -> None:
    """Jobs that tests start are to heed signals, also where a background shell runs the tests and ignores some."""
    for number, handler in (
        (signal.SIGHUP, signal.SIG_DFL),
        (signal.SIGINT, signal.default_int_handler),
        (signal.SIGQUIT, signal.SIG_DFL),
    ):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, handler)


@pytest.fixture(autouse=True)
def _world_left_as_found() -> Iterator[None]:
    """Fails a test that leaves a changed working folder or environment behind, and mends it for the tests that follow."""
    folder, environment = Path.cwd(), _environment()
    yield
    left_folder, left_environment = Path.cwd(), _environment()
    if left_folder != folder:
        os.chdir(folder)
    changed = sorted(
        name
        for name in environment.keys() | left_environment.keys()
        if environment.get(name) != left_environment.get(name)
    )
    for name in changed:
        if name in environment:
            os.environ[name] = environment[name]
        else:
            del os.environ[name]
    assert left_folder == folder, f"the test left the working folder {left_folder} behind"
    assert not changed, f"the test left changed environment variables behind: {', '.join(changed)}"


@pytest.fixture(scope="session")
def repository() -> Path:
    """The top of the repository."""
    return Path(__file__).resolve().parent.parent


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in _WRITTEN_BY_PYTEST}
