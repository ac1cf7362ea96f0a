"""Where variables are filled in."""

from __future__ import annotations

import pytest

from compose_core.spec.findings import Findings
from compose_core.spec.interpolation import interpolate, names_referred_to, rule_of
from compose_core.spec.nodes import KeyPath, MapNode, Mark, ScalarNode
from compose_core.spec.variables import Variables
from compose_core.spec.yaml_tree import MAX_TEXT, read_yaml


@pytest.mark.parametrize(
    "path",
    [
        ("services", "app", "command"),
        ("services", "a.b", "entrypoint"),
        ("services", "app", "script"),
        ("services", "app", "x-slurm", "prologue"),
        ("services", "app", "x-slurm", "epilogue", "script"),
        ("services", "app", "x-slurm", "hooks", 3, "script"),
        ("services", "app", "x-enroot", "prepare", "commands", 0),
        ("services", "app", "x-runtime", "prepare", "commands", 0),
        ("x-slurm", "setup", 0),
        ("x-slurm", "setup"),
    ],
)
def test_shell_text_is_never_touched(path: KeyPath) -> None:
    assert rule_of(path) == "shell"


@pytest.mark.parametrize(
    "path",
    [
        ("services", "app", "command", 0),
        ("services", "command"),
        ("services", "script", "image"),
        ("services", "app", "environment", "script"),
        ("services", "app", "x-slurm", "hooks", 0, "on"),
        ("services", "app", "x-slurm", "nodes"),
        ("services", "x/services/y", "readiness", "port"),
        ("x-slurm", "submit_args", 0),
        ("name",),
    ],
)
def test_everything_else_is_filled_in(path: KeyPath) -> None:
    assert rule_of(path) == "fill"


def read(text: str) -> MapNode:
    tree = read_yaml(text.encode(), "c.yaml", Findings())
    assert tree is not None
    return tree


def test_a_broken_value_is_reported_once_and_taken_out() -> None:
    findings = Findings()
    tree = interpolate(read("name: $A $A\n"), Variables(), findings)
    assert [problem.code for problem in findings.in_order()] == ["missing-variable"]
    assert not isinstance(tree.items["name"], ScalarNode)


def test_a_filled_value_keeps_its_place() -> None:
    tree = interpolate(read("name: x-$A\n"), Variables(environment={"A": "long value"}), Findings())
    assert tree.items["name"] == ScalarNode("x-long value", Mark("c.yaml", 1, 7), plain=True, interpolated=True)


def test_variables_cannot_make_the_file_explode() -> None:
    findings = Findings()
    big = "x" * (MAX_TEXT // 4)
    interpolate(read("a: $A\nb: $A\nc: $A\nd: $A$A\n"), Variables(environment={"A": big}), findings)
    assert [problem.code for problem in findings.in_order()] == ["file-too-complex"]


def test_words_of_shell_text_count_as_references_only_in_a_sweep() -> None:
    text = "name: ${A:-$B}\nservices: {app: {script: 'run --lr $lr; os.environ[\"seed\"]'}}\n"
    assert names_referred_to(read(text)) == frozenset()
    names = names_referred_to(read(text + "sweep: {parameters: {unused: [$C]}}\n"))
    assert {"A", "B", "lr", "seed"} <= names
    assert not {"C", "unused"} & names
