"""Every row of tests/cases/spec holds: what is refused is refused with these words, what is accepted means this."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from compose_core.errors import Problem, SpecError
from compose_core.spec import LoadedSpec, load_spec
from compose_core.spec.findings import Findings
from compose_core.spec.json_schema import compose_schema
from compose_core.spec.nodes import ListNode, MapNode, Node, ScalarNode, scalar_type
from compose_core.spec.yaml_tree import read_yaml

CASES = Path(__file__).parents[2] / "cases" / "spec"
_KEYS = {"title", "spec", "files", "variables", "sweep_variables", "strict_env", "each"}
_INVALID_KEYS = _KEYS | {"expect", "schema"}
_VALID_KEYS = _KEYS | {"effective", "warns", "schema"}

Row = dict[str, Any]


def rows(folder: str) -> Iterator[Any]:
    """Every row of the folder as a pytest parameter, `each` expanded."""
    for path in sorted((CASES / folder).glob("*.yaml")):
        for row in yaml.safe_load(path.read_text(encoding="utf-8")):
            for item in row.get("each", [None]):
                yield pytest.param(
                    expanded(row, item), id=f"{path.stem}-{row['title']}" + (f"-{item}" if item is not None else "")
                )


def expanded(row: Row, item: Any) -> Row:
    """The row with its placeholders replaced."""
    if item is None:
        return row
    parts = item if isinstance(item, list) else [item]

    def fill(value: Any) -> Any:
        if isinstance(value, str):
            if not isinstance(item, list):
                return value.replace("%%", str(item)).replace("%1%", str(item))
            for number, part in enumerate(parts, start=1):
                value = value.replace(f"%{number}%", str(part))
            return value
        if isinstance(value, list):
            return [fill(entry) for entry in value]
        return {fill(key): fill(entry) for key, entry in value.items()} if isinstance(value, dict) else value

    filled = fill({key: value for key, value in row.items() if key != "each"})
    assert isinstance(filled, dict)
    return filled


def load(row: Row, folder: Path) -> LoadedSpec:
    """Write the row's files and load its compose file."""
    for name, text in {"compose.yaml": row["spec"], **row.get("files", {})}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return load_spec(
        folder / "compose.yaml",
        variables=row.get("variables", {}),
        sweep_variables=row.get("sweep_variables"),
        strict_env=row.get("strict_env", False),
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder for the row's files."""
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("row", list(rows("invalid")))
def test_an_invalid_file_is_refused_with_exactly_these_problems(row: Row, project: Path) -> None:
    assert set(row) <= _INVALID_KEYS, "the row has a key that nobody reads"
    with pytest.raises(SpecError) as caught:
        load(row, project)
    errors = [problem for problem in caught.value.problems if problem.severity == "error"]
    assert [problem.code for problem in errors] == [expected["code"] for expected in row["expect"]], str(caught.value)
    for problem, expected in zip(errors, row["expect"]):
        check_problem(problem, expected)


def check_problem(problem: Problem, expected: Row) -> None:
    """The problem is told as the row promises."""
    assert set(expected) <= {"code", "at", "key", "says", "file"}
    text = f"{problem.message} {problem.remedy}"
    missing = [word for word in expected.get("says", []) if str(word) not in text]
    assert not missing, f"{missing} not in: {text}"
    assert problem.where is not None
    assert problem.where.file.endswith(expected.get("file", ""))
    if "key" in expected:
        assert problem.where.key_path == expected["key"]
    if "at" in expected:
        line, _, column = str(expected["at"]).partition(":")
        assert problem.where.line == int(line), problem
        assert not column or problem.where.column == int(column), problem
    assert problem.remedy or expected.get("says"), "a problem says what to do"


@pytest.mark.parametrize("row", list(rows("invalid")))
def test_the_schema_sees_what_the_row_says_it_sees(row: Row) -> None:
    document = as_json(row["spec"])
    if document is None:
        assert row["schema"] == "blind"
        return
    assert schema_validator().is_valid(document) is (row["schema"] == "blind")


@pytest.mark.parametrize("row", list(rows("valid")))
def test_a_valid_file_means_what_the_row_says(row: Row, project: Path) -> None:
    assert set(row) <= _VALID_KEYS, "the row has a key that nobody reads"
    loaded = load(row, project)
    assert [warning.code for warning in loaded.warnings] == row.get("warns", [])
    assert_part(loaded.effective(), row.get("effective", {}), "")


def assert_part(whole: Any, part: Any, where: str) -> None:
    """Every key of `part` is in `whole` with that value; None: the key is not there."""
    if not isinstance(part, dict):
        assert whole == part, where
        return
    for key, value in part.items():
        if value is None:
            assert key not in whole, f"{where}.{key}"
        else:
            assert key in whole, f"{where}.{key} is missing"
            assert_part(whole[key], value, f"{where}.{key}")


@pytest.mark.parametrize("row", list(rows("valid")))
def test_what_config_shows_of_a_valid_file_means_the_same(row: Row, project: Path, tmp_path: Path) -> None:
    """Rows that show `***` are left out, and sweeps: what is shown of them is one trial."""
    loaded = load(row, project)
    shown = yaml.safe_dump(loaded.effective(), sort_keys=False, allow_unicode=True)
    if "***" in shown or "sweep-example" in loaded.variables_used.values() or row.get("sweep_variables"):
        return
    again = project / "again.yaml"
    again.write_text(shown, encoding="utf-8")
    reloaded = load_spec(again, variables={"HOME": "/nowhere"})
    assert reloaded.sha256 == loaded.sha256
    assert reloaded.effective() == loaded.effective()


@pytest.mark.parametrize("row", list(rows("valid")))
def test_the_schema_accepts_a_valid_file(row: Row) -> None:
    document = as_json(row["spec"])
    assert document is not None
    errors = [f"{list(error.absolute_path)}: {error.message}" for error in schema_validator().iter_errors(document)]
    assert bool(errors) is (row.get("schema") == "stricter"), errors


@cache
def schema_validator() -> jsonschema.Draft202012Validator:
    """A validator of the shipped schema."""
    schema = compose_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def as_json(text: str) -> Any:
    """The text as an editor sees it: YAML 1.2 core values; None when it is no YAML that could be looked at."""
    findings = Findings()
    tree = read_yaml(text.encode(), "compose.yaml", findings)
    return None if tree is None or findings.has_errors else plain(tree)


def plain(node: Node) -> Any:
    """The node as JSON data."""
    if isinstance(node, MapNode):
        return {key: plain(value) for key, value in node.items.items()}
    if isinstance(node, ListNode):
        return [plain(item) for item in node.items]
    assert isinstance(node, ScalarNode)
    kind = scalar_type(node)
    if kind == "integer" and re.fullmatch("[-+]?[0-9]+", node.text):
        return int(node.text)
    if kind == "number" and "n" not in node.text.lower():
        return float(node.text)
    return {"null": None, "bool": node.text.lower() == "true"}.get(kind, node.text)


def test_every_kind_of_problem_has_a_row() -> None:
    """A code that no row expects is a rule that nobody has seen at work."""
    sources = Path(load_spec.__code__.co_filename).parent.rglob("*.py")
    text = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    codes = set(
        re.findall(
            r"(?:\.(?:error|warning)|code=|return|Fault)\(?\s*\(?\s*(?:number, )?\"([a-z]+(?:-[a-z0-9]+)+)\"", text
        )
    )
    expected = {problem["code"] for row in rows_of("invalid") for problem in row["expect"]}
    expected |= {code for row in rows_of("valid") for code in row.get("warns", [])}
    assert codes - expected - _TESTED_ELSEWHERE == set()


_TESTED_ELSEWHERE = {
    "not-executed-yet",  # test_executable.py
    "secret-in-script",  # test_exposed_values.py
    "file-not-found",  # test_loading.py
    "file-too-large", "not-utf-8", "byte-order-mark", "file-too-complex", "value-too-long",  # test_yaml_tree.py
    "extends-too-many",  # test_inheritance.py
}  # fmt: skip


def rows_of(folder: str) -> Iterator[Row]:
    for parameter in rows(folder):
        yield copy.deepcopy(parameter.values[0])
