"""The screen as text: what is on it, and that it always fits."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compose_core.tracking.log_lines import LogLine
from compose_core.watch.model import JobView, Model, ServiceView
from compose_core.watch.update import JobSeen, OutputSeen, Ticked, update
from compose_core.watch.view import view
from tests.core.watch.screens import BEGIN, RUNNING, SCREENS, SIZES, frame, golden, keys, model_of


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("name", SCREENS)
def test_the_screen_is_the_golden_one(name: str, size: tuple[int, int]) -> None:
    """A difference that is meant is written with tests/core/watch/screens.py."""
    assert frame(name, *size) == golden(name, *size).read_text(encoding="utf-8")


@given(st.sampled_from(sorted(SCREENS)), st.integers(1, 200), st.integers(1, 70))
@settings(max_examples=150)
def test_every_screen_has_exactly_the_size_of_the_terminal(name: str, width: int, height: int) -> None:
    """A line more or a cell more would make the terminal scroll."""
    lines = view(SCREENS[name](), width, height)
    assert [line.cell_len for line in lines] == [width] * height


@given(st.text(max_size=60), st.text(max_size=300), st.integers(1, 130), st.integers(1, 30))
@settings(max_examples=150)
def test_nothing_a_job_says_acts_on_the_terminal(name: str, text: str, width: int, height: int) -> None:
    """Names, reasons and output are shown as visible characters."""
    job = replace(RUNNING, name=name, state=text, notes=(text,), nodes=text, services=(ServiceView(name=name),))
    model = model_of(job)
    line = LogLine(service=name, text=f"\x1b[2J\x1b]0;{text}\x07\t{text}")
    model = update(model, OutputSeen(choice=model.choice, lines=(line,) * 3, open_line=text))
    for shown in view(model, width, height):
        assert shown.cell_len == width
        assert not [character for character in shown.plain if ord(character) < 32 or 0x7F <= ord(character) < 0xA0]


def test_wide_characters_keep_the_columns_in_place() -> None:
    """A service's name may be Chinese, and each of its characters takes two cells."""
    job = replace(RUNNING, services=(ServiceView(name="数据库服务器", status="ready"), *RUNNING.services))
    lines = [line.plain for line in view(model_of(job), 120, 30)]
    table = [line for line in lines if "│" in line]
    from rich.cells import cell_len

    assert len({cell_len(line[: line.index("│")]) for line in table}) == 1


@pytest.mark.parametrize(("seconds", "colour"), [(1300, "green"), (1400, "yellow"), (1650, "red"), (3600, "red")])
def test_the_walltime_bar_warns_at_three_quarters_and_at_nine_tenths(seconds: float, colour: str) -> None:
    line = view(model_of(RUNNING, at=BEGIN + seconds), 120, 40)[2]
    assert colour in {str(span.style) for span in line.spans}


def test_errors_and_warnings_in_the_output_stand_out() -> None:
    model = model_of(RUNNING)
    lines = (
        LogLine(service="db", text="RuntimeError: no"),
        LogLine(service="db", text="mirrors"),
        LogLine(service="db", text="a warning"),
    )
    shown = view(update(model, OutputSeen(choice=model.choice, lines=lines)), 120, 40)[-4:-1]
    assert [{str(span.style) for span in line.spans} & {"red", "yellow"} for line in shown] == [
        {"red"},
        set(),
        {"yellow"},
    ]


def test_the_walltime_goes_on_between_two_looks() -> None:
    """The scheduler is asked every 15 s, the clock moves each second."""
    model = model_of(RUNNING, Ticked(BEGIN + 900))
    assert "15m00s of 30m00s" in view(model, 120, 40)[2].plain


def test_of_a_thousand_services_those_around_the_selected_one_are_seen() -> None:
    services = tuple(ServiceView(name=f"worker-{number:04d}", status="running") for number in range(1000))
    text = "\n".join(line.plain for line in view(model_of(replace(RUNNING, services=services), *keys("G")), 120, 40))
    assert "worker-0999" in text
    assert "worker-0001" not in text
    assert "services (1000)" in text


def test_a_job_of_which_nothing_is_known_yet_has_a_screen() -> None:
    model = update(Model(job=JobView(job_id="1")), JobSeen(JobView(job_id="1")))
    text = "\n".join(line.plain for line in view(model, 80, 24))
    assert "no services yet" in text
    assert "no output yet" in text
