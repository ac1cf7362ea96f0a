"""Suggestions as a person reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compose_core.insight.suggestion import quantity
from compose_core.terminal_text import terminal_text

if TYPE_CHECKING:
    from compose_core.cli.output import Output
    from compose_core.insight.rightsize import RightSize
    from compose_core.insight.suggestion import Suggestion


def print_advice(output: Output, advice: RightSize) -> None:
    """The suggestions with their evidence, what stays as it is, and the YAML."""
    for suggestion in advice.suggestions:
        output.heading(_headline(suggestion))
        output.data(f"  {terminal_text(suggestion.evidence)} [{suggestion.confidence} confidence]")
    for item in advice.untouched:
        name = f"{item.resource} of {item.service}" if item.service else item.resource
        word = "keep" if item.verdict == "fits" else "not enough evidence"
        output.data(f"{terminal_text(name)}: {word}: {terminal_text(item.reason)}")
    if not advice.suggestions:
        output.data(
            "nothing to suggest" if any(item.verdict == "unknown" for item in advice.untouched) else "nothing to change"
        )
    else:
        output.data("")
        output.heading("for the compose file")
        output.data(advice.yaml_patch.rstrip("\n"))
        removed = [suggestion.key for suggestion in advice.suggestions if suggestion.value is None]
        if removed:
            output.talk(f"null stands for a key that goes: {', '.join(removed)}")
    for note in advice.notes:
        output.talk(f"note: {note}")


def _headline(suggestion: Suggestion) -> str:
    now = quantity(suggestion.resource, suggestion.requested)
    then = quantity(suggestion.resource, suggestion.suggested)
    return f"{suggestion.key}: {now} -> {then} ({suggestion.direction})"
