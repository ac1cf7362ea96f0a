"""YAML files of other programs, and compose files that are put together."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from compose_core import (
    Entry,
    Integer,
    LoadedSpec,
    MapNode,
    MapOf,
    Section,
    SpecError,
    Text,
    Verbatim,
    compose_tree,
    load_spec,
    read_document,
    same_tree,
    tree_of,
)


@dataclass
class Limits:
    """What the file holds."""

    rules: dict[str, Any] = field(default_factory=dict)
    services: Any = None


RULE = Section("rule", dict, {"pack": Entry(Integer(1), "Jobs at once."), "note": Entry(Text(), "Said.")})
FILE = Section(
    "limits",
    Limits,
    {
        "rules": Entry(MapOf(RULE, ".+", "a rule", "it is empty"), "By rule."),
        "services": Entry(Verbatim(), "Checked later."),
    },
)


def written(folder: Path, text: str, name: str = "file.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_a_document_is_typed_and_its_places_are_known(tmp_path: Path) -> None:
    document = read_document(written(tmp_path, "rules:\n  a:\n    pack: 3\nservices: {db: {image: x}}\n"), FILE)
    assert document.value.rules == {"a": {"pack": 3}}
    assert isinstance(document.value.services, MapNode)
    assert document.locate(("rules", "a", "pack")).line == 3


def test_every_problem_is_told_with_its_place(tmp_path: Path) -> None:
    path = written(tmp_path, "rules:\n  a: {pakc: 3}\n  b: {pack: none}\nservices: 3\n")
    with pytest.raises(SpecError) as caught:
        read_document(path, FILE)
    told = [(problem.code, problem.where.line if problem.where else 0) for problem in caught.value.problems]
    assert told == [("unknown-key", 2), ("type", 3), ("type", 4)]
    assert "Did you mean pack?" in str(caught.value)


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="does not exist"):
        read_document(tmp_path / "none.yaml", FILE)
    with pytest.raises(SpecError, match="does not exist"):
        compose_tree(tmp_path / "none.yaml")


def test_a_tree_keeps_the_places_of_the_files_it_comes_from(tmp_path: Path) -> None:
    path = written(tmp_path, "services:\n  db:\n    image: redis\n    x-slurm: {mem: lots}\n")
    tree = compose_tree(path)
    with pytest.raises(SpecError) as caught:
        load_spec(path, tree=tree, variables={})
    where = caught.value.problems[0].where
    assert where is not None
    assert (where.line, where.key_path) == (4, "services.db.x-slurm.mem")


def test_plain_data_in_a_tree_is_literal(tmp_path: Path) -> None:
    """A value that looks like a variable is none, and shell text stays away from it."""
    value = "$HOME ${X} $$ 'q' \" %j 007"
    spec = {"runtime": {"backend": "host"}, "services": {"a": {"command": ["run", value], "environment": {"V": value}}}}
    tree = tree_of(spec, "made up")
    assert isinstance(tree, MapNode)
    loaded = load_spec(tmp_path / "made-up.yaml", tree=tree, variables={"HOME": "/home", "X": "x"})
    assert loaded.spec.services["a"].environment == {"V": value}
    assert list(getattr(loaded.spec.services["a"].command, "argv", ())) == ["run", value]


def reloaded(loaded: LoadedSpec) -> LoadedSpec:
    return load_spec(loaded.source, text=json.dumps(loaded.reloadable(), indent=1), variables={})


def test_what_is_reloaded_means_the_same(tmp_path: Path) -> None:
    text = "services:\n  a:\n    image: x\n    command: [run, '${A}', '$$5']\n    environment: {B: '${A}$$'}\n    volumes: [./d:/d:ro]\n"
    loaded = load_spec(written(tmp_path, text), variables={"A": "$x ${y}"})
    assert reloaded(loaded).spec == loaded.spec


def test_two_trees_are_compared_by_what_they_say() -> None:
    one = tree_of({"a": [1, "1", {"b": True}]}, "one")
    assert same_tree(one, tree_of({"a": [1, "1", {"b": True}]}, "other"))
    others: tuple[dict[str, Any], ...] = (
        {"a": ["1", "1", {"b": True}]},
        {"a": [1, "1"]},
        {"a": [1, "1", {"b": False}]},
        {"c": []},
    )
    for other in others:
        assert not same_tree(one, tree_of(other, "other"))
