"""Which values are never shown."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

HIDDEN = "***"
_SECRET_NAME = re.compile(
    r"SECRET|TOKEN|PASSWORD|PASSWD|API[_-]?KEY|ACCESS[_-]?KEY|PRIVATE[_-]?KEY|CREDENTIAL|AUTH|COOKIE|SESSION|BEARER",
    re.IGNORECASE,
)
_NAME_OF_A_FILE = re.compile(r"[_-](?:FILE|PATH|DIR)$", re.IGNORECASE)
"""`POSTGRES_PASSWORD_FILE`: where the secret is, and no secret."""
_SECRET_LENGTH = 8
_ASSIGNED = re.compile(r"(?P<name>[A-Za-z0-9_-]+)(?P<given>[\"']?\s*[=:]\s*|\s+)?")
"""Whole words, whether something is given to them or not: no character is looked at from more than one beginning."""
_ASSIGNED_VALUE = re.compile(r"'[^']*'|\"[^\"]*\"|[^\s'\";&|]+")
_USER_INFO = re.compile(r"(?<=://)[^/@\s]+(?=@)")


def is_secret_name(name: str) -> bool:
    """The name of a variable or option says that its value is nobody's business."""
    return _SECRET_NAME.search(name) is not None and _NAME_OF_A_FILE.search(name) is None


def redacted(name: str, value: str) -> str:
    """The value as it may be shown: `***` for a secret-looking name, and for a password inside a URL."""
    return HIDDEN if value and is_secret_name(name) else _USER_INFO.sub(_hidden, value)


def is_secret_value(name: str, value: str) -> bool:
    """What a variable filled in is hidden wherever it stands; short values and numbers (`MAX_TOKENS`) are no secrets."""
    return is_secret_name(name) and len(value) >= _SECRET_LENGTH and not value.isdigit()


def hidden_in(value: Any, secrets: Iterable[str]) -> Any:
    """The text, or the data with all its texts, in which each of these values is `***`."""
    if isinstance(value, str):
        for secret in sorted(secrets, key=len, reverse=True):
            value = value.replace(secret, HIDDEN)
        return value
    if isinstance(value, dict):
        return {hidden_in(key, secrets): hidden_in(item, secrets) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [hidden_in(item, secrets) for item in value]
    return value


def hidden_assignments(text: str) -> str:
    """Shell text in which what is given to a secret-looking name (`API_TOKEN=…`, `--password …`) is `***`."""
    parts, position = [], 0
    for found in _ASSIGNED.finditer(text):
        if found.start() < position or found["given"] is None or not is_secret_name(found["name"]):
            continue
        value = _ASSIGNED_VALUE.match(text, found.end())
        if value is not None:
            parts += [text[position : found.end()], HIDDEN]
            position = value.end()
    return "".join([*parts, text[position:]])


def _hidden(user_info: re.Match[str]) -> str:
    return HIDDEN if ":" in user_info[0] else user_info[0]
