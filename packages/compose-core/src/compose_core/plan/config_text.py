"""What a compose file means, as text that may lie on shared storage: whatever looks secret is `***`, also inside shell text."""

from __future__ import annotations

import json
from typing import Any

from compose_core.spec import LoadedSpec
from compose_core.spec.redaction import hidden_assignments, redacted


def config_text(loaded: LoadedSpec) -> str:
    """One line of JSON in the order of the file."""
    return json.dumps(hidden_config(loaded.effective()), separators=(",", ":"), ensure_ascii=True)


def hidden_config(value: Any) -> Any:
    """The same configuration with what looks secret as `***`."""
    if isinstance(value, dict):
        return {key: hidden_config(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [hidden_config(item) for item in value]
    return hidden_assignments(redacted("", value)) if isinstance(value, str) else value
