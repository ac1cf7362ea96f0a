"""What keys, looks at the job and output do to the model."""

from __future__ import annotations

from dataclasses import replace

import pytest

from compose_core.tracking.log_lines import LogLine
from compose_core.watch.model import LINES_KEPT, HoldOnExit, JobView, LogChoice, Model
from compose_core.watch.update import JobSeen, Key, OutputSeen, Resized, Troubled, update
from tests.core.watch.screens import ARRAY, FAILED, RUNNING, keys, model_of, output

COMPLETED = replace(RUNNING, state="COMPLETED", terminal=True)


def pressed(model: Model, *names: str) -> Model:
    """The model after these keys."""
    for key in keys(*names):
        model = update(model, key)
    return model


@pytest.mark.parametrize(
    ("names", "selected"),
    [
        (("j",), "trainer"),
        (("down",), "trainer"),
        (("tab",), "trainer"),
        (("j", "j", "j", "j"), "exporter-of-checkpoints"),
        (("j", "k"), "db"),
        (("j", "up"), "db"),
        (("k",), "db"),
        (("G",), "exporter-of-checkpoints"),
        (("G", "g"), "db"),
    ],
)
def test_keys_move_the_selection(names: tuple[str, ...], selected: str) -> None:
    model = pressed(model_of(RUNNING), *names)
    assert model.selected == selected
    assert model.choice == LogChoice(service=selected)


def test_another_selection_empties_the_log_until_its_output_comes() -> None:
    """And output of what was selected before does not get into it."""
    before = model_of(RUNNING)
    model = pressed(before, "j")
    assert model.log.lines == ()
    assert update(model, output(before, 3)).log.lines == ()
    assert len(update(model, output(model, 3, is_fresh=True)).log.lines) == 3


def test_a_filter_lists_only_names_that_contain_it() -> None:
    model = pressed(model_of(RUNNING), "/", "E", "R", "enter")
    assert (model.names, model.selected) == (("trainer", "exporter-of-checkpoints"), "trainer")
    assert pressed(model, "escape").names == ("db", "trainer", "exporter-of-checkpoints")


def test_esc_leaves_the_filter_as_it_was() -> None:
    model = pressed(model_of(RUNNING), "/", "d", "b", "enter", "/", "x", "backspace", "q", "escape")
    assert (model.filter, model.names, model.leaving) == ("db", ("db",), None)


def test_keys_that_are_typed_into_the_filter_do_nothing_else() -> None:
    model = pressed(model_of(RUNNING), "/", "q", "a", "?", " ")
    assert (model.typing, model.leaving, model.shows_all, model.shows_help, model.log.is_paused) == (
        "qa? ",
        None,
        False,
        False,
        False,
    )


def test_space_pauses_the_log_and_goes_on_with_what_came_meanwhile() -> None:
    model = pressed(model_of(RUNNING), " ")
    shown = model.log.lines
    model = update(model, output(model, 7, first=61))
    assert (model.log.lines, model.log.came) == (shown, 7)
    model = pressed(model, " ")
    assert [line.text.split()[1] for line in model.log.lines[-2:]] == ["66", "67"]
    assert (model.log.is_paused, model.log.came) == (False, 0)


def test_a_log_that_is_paused_before_its_first_output_stays_paused() -> None:
    model = pressed(model_of(RUNNING), "j", " ")
    model = update(model, output(model, 9, is_fresh=True))
    assert (model.log.is_paused, len(model.log.lines)) == (True, 9)


def test_a_paused_log_is_scrolled_by_pages_between_its_first_and_last_line() -> None:
    model = update(model_of(RUNNING), Resized(120, 40))
    model = pressed(model, " ", "pageup")
    page = model.log.back
    assert page > 10
    assert pressed(model, "pagedown").log.back == 0
    far = pressed(model, "pageup", "pageup", "pageup")
    assert far.log.back < len(far.log.lines)
    assert pressed(far, "pagedown").log.back < far.log.back


def test_page_up_pauses_a_log_that_is_followed() -> None:
    assert pressed(model_of(RUNNING), "pageup").log.is_paused
    assert not pressed(model_of(RUNNING), "pagedown").log.is_paused


def test_end_returns_to_the_newest_lines() -> None:
    model = pressed(model_of(RUNNING), " ", "pageup")
    model = pressed(update(model, output(model, 5, first=61)), "end")
    assert (model.log.is_paused, model.log.back, model.log.lines[-1].text.split()[1]) == (False, 0, "65")


def test_a_shows_all_logs_and_again_the_selected_one() -> None:
    model = pressed(model_of(RUNNING), "j", "a")
    assert model.choice == LogChoice(service=None)
    assert pressed(model, "a").choice == LogChoice(service="trainer")


def test_help_comes_and_goes() -> None:
    model = pressed(model_of(RUNNING), "?")
    assert model.shows_help
    assert not pressed(model, "?").shows_help
    assert not pressed(model, "escape").shows_help
    assert pressed(model, "q").leaving is None, "q leaves the help first"


@pytest.mark.parametrize(("key", "leaving"), [("q", "quit"), ("ctrl+c", "interrupt")])
def test_the_person_leaves(key: str, leaving: str) -> None:
    assert pressed(model_of(RUNNING), key).leaving == leaving


@pytest.mark.parametrize(
    ("hold", "job", "is_held"),
    [
        ("never", COMPLETED, False),
        ("never", FAILED, False),
        ("failure", COMPLETED, False),
        ("failure", FAILED, True),
        ("always", COMPLETED, True),
        ("always", FAILED, True),
    ],
)
def test_the_last_screen_is_held_as_asked(hold: HoldOnExit, job: JobView, is_held: bool) -> None:
    model = update(replace(model_of(RUNNING), hold=hold), JobSeen(job))
    assert (model.is_held, model.leaving) == ((True, None) if is_held else (False, "ended"))


@pytest.mark.parametrize(("key", "leaving"), [("d", "debug"), ("l", "logs"), ("s", "stats"), ("q", "quit")])
def test_a_held_screen_is_left_for_the_next_command(key: str, leaving: str) -> None:
    assert pressed(model_of(FAILED), key).leaving == leaving
    if key != "q":
        assert pressed(model_of(RUNNING), key).leaving is None, "only once the job is over"


def test_a_held_screen_shows_the_service_that_failed() -> None:
    model = pressed(model_of(RUNNING), "G")
    model = update(model, JobSeen(FAILED))
    assert (model.is_held, model.selected) == (True, "trainer")
    assert update(pressed(model, "k"), JobSeen(FAILED)).selected == "db", "once, and then the person chooses"


def test_a_job_that_begins_again_is_no_longer_held() -> None:
    """It was put back into the queue."""
    assert not update(model_of(FAILED), JobSeen(RUNNING)).is_held


def test_a_scheduler_that_does_not_answer_ends_nothing() -> None:
    model = update(model_of(RUNNING), JobSeen(replace(RUNNING, state="UNREACHABLE", stale=True)))
    assert (model.is_held, model.leaving) == (False, None)


def test_output_is_kept_up_to_a_limit() -> None:
    model = model_of(RUNNING)
    for first in range(1, 4 * LINES_KEPT, 1000):
        model = update(model, output(model, 1000, first=first))
    assert len(model.log.lines) == LINES_KEPT
    model = pressed(model, " ")
    for first in range(1, 4 * LINES_KEPT, 1000):
        model = update(model, output(model, 1000, first=first))
    assert len(model.log.waiting) == LINES_KEPT
    assert model.log.came == 4 * LINES_KEPT


def test_lines_that_were_left_out_are_said_where_they_are_missing() -> None:
    model = model_of(RUNNING)
    model = update(model, output(model, 2, first=5000, skipped=4939))
    assert [line.text for line in model.log.lines[-3:-2]] == ["4,939 lines left out"]
    assert model.log.lines[-3].is_note
    assert model.log.skipped == 4939


def test_enter_opens_a_task_and_esc_goes_back_to_the_list() -> None:
    model = pressed(model_of(ARRAY), "j", "j")
    assert model.choice == LogChoice(task="2")
    model = pressed(model, "enter")
    assert (model.lists_tasks, model.names, model.choice) == (False, ("app",), LogChoice(task="2", service="app"))
    model = pressed(model, "escape")
    assert (model.lists_tasks, model.selected) == (True, "2")


def test_all_logs_of_an_array_are_those_of_all_tasks() -> None:
    assert pressed(model_of(ARRAY), "a").choice == LogChoice()


def test_only_the_services_that_the_command_names_are_listed() -> None:
    model = update(Model(job=JobView(job_id="1"), only=("trainer",)), JobSeen(RUNNING))
    assert model.names == ("trainer",)


def test_the_selection_stays_where_it_is_when_the_job_is_looked_at_again() -> None:
    model = update(pressed(model_of(RUNNING), "j"), JobSeen(RUNNING))
    assert model.selected == "trainer"
    assert len(update(model, OutputSeen(choice=model.choice, lines=(LogLine(service="x", text="y"),))).log.lines) == 1


def test_trouble_comes_and_goes() -> None:
    model = update(model_of(RUNNING), Troubled("the folder cannot be read"))
    assert model.trouble
    assert not update(model, Troubled("")).trouble


def test_unknown_keys_do_nothing() -> None:
    model = model_of(RUNNING)
    assert update(model, Key("f12")) == model
