"""The entries of docs/refusals.md, from the cases of tests/cases/: `python -m docs.generate_refusals` writes them anew."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from docs.generated_blocks import rewrite
from docs.refusals import Refusal, refusals

PAGE = Path(__file__).parent / "refusals.md"
_LONGEST = 12
"""Lines of an example."""


def blocks() -> dict[str, str]:
    """The one generated part: an entry for each code, in alphabetical order."""
    found: dict[str, list[Refusal]] = {}
    for refusal in refusals():
        found.setdefault(refusal.problem.code, []).append(refusal)
    return {"refusals": "\n\n".join(_entry(code, found[code]) for code in sorted(found))}


def _entry(code: str, all_of_it: list[Refusal]) -> str:
    chosen = min(
        all_of_it, key=lambda refusal: (not _is_shown(refusal), _is_beside(refusal), len(refusal.problem.message) > 200)
    )
    problem = chosen.problem
    said = (
        f"{problem.severity} at `{problem.where.key_path}`"
        if problem.where and problem.where.key_path
        else problem.severity
    )
    parts = [f"### {code}", f"{said[0].upper()}{said[1:]}, for example:"]
    if _is_shown(chosen):
        info = "yaml invalid" if "expect" in chosen.row else "yaml"
        parts.append(f"```{info}\n{chosen.row['spec'].strip()}\n```")
    parts.append("```text\n" + "\n".join(_said(problem.message, problem.remedy)) + "\n```")
    return "\n\n".join(parts)


def _is_beside(refusal: Refusal) -> bool:
    """A warning in a case that is about an error."""
    return refusal.problem.severity == "warning" and "expect" in refusal.row


def _said(message: str, remedy: str) -> Iterable[str]:
    yield _printable(message)
    if remedy:
        yield f"  remedy: {_printable(remedy)}"


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)


def _is_shown(refusal: Refusal) -> bool:
    """Whether the case's compose file alone makes the finding, and a page can show it."""
    row = refusal.row
    text = str(row["spec"])
    alone = not {"files", "variables", "sweep_variables", "strict_env"} & set(row)
    readable = all(char.isprintable() or char == "\n" for char in text) and "```" not in text
    return alone and readable and text.count("\n") <= _LONGEST


if __name__ == "__main__":
    rewrite(PAGE, blocks())
