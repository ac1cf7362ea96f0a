"""`extends` where files alone cannot show it; the rest is in the cases."""

from __future__ import annotations

from pathlib import Path

import pytest

from compose_core.errors import SpecError
from compose_core.spec import load_spec
from compose_core.spec.inheritance import MAX_CHAIN, MAX_FILES


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder / "compose.yaml"


def chain(length: int) -> dict[str, str]:
    """Files that extend one another."""
    links = {f"b{number}": f"extends: b{number + 1}.yaml\n" for number in range(length)}
    return {"compose": "extends: b0.yaml\n", **links, f"b{length}": "services: {app: {image: alpine}}\n"}


def test_files_may_extend_one_another_up_to_a_limit(tmp_path: Path) -> None:
    loaded = load_spec(write(tmp_path, **chain(MAX_FILES - 2)), variables={})
    assert len(loaded.sources) == MAX_FILES
    with pytest.raises(SpecError) as caught:
        load_spec(write(tmp_path, **chain(MAX_FILES - 1)), variables={})
    assert [problem.code for problem in caught.value.problems] == ["extends-too-many"]


def test_services_may_extend_one_another_up_to_a_limit(tmp_path: Path) -> None:
    def services(length: int) -> str:
        links = "".join(f"  s{number}: {{extends: s{number + 1}}}\n" for number in range(length))
        return f"services:\n{links}  s{length}: {{image: alpine}}\n"

    assert len(load_spec(write(tmp_path, compose=services(MAX_CHAIN)), variables={}).spec.services) == MAX_CHAIN + 1
    with pytest.raises(SpecError):
        load_spec(write(tmp_path, compose=services(MAX_CHAIN + 1)), variables={})


def test_a_file_that_is_reached_by_a_link_is_known_again(tmp_path: Path) -> None:
    """A circle through a symbolic link is a circle."""
    path = write(tmp_path, compose="extends: other.yaml\nservices: {app: {image: alpine}}\n")
    (tmp_path / "other.yaml").symlink_to(path)
    with pytest.raises(SpecError) as caught:
        load_spec(path, variables={})
    assert [problem.code for problem in caught.value.problems] == ["extends-cycle"]


def test_a_value_of_a_base_is_placed_in_the_base(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        compose="extends: base.yaml\nservices: {app: {command: run}}\n",
        base="services:\n  app:\n    image: alpine\n",
    )
    where = load_spec(path, variables={}).locate("services.app.image")
    assert (Path(where.file).name, where.line, where.column) == ("base.yaml", 3, 12)


def test_a_base_cannot_bring_in_more_than_a_file_may_hold(tmp_path: Path) -> None:
    big = "services:\n  b: {image: alpine, command: [" + "x, " * 9000 + "y]}\n"
    uses = "services:\n" + "".join(
        f"  s{number}: {{extends: {{file: base.yaml, service: b}}}}\n" for number in range(300)
    )
    with pytest.raises(SpecError) as caught:
        load_spec(write(tmp_path, compose=uses, base=big), variables={})
    assert [problem.code for problem in caught.value.problems] == ["file-too-complex"]
