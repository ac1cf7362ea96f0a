"""Which submission a run key stands for."""

from __future__ import annotations

from compose_core.records.format import Format, TokenText


class RunKey(Format):
    """`run-keys/<sha256 of key>.json`, and `…~<token>.json` for what came after a submission that came to nothing."""

    run_key: str
    token: TokenText
    created_at: float
