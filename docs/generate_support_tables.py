"""The tables of docs/support.md, from noxfile.py and tests/: `python -m docs.generate_support_tables` writes them anew."""

from __future__ import annotations

import ast
from pathlib import Path

from docs.generated_blocks import rewrite, table

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/support.md"
WHAT = {
    "airflow": "the provider beside a real Airflow, with scheduler, triggerer, workers and Postgres",
    "cases": "compose files with the findings they must give, as data",
    "conformance": "the fake cluster and the real one, held to the same answers",
    "containers": "real images, with stand-ins for Enroot and Pyxis",
    "core": "every module of the core",
    "docs": "these pages",
    "faults": "kills, failing files, races, a Slurm that dies",
    "jobs": "whole jobs, on the local engine and on the private Slurm",
    "properties": "rules that hold for any input",
    "slurm": "the private Slurm itself",
    "snakemake": "the executor beside a real Snakemake",
    "workspace": "what all packages share",
}


def blocks() -> dict[str, str]:
    """The chores of the gate, and what is tested in which folder."""
    module = ast.parse((ROOT / "noxfile.py").read_text(encoding="utf-8"))
    gate = default_sessions(module)
    sessions = [
        [f"`{name}`", "yes" if name in gate else "by hand", said] for name, said in session_docs(module).items()
    ]
    folders = [
        [f"`tests/{folder}/`", WHAT[folder]] for folder in sorted(WHAT) if any((ROOT / "tests" / folder).rglob("*.*"))
    ]
    return {
        "sessions": table(["session", "in the gate", "what it does"], sessions),
        "folders": table(["folder", "what is tested there"], folders),
    }


def default_sessions(module: ast.Module) -> set[str]:
    """What `nox` runs without arguments."""
    for statement in module.body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "nox.options.sessions":
            return set(ast.literal_eval(statement.value))
    raise ValueError("noxfile.py names no sessions")


def session_docs(module: ast.Module) -> dict[str, str]:
    """Each session with the first line of its docstring."""
    return {
        function.name: (ast.get_docstring(function) or "").split("\n")[0]
        for function in module.body
        if isinstance(function, ast.FunctionDef)
        and any("nox.session" in ast.unparse(decorator) for decorator in function.decorator_list)
    }


if __name__ == "__main__":
    rewrite(PAGE, blocks())
