"""`srun`: what the site's one can do."""

from __future__ import annotations

import re

_MPI_WORD = re.compile(r"[A-Za-z0-9_./+-]+(?:\(v\d+\))?")


def help_argv(program: str = "srun") -> list[str]:
    """All options, with those that plugins such as Pyxis add."""
    return [program, "--help"]


def offers_containers(stdout: str) -> bool:
    """`help_argv` output names Pyxis' first option."""
    return "--container-image" in stdout


def mpi_list_argv(program: str = "srun") -> list[str]:
    """The MPI plugins of the site."""
    return [program, "--mpi=list"]


def parse_mpi_list(output: str) -> frozenset[str]:
    """The plugins' names, on stdout or stderr; empty when there is no list.

    Source: srun(1) of Slurm 22.05: a heading that ends in `:`, then one name a line; newer ones add `specific pmix plugin
    versions available: pmix_v4`.
    """
    names: set[str] = set()
    for line in output.splitlines():
        text = line.removeprefix("srun:").strip()
        if "available:" in text or "are..." in text:
            text = text.partition("available:")[2]
        names |= {word for word in re.split(r"[\s,]+", text) if _MPI_WORD.fullmatch(word)}
    return frozenset(names)
