"""Valid keys that are not executed yet."""

from __future__ import annotations

from pathlib import Path

from compose_core.spec import LoadedSpec, load_spec
from compose_core.spec.executable import NOT_EXECUTED_YET, not_executed_yet
from compose_core.spec.grammar import COMPOSE
from compose_core.spec.kinds import Kind, MapOf, Section


def load(folder: Path, text: str) -> LoadedSpec:
    (folder / "compose.yaml").write_text(text)
    return load_spec(folder / "compose.yaml", variables={})


def test_a_plain_file_is_executed_whole(tmp_path: Path) -> None:
    assert (
        not_executed_yet(load(tmp_path, "x-slurm: {time: 10}\nservices: {app: {image: alpine, command: run}}\n")) == ()
    )


def test_each_use_is_an_error_with_its_place(tmp_path: Path) -> None:
    key, purpose = ("sweep",), "does something"
    loaded = load(tmp_path, "services: {app: {image: alpine, command: run $lr}}\nsweep:\n  parameters: {lr: [1]}\n")
    (problem,) = not_executed_yet(loaded, {key: purpose})
    assert (problem.code, problem.severity) == ("not-executed-yet", "error")
    assert problem.where is not None
    assert (problem.where.line, problem.where.key_path) == (3 - 1, ".".join(key))
    assert purpose in problem.message


def test_uses_are_told_in_the_order_of_the_file(tmp_path: Path) -> None:
    loaded = load(
        tmp_path,
        "services:\n  a:\n    image: alpine\n    x-slurm: {hooks: [{on: exit, script: x}]}\n"
        "    assert: {exit_code: 0}\nx-slurm: {logs: {keep: 2}}\n",
    )
    table = {
        ("x-slurm", "logs"): "x",
        ("services", "*", "assert"): "y",
        ("services", "*", "x-slurm", "hooks"): "z",
    }
    problems = not_executed_yet(loaded, table)
    assert [problem.where.line for problem in problems if problem.where] == [4, 5, 6]


def test_every_key_of_the_table_is_a_key_of_the_grammar() -> None:
    """A key that was renamed would otherwise pass in silence."""
    for pattern in [*NOT_EXECUTED_YET, ("services", "*", "x-slurm", "hooks")]:
        assert_is_a_key(pattern)


def assert_is_a_key(pattern: tuple[str, ...]) -> None:
    kind: Kind = COMPOSE
    for part in pattern:
        if isinstance(kind, MapOf):
            kind = kind.value
        else:
            assert isinstance(kind, Section)
            assert part in kind.entries, part
            kind = kind.entries[part].kind
