"""The options of sbatch in docs/from-sbatch.md, from what is planned for each key: `python -m docs.generate_option_table`."""

from __future__ import annotations

from pathlib import Path

from compose_core.plan.directives import job_directives
from compose_core.spec import load_spec
from compose_core.spec.grammar import COMPOSE
from docs.generate_spec_tables import sections
from docs.generated_blocks import rewrite, table
from docs.spec_examples import example_of

PAGE = Path(__file__).parent / "from-sbatch.md"
_NEEDS = {"cpus_per_gpu": "gpus: 1", "mem_per_gpu": "gpus: 1"}
"""What has to stand beside a key."""
_FOLLOWS = ("--kill-on-invalid-dep",)
"""Directives that come along with another one."""


def blocks() -> dict[str, str]:
    """Each option with the key and the value that give it."""
    section = next(section for section in sections(COMPOSE) if section.name == "job-slurm")
    rows = [
        [" ".join(f"`{line}`" for line in lines), f"`{example_of(section, key)}`"]
        for key in section.entries
        if key != "submit_args" and (lines := options_of(key, example_of(section, key)))
    ]
    return {"options": table(["`#SBATCH`", "`x-slurm`"], rows)}


def options_of(key: str, example: str) -> list[str]:
    """What the script asks sbatch for because of this key, and would not without it."""
    needs = _NEEDS.get(key, "")
    without = _directives(needs)
    return [line for line in _directives(f"{needs}\n  {example}" if needs else example) if line not in without]


def _directives(slurm: str) -> list[str]:
    text = (
        f"name: hello\nruntime: {{backend: host}}\nservices: {{app: {{command: serve}}}}\nx-slurm:\n  {slurm or '{}'}\n"
    )
    spec = load_spec(Path("/home/me/compose.yaml"), variables={}, text=text).spec
    lines = job_directives(spec, name=spec.x_slurm.job_name or "hello", name_reason="")
    return [
        f"{line.option}={line.value}" if line.value else line.option for line in lines if line.option not in _FOLLOWS
    ]


if __name__ == "__main__":
    rewrite(PAGE, blocks())
