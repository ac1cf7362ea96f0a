"""Docker Compose files that are wrong, or that somebody wrote to do harm: each ends soon, with a sentence."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from compose_core import load_spec
from compose_core.cli.main import run
from compose_core.migrate import Migration, migrate_file
from compose_core.spec.models.command import ExecCommand

BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{', '.join(['*' + below] * 9)}]\n" for below, name in zip("abcdefgh", "bcdefghi")
)
REFUSED = {
    "aliases that grow": (f"{BOMB}services: {{s: {{image: x, command: *i}}}}", "file-too-complex"),
    "an alias of itself": ("services: &s {a: {image: x, environment: *s}}", "stands inside its own anchor"),
    "too deep": (f"services: {{a: {{image: x, command: {'[' * 20000}{']' * 20000}}}}}", "nested deeper than 64"),
    "too long": (f'services: {{a: {{image: x, command: "{"y" * 1_100_000}"}}}}', "1 MiB"),
    "too many": (
        "services:\n" + "".join(f"  s{n}: {{image: x, ports: [1, 2]}}\n" for n in range(5000)),
        "10000 values",
    ),
    "a key that is a number": ("services: {5: {image: x}}", "Put it in quotes"),
    "a waiting circle": ("services: {a: {image: x, depends_on: [b]}, b: {image: x, depends_on: [a]}}", "a → b → a"),
    "no name for a service": ("services: {../../x: {image: x}}", "cannot be a service name"),
    "a file of variables that is not there": ("services: {a: {image: x, env_file: no.env}}", "no.env"),
}


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the file will be."""
    monkeypatch.chdir(tmp_path)
    return tmp_path / "docker-compose.yaml"


@pytest.mark.parametrize(("text", "said"), REFUSED.values(), ids=REFUSED)
def test_a_wrong_file_ends_with_2_and_a_sentence(
    source: Path, text: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    source.write_text(text)
    assert run(["migrate"]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert len(told) < 5000


@pytest.mark.parametrize("kind", ["folder", "pipe", "bytes"])
def test_what_is_no_text_file_is_told(source: Path, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A pipe is not waited for."""
    if kind == "folder":
        source.mkdir()
    elif kind == "pipe":
        os.mkfifo(source)
    else:
        source.write_bytes(bytes(range(256)))
    assert run(["migrate", str(source)]) == 2
    assert "docker-compose.yaml" in capsys.readouterr().err


def made_of(source: Path, text: str) -> Migration:
    """The text as a file, converted."""
    source.write_text(text)
    return migrate_file(source, shown=source.name, to=source.parent)


def test_every_shape_that_a_key_cannot_have_is_survived(source: Path) -> None:
    """And something is said of each."""
    wrong = ("5", "[]", "{}", "null", "text", "[{a: [1]}]", "{a: {b: [c]}}", "2.5", '""')
    keys = (
        "build", "command", "configs", "cpus", "depends_on", "deploy", "entrypoint", "env_file", "environment", "extends", "gpus",
        "healthcheck", "image", "mem_limit", "networks", "ports", "profiles", "restart", "secrets", "volumes", "working_dir",
    )  # fmt: skip
    for value in wrong:
        body = "".join(f"    {key}: {value}\n" for key in keys)
        made = made_of(source, f"services:\n  a:\n{body}\nvolumes: {value}\nsecrets: {value}\nnetworks: {value}\n")
        assert made.spec["services"]["a"]["image"], value
        assert made.notes


def test_no_value_becomes_shell_syntax(source: Path) -> None:
    """Names that no shell can hand on are left out, everything else stays one word."""
    made = made_of(
        source,
        """
services:
  a:
    image: x
    command: ["echo", "$$(touch pwned)", "a b; touch pwned"]
    environment: {"X; touch pwned": "1", GOOD: "`touch pwned` $$(touch pwned)"}
""",
    )
    text = made.text()
    (source.parent / "compose.yaml").write_text(text)
    service = load_spec(source.parent / "compose.yaml", variables={}).spec.services["a"]
    assert service.command == ExecCommand(("echo", "$(touch pwned)", "a b; touch pwned"))
    assert service.environment == {"GOOD": "`touch pwned` $(touch pwned)"}
    assert any("X; touch pwned" in note.key_path for note in made.notes)


def test_anchors_and_merge_keys_are_followed(source: Path) -> None:
    made = made_of(
        source,
        "x-a: &a {image: x, environment: &e {A: '1'}}\n"
        "services: {s: {<<: *a, environment: {<<: *e, B: '2'}}, t: {<<: [*a], command: t}}\n",
    )
    assert made.spec["services"]["s"] == {"image": "x", "environment": {"A": "1", "B": "2"}}
    assert made.spec["services"]["t"]["command"] == "t"


def test_a_service_that_extends_another_of_the_file_has_what_that_says(source: Path) -> None:
    made = made_of(
        source,
        """
services:
  base: {image: x, command: run, environment: [A=1, C=1], volumes: ["./d:/d"]}
  middle: {extends: base, environment: {C: "2"}}
  child: {extends: {service: middle}, command: other, volumes: ["./e:/d", "./f:/f"]}
""",
    )
    assert made.spec["services"]["child"] == {
        "image": "x",
        "command": "other",
        "environment": {"A": "1", "C": "2"},
        "volumes": ["./e:/d", "./f:/f"],
    }
    assert [note.message for note in made.notes if note.key_path == "services.child.extends"] == [
        "what middle says is taken over"
    ]


def test_services_that_extend_each_other_are_left_to_a_person(source: Path) -> None:
    made = made_of(source, "services: {a: {image: x, extends: b}, b: {image: y, extends: a}, c: {extends: nowhere}}")
    said = {note.key_path: note.message for note in made.notes if note.kind == "manual"}
    assert said["services.a.extends"] == "the services extend each other in a circle: b → a → b"
    assert said["services.c.extends"] == "there is no service nowhere"


def test_profiles_includes_and_other_files_are_named(source: Path) -> None:
    made = made_of(
        source,
        "include: [more.yaml]\n"
        "services: {a: {image: x, profiles: [debug]}, b: {extends: {file: ../c.yaml, service: d}}}",
    )
    manual = {note.key_path for note in made.notes if note.kind == "manual"}
    assert {"include", "services.a.profiles", "services.b.extends"} <= manual


def test_a_bomb_needs_neither_time_nor_memory(source: Path) -> None:
    """In a process that has little of both."""
    source.write_text(REFUSED["aliases that grow"][0])
    limited = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30));"
        " from compose_core.cli.main import main; main(['migrate'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", limited], check=False, capture_output=True, text=True, timeout=60, cwd=source.parent
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "file-too-complex" in done.stderr
