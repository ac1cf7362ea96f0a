"""A docker-compose file for a machine without containers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from compose_core import load_spec
from compose_core.migrate import Migration, migrate_file


def made_of(folder: Path, text: str) -> Migration:
    """The text as a file of the folder, converted there."""
    folder.mkdir(exist_ok=True)
    (folder / "docker-compose.yaml").write_text(text)
    return migrate_file(folder / "docker-compose.yaml", shown="dc.yaml", to=folder, has_containers=False)


def service(made: Migration, name: str = "a") -> dict[str, Any]:
    """One of the new file."""
    return dict(made.spec["services"][name])


def test_what_is_mounted_is_named_by_its_real_place(tmp_path: Path) -> None:
    made = made_of(
        tmp_path,
        """
services:
  a:
    image: x
    working_dir: /src/app
    command: ["run", "/src/a.py", "--out=/data/x", "/src2/b", "/opt/src/c", "a/src"]
    environment: {DATA: "/data:/src/lib"}
    volumes: ["./code:/src:ro", "store:/data"]
volumes: {store: {}}
""",
    )
    code, data = f"{tmp_path}/code", f"{tmp_path}/volumes/store"
    assert made.spec["runtime"] == {"backend": "host"}
    assert service(made) == {
        "command": ["run", f"{code}/a.py", f"--out={data}/x", "/src2/b", "/opt/src/c", "a/src"],
        "environment": {"DATA": f"{data}:{code}/lib"},
        "working_dir": f"{code}/app",
    }
    assert made.folders == ("./volumes/store",)


def test_a_service_that_runs_what_its_image_says_is_left_to_a_person(tmp_path: Path) -> None:
    made = made_of(tmp_path, "services: {a: {image: 'redis:7'}}")
    assert "give it a command: what redis:7 runs by itself is not known here" in [note.message for note in made.notes]


def test_a_place_in_the_image_and_a_build_are_told(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM debian:12\nRUN apt-get install -y jq\nWORKDIR /app\nCMD [jq, .]\n")
    made = made_of(tmp_path, "services: {a: {build: ., command: jq ., working_dir: /app}}")
    manual = [note.message for note in made.notes if note.kind == "manual"]
    assert "/app lies in the image: it starts in the folder of the compose file" in manual
    assert "install on this machine what its Dockerfile installs" in manual
    assert service(made) == {"command": "jq ."}


def test_a_folder_with_a_dollar_or_a_blank_in_its_name_stays_what_it_is(tmp_path: Path) -> None:
    """The first must not become a variable; the second is told, because only a person knows the quotes of a command."""
    made = made_of(tmp_path / "a $b", "services: {a: {image: x, command: [cat, /d/f], volumes: ['./d:/d']}}")
    (tmp_path / "a $b" / "compose.yaml").write_text(made.text())
    loaded = load_spec(tmp_path / "a $b" / "compose.yaml", variables={"b": "wrong"})
    assert loaded.spec.services["a"].command.argv == ("cat", f"{tmp_path}/a $b/d/f")  # type: ignore[union-attr]
    assert any("check the quotes" in note.message for note in made.notes)


def test_a_variable_in_a_mount_stays_one(tmp_path: Path) -> None:
    text = "services: {a: {image: x, command: [ls, /w], working_dir: /w, volumes: ['${PWD:-.}/x:/w']}}"
    made = made_of(tmp_path, text)
    assert service(made) == {"command": ["ls", "${PWD:-.}/x"], "working_dir": "${PWD:-.}/x"}
