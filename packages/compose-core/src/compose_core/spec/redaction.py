"""Which values are never shown."""

from __future__ import annotations

import re

HIDDEN = "***"
_SECRET_NAME = re.compile(
    r"SECRET|TOKEN|PASSWORD|PASSWD|API[_-]?KEY|ACCESS[_-]?KEY|PRIVATE[_-]?KEY|CREDENTIAL|AUTH|COOKIE|SESSION|BEARER",
    re.IGNORECASE,
)
_USER_INFO = re.compile(r"(?<=://)[^/@\s]+(?=@)")


def is_secret_name(name: str) -> bool:
    """The name of a variable or option says that its value is nobody's business."""
    return _SECRET_NAME.search(name) is not None


def redacted(name: str, value: str) -> str:
    """The value as it may be shown: `***` for a secret-looking name, and for a password inside a URL."""
    return HIDDEN if value and is_secret_name(name) else _USER_INFO.sub(_hidden, value)


def _hidden(user_info: re.Match[str]) -> str:
    return HIDDEN if ":" in user_info[0] else user_info[0]
