"""The token of a submission: 26 characters that sort by time and never come twice."""

from __future__ import annotations

import re

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_TOKEN = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")
RANDOM_BYTES = 10


def new_token(now_epoch_s: float, random_bytes: bytes) -> str:
    """A token: 48 bits of milliseconds and 80 bits of randomness, in Crockford's base 32.

    Raises: ValueError: not exactly 10 random bytes, or a time before 1970.
    """
    if len(random_bytes) != RANDOM_BYTES or now_epoch_s < 0:
        raise ValueError("a token needs a time after 1970 and 10 random bytes")
    milliseconds = int(now_epoch_s * 1000) & (2**48 - 1)
    number = (milliseconds << 80) | int.from_bytes(random_bytes, "big")
    return "".join(_ALPHABET[(number >> shift) & 31] for shift in range(125, -1, -5))


def parse_token(text: str) -> str:
    """`text` as a token.

    Raises: ValueError: it is none.
    """
    if not _TOKEN.fullmatch(text):
        raise ValueError(f"{text!r} is not a submission token (26 characters of 0-9 and A-Z without I, L, O, U)")
    return text


def token_time(token: str) -> float:
    """Epoch seconds at which the token was made.

    Raises: ValueError: it is none.
    """
    number = 0
    for character in parse_token(token)[:10]:
        number = number * 32 + _ALPHABET.index(character)
    return number / 1000
