"""The tables of docs/troubleshooting.md, from what `hpcc debug` and `hpcc status` go by: `python -m docs.generate_troubleshooting`."""

from __future__ import annotations

from pathlib import Path

from compose_core.insight.causes import KNOWN_CAUSES, KnownCause
from compose_core.insight.exit_codes import exit_code_meaning
from compose_core.insight.pending_reasons import REASON_WORDS
from docs.generated_blocks import rewrite, table

PAGE = Path(__file__).parent / "troubleshooting.md"
_SHOWN_CODES = (1, 2, 53, 124, 125, 126, 127, 129, 130, 132, 134, 135, 136, 137, 139, 141, 143, 152, 153, 255)


def blocks() -> dict[str, str]:
    """The causes, the reasons of Slurm, and the exit statuses of programs."""
    return {
        "causes": table(
            ["name", "what happened", "seen in", "what to do"],
            [[f"`{cause.name}`", cause.title, _seen_in(cause), cause.advice] for cause in KNOWN_CAUSES],
        ),
        "reasons": table(
            ["Slurm says", "it means"], [[f"`{reason}`", words] for reason, words in REASON_WORDS.items()]
        ),
        "codes": table(
            ["status", "it means"], [[f"{code}", exit_code_meaning(code).partition(": ")[2]] for code in _SHOWN_CODES]
        ),
    }


def _seen_in(cause: KnownCause) -> str:
    said = [f"`{word}`" for word in (*cause.states, *cause.reasons, *cause.causes)]
    said += [f"exit status {code}" for code in cause.codes]
    if cause.patterns:
        said.append("lines of its logs")
    return ", ".join(said)


if __name__ == "__main__":
    rewrite(PAGE, blocks())
