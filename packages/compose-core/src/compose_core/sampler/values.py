"""What tools print, as values: a number is a number, and what is not known is None, never a made-up 0."""

import json
import re
from typing import Any, Optional

Number = Any
"""int or float; None where the tool gave no number."""
NUMBER_FORM = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
MEBIBYTE = 1024.0 * 1024.0
UNITS = {"B": 1.0, "K": 1024.0, "M": MEBIBYTE, "G": 1024.0 * MEBIBYTE, "T": MEBIBYTE * MEBIBYTE}


def number(text: Any) -> Number:
    """The number that a cell holds, its unit left out; None for `[N/A]`, `[Not Supported]`, `ERR!` and the like."""
    if isinstance(text, bool):
        return None
    if isinstance(text, (int, float)):
        return text if text == text and abs(text) != float("inf") else None  # NaN is no number
    if not isinstance(text, str):
        return None
    word = text.strip().split(" ")[0].rstrip("%")
    if not NUMBER_FORM.fullmatch(word):
        return None
    return float(word) if "." in word else int(word)


def words(text: Any) -> Optional[str]:
    """The text of a cell; None where the tool says that it has none."""
    if not isinstance(text, str):
        return None
    text = text.strip()
    is_absent = not text or text in ("N/A", "None", "ERR!", "Unknown Error") or (text[0] == "[" and text[-1] == "]")
    return None if is_absent else text


def flag(text: Any) -> Optional[bool]:
    """Yes or no; None for anything else."""
    word = str(text).strip().lower()
    if word in ("1", "yes", "enabled", "true"):
        return True
    return False if word in ("0", "no", "disabled", "false") else None


def byte_count(text: Any) -> Number:
    """`1263616`, `1234K`, `1.5G` as bytes; None for an empty cell."""
    word = str(text).strip()
    unit = UNITS.get(word[-1:].upper())
    value = number(word[:-1] if unit else word)
    return int(value * (unit or 1.0)) if value is not None else None


def seconds(text: str) -> Number:
    """`1-02:03:04.5`, `02:03`, as seconds; None for anything else."""
    days, _, clock = text.strip().rpartition("-")
    parts = [number(part) for part in ([days] if days else ["0"]) + clock.split(":")]
    if len(parts) < 3 or any(part is None for part in parts):
        return None
    total = 0.0
    for part in parts[1:]:
        total = total * 60 + part
    return round(parts[0] * 86400 + total, 3)


def json_value(text: str) -> Any:
    """The JSON value of an answer, warnings before it left out.

    Raises: ValueError: there is none.
    """
    try:
        return json.loads(text)
    except ValueError:
        begin = re.search(r"(?m)^[ \t]*[\[{]", text)
        if begin is None:
            raise
        return json.loads(text[begin.start() :])
