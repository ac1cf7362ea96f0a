"""The parts of a conversion: addresses, sizes, Dockerfiles, hostile files."""

from __future__ import annotations

from pathlib import Path

import pytest

from compose_core import SpecError
from compose_core.migrate import Notes, migrate_file
from compose_core.migrate.dockerfile import instructions, read_recipe
from compose_core.migrate.hosts import HostNames
from compose_core.migrate.requests import memory_mib


@pytest.mark.parametrize(
    ("name", "value", "becomes"),
    [
        ("REDIS_HOST", "redis", "127.0.0.1"),
        ("DB_USER", "redis", "redis"),
        ("URL", "amqp://mq:mq@mq:5672/", "amqp://mq:mq@127.0.0.1:5672/"),
        ("X", "http://web/path?next=http://web:8080", "http://127.0.0.1/path?next=http://127.0.0.1:8080"),
        ("X", "redis:6379,web:8080", "127.0.0.1:6379,127.0.0.1:8080"),
        ("NODES", "redis,web,other", "127.0.0.1,127.0.0.1,other"),
        ("IMAGE", "redis:7", "redis:7"),
        ("X", "http://website.example.com:80", "http://website.example.com:80"),
        ("X", "/etc/redis:6379", "/etc/redis:6379"),
        ("X", "my-redis:6379", "my-redis:6379"),
        ("X", "tcp://[::1]:80", "tcp://[::1]:80"),
    ],
)
def test_an_address_names_this_node(name: str, value: str, becomes: str) -> None:
    assert HostNames(["redis", "web", "mq"]).variable(name, value) == becomes


@pytest.mark.parametrize(
    ("text", "mib"), [("512m", 512), ("1.5g", 1536), ("2GB", 2048), ("1073741824", 1024), ("1k", 1), ("much", None)]
)
def test_a_size_is_read(text: str, mib: int | None) -> None:
    assert memory_mib(text) == mib


def test_the_lines_of_a_dockerfile_are_joined() -> None:
    text = "# a\nFROM  x\nRUN a \\\n  # no\n\n  b\nRUN <<EOF\none\ntwo\nEOF\nCOPY a b"
    found = [(one.name, one.text, one.line) for one in instructions(text)]
    assert found == [("FROM", "x", 2), ("RUN", "a b", 3), ("RUN", "<<EOF\none\ntwo\nEOF", 7), ("COPY", "a b", 11)]


def test_arguments_are_filled_in_and_stages_told() -> None:
    notes = Notes()
    text = (
        "ARG V=1\nARG W\nFROM a:$V as one\nFROM ${W:-b}:2\nENV A=1 B=$A C=${D}\nWORKDIR x\nWORKDIR y\nRUN make\nCMD [1"
    )
    recipe = read_recipe(text, "Dockerfile", (), notes, arguments={"V": "9"})
    assert (recipe.image, recipe.working_dir) == ("b:2", "/x/y")
    assert recipe.environment == {"A": "1", "B": "1"}
    assert recipe.commands == ["mkdir -p /x", "mkdir -p /x/y", "cd /x/y && make"]
    assert [note.line for note in notes.in_order()] == [4, 5]


@pytest.mark.parametrize("text", ["", "[]", "services: 1", "services: {}", "a: [", "\x00", "services: {a: 1}\n" * 2])
def test_a_file_without_services_is_a_clear_error(tmp_path: Path, text: str) -> None:
    file = tmp_path / "docker-compose.yaml"
    file.write_text(text)
    with pytest.raises(SpecError) as caught:
        migrate_file(file, shown="docker-compose.yaml", to=tmp_path)
    assert "docker-compose.yaml" in str(caught.value.problems)


def test_paths_are_those_of_the_folder_of_the_new_file(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    file = tmp_path / "old" / "docker-compose.yaml"
    file.write_text("services: {a: {image: x, volumes: ['./d:/d', v:/v, /abs:/abs], env_file: e.env}}\nvolumes: {v: }")
    made = migrate_file(file, shown="old/docker-compose.yaml", to=tmp_path / "new")
    service = made.spec["services"]["a"]
    assert service["volumes"] == ["../old/d:/d", "./volumes/v:/v", "/abs:/abs"]
    assert (service["env_file"], made.folders) == (["../old/e.env"], ("./volumes/v",))
