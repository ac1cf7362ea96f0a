"""A spec whose project folder is not its file's folder, and one that no file holds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from compose_core import PlanContext, SpecError, build_plan, load_spec

CONTEXT = PlanContext(engine="local", home="/home/ada", container_backends=("enroot",), machine="x86_64")


def test_relative_paths_dotenv_and_metadata_belong_to_the_project_folder(tmp_path: Path) -> None:
    project, stacks = tmp_path / "project", tmp_path / "stacks"
    project.mkdir()
    stacks.mkdir()
    (project / ".env").write_text("WORD=project\n")
    (stacks / ".env").write_text("WORD=stack\n")
    (project / "more.env").write_text("MORE=1\n")
    file = stacks / "compose.yaml"
    file.write_text(
        "services:\n  app:\n    image: ./app.sqsh\n    command: ['${WORD}']\n    env_file: more.env\n    volumes: ['./data:/data']\n"
    )
    loaded = load_spec(file, variables={}, project_dir=project)
    plan = build_plan(loaded, CONTEXT)
    assert (loaded.source, loaded.project_dir) == (file, project)
    assert loaded.sources == (file, project / ".env", project / "more.env")
    service = loaded.spec.services["app"]
    assert service.environment["MORE"] == "1"
    assert "project" in str(service.command)
    assert plan.project_dir == str(project)
    assert plan.images[0].source == str(project / "app.sqsh")


def test_an_extended_file_keeps_its_own_folder(tmp_path: Path) -> None:
    project, stacks = tmp_path / "project", tmp_path / "stacks"
    (stacks / "base").mkdir(parents=True)
    project.mkdir()
    (stacks / "base" / "base.yaml").write_text("services:\n  app:\n    image: ./app.sqsh\n    command: ['true']\n")
    (stacks / "compose.yaml").write_text("extends: base/base.yaml\n")
    plan = build_plan(load_spec(stacks / "compose.yaml", variables={}, project_dir=project), CONTEXT)
    assert plan.images[0].source == str(stacks / "base" / "app.sqsh")


def test_a_text_is_read_as_the_file_it_is_called(tmp_path: Path) -> None:
    text = json.dumps({"runtime": {"backend": "host"}, "services": {"app": {"command": ["true"]}}}, indent=1)
    loaded = load_spec(tmp_path / "made.json", variables={}, project_dir=tmp_path, text=text)
    assert (loaded.source, loaded.project_dir) == (tmp_path / "made.json", tmp_path)
    assert list(loaded.spec.services) == ["app"]


@pytest.mark.parametrize("text", ["services: {app: {comand: x}}", "services: {app: {command: \udc80}}", "\x00"])
def test_an_error_of_a_text_names_the_file_and_the_line(tmp_path: Path, text: str) -> None:
    with pytest.raises(SpecError) as caught:
        load_spec(tmp_path / "made.yaml", variables={}, text=text)
    assert f"{tmp_path / 'made.yaml'}:1" in str(caught.value)
