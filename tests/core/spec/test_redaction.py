"""What is never shown."""

from __future__ import annotations

import time

import pytest

from compose_core.spec.redaction import HIDDEN, hidden_assignments, is_secret_name, redacted


@pytest.mark.parametrize(
    "name",
    [
        "HF_TOKEN",
        "db_password",
        "AWS_SECRET_ACCESS_KEY",
        "X_API_KEY",
        "apikey",
        "--api-key",
        "SESSION_ID",
        "PRIVATE_KEY",
        "AUTHORIZATION",
        "Cookie",
        "BEARER",
        "PGPASSWD",
        "GOOGLE_CREDENTIALS",
    ],
)
def test_a_name_that_sounds_secret_is_secret(name: str) -> None:
    assert is_secret_name(name)
    assert redacted(name, "value") == HIDDEN


@pytest.mark.parametrize("name", ["PATH", "LOG_LEVEL", "KEYBOARD", "MONKEY", "OMP_NUM_THREADS", "DB_PASSWORD_FILE"])
def test_any_other_name_is_not(name: str) -> None:
    assert redacted(name, "value") == "value"


def test_an_empty_value_hides_nothing() -> None:
    """That a token is empty is what a person has to see."""
    assert redacted("HF_TOKEN", "") == ""


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("postgres://me:pw@db/x", "postgres://***@db/x"),
        ("a http://u:p@h b https://v:q@i", "a http://***@h b https://***@i"),
        ("http://me@host/", "http://me@host/"),
        ("http://host:80/@x", "http://host:80/@x"),
    ],
)
def test_a_password_inside_a_url_is_hidden(value: str, shown: str) -> None:
    assert redacted("URL", value) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("API_TOKEN=abc run", "API_TOKEN=*** run"),
        ("run --password hunter2 --n 3", "run --password *** --n 3"),
        ("run --api-key='a b' x", "run --api-key=*** x"),
        ('{"secret": "x y"}', '{"secret": ***}'),
        ("export A=1; MY_SECRET = v", "export A=1; MY_SECRET = ***"),
        ("no names here", "no names here"),
        ("token", "token"),
    ],
)
def test_what_is_given_to_a_secret_looking_name_is_hidden(text: str, shown: str) -> None:
    assert hidden_assignments(text) == shown


@pytest.mark.parametrize("piece", ["a", "a ", "token ", "token'", "-", "=", 'token="', "://", "token = "])
def test_a_long_text_takes_time_in_proportion(piece: str) -> None:
    """Whatever it repeats: twenty times the text, not hundreds of times the work."""
    short, long = piece * 10_000, piece * 200_000
    hidden_assignments(short)
    begin = time.process_time()
    hidden_assignments(long)
    assert time.process_time() - begin < 5
