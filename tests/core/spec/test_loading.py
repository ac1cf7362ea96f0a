"""`load_spec` from the outside: files, places, digests, hostile input."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from compose_core.errors import ExitCode, Problem, SpecError
from compose_core.spec import LoadedSpec, load_spec
from compose_core.spec.findings import MAX_PROBLEMS
from compose_core.spec.grammar import COMPOSE, SERVICE
from compose_core.spec.models import ComposeSpec
from compose_core.spec.yaml_tree import MAX_BYTES

HELLO = "services: {app: {image: alpine, command: run}}\n"
unhurried = settings(deadline=2000, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)


def load(folder: Path, text: str | bytes, **variables: str) -> LoadedSpec:
    path = folder / "compose.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    return load_spec(path, variables=variables)


def codes(folder: Path, text: str | bytes, **variables: str) -> list[str]:
    with pytest.raises(SpecError) as caught:
        load(folder, text, **variables)
    return [problem.code for problem in caught.value.problems]


def test_a_missing_file_says_how_to_begin(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        load_spec(tmp_path / "compose.yaml", variables={})
    (problem,) = caught.value.problems
    assert caught.value.exit_code is ExitCode.USAGE
    assert (problem.code, "-f" in problem.remedy) == ("file-not-found", True)
    assert str(problem).startswith(f"{tmp_path}/compose.yaml: error[file-not-found]: the file does not exist")


@pytest.mark.parametrize("kind", ["folder", "pipe", "socket", "dangling link", "/dev/zero"])
def test_what_is_no_regular_file_is_refused_without_being_read(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "compose.yaml"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
    else:
        path.symlink_to("/dev/zero" if kind == "/dev/zero" else tmp_path / "nowhere")
    with pytest.raises(SpecError) as caught:
        load_spec(path, variables={})
    assert [problem.code for problem in caught.value.problems] == ["file-not-found"]


def test_a_path_with_a_nul_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError):
        load_spec(f"{tmp_path}/a\0b", variables={})


def test_every_file_that_was_read_is_named(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=1\n")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/base.yaml").write_text(
        "services: {app: {image: alpine, env_file: site.env, volumes: ['./d:/d', '/e:/e']}}\n"
    )
    (tmp_path / "sub/site.env").write_text("B=2\n")
    loaded = load(tmp_path, "extends: sub/base.yaml\nservices: {app: {command: run, volumes: ['./x:/x']}}\n")
    names = ["compose.yaml", "sub/base.yaml", ".env", "sub/site.env"]
    assert [path.relative_to(tmp_path).as_posix() for path in loaded.sources] == names
    assert loaded.project_dir == tmp_path


def test_relative_paths_belong_to_the_file_that_holds_them(tmp_path: Path) -> None:
    """A base file in another folder names its own neighbours."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/base.yaml").write_text(
        "services: {app: {image: ./i.sqsh, volumes: ['./d:/d', '/e:/e', '~/f:/f']}}\n"
    )
    loaded = load(tmp_path, "extends: sub/base.yaml\nservices: {app: {command: run, volumes: ['./x:/x']}}\n")
    app = loaded.spec.services["app"]
    assert [volume.source for volume in app.volumes] == [f"{tmp_path}/sub/d", "/e", "~/f", "./x"]
    assert app.image == f"{tmp_path}/sub/i.sqsh"


def test_each_key_path_has_its_place(tmp_path: Path) -> None:
    loaded = load(
        tmp_path,
        "x-slurm:\n  time: 10\nservices:\n  my.app:\n    image: alpine\n    command: [a, b]\n"
        "    x-enroot:\n      prepare: {commands: [x]}\n",
    )
    places = {
        "x-slurm": (1, 1),
        "x-slurm.time": (2, 9),
        "x-slurm.mem": (1, 1),
        "services.my.app": (4, 3),
        "services.my.app.image": (5, 12),
        "services.my.app.command[1]": (6, 18),
        "services.my.app.command[7]": (6, 5),
        "services.my.app.x-runtime.prepare": (8, 7),
        "nonsense[": (1, 1),
    }
    for key, (line, column) in places.items():
        where = loaded.locate(key)
        assert (where.line, where.column, where.key_path) == (line, column, key)


def test_where_variables_came_from_is_kept(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("B=1\n")
    text = (
        "sweep: {parameters: {p: [1]}}\nservices: {app: {image: '$A:${B}', environment: {C: '${C:-x}', P: '${p}'}}}\n"
    )
    assert load(tmp_path, text, A="alpine").variables_used == {
        "A": "environment",
        "B": ".env",
        "C": "default",
        "p": "sweep-example",
    }


def test_the_digest_follows_the_meaning_and_not_the_spelling(tmp_path: Path) -> None:
    digest = load(tmp_path, HELLO).sha256
    assert (
        load(tmp_path, "# comment\nservices:\n  app:\n    command: run\n    image: ${I}\n", I="alpine").sha256 == digest
    )
    assert load(tmp_path, HELLO.replace("run", "walk")).sha256 != digest


def test_a_secret_changes_the_digest_and_is_not_shown(tmp_path: Path) -> None:
    text = "services: {app: {image: alpine, environment: {API_TOKEN: %s}}}\n"
    one, other = load(tmp_path, text % "hush-1"), load(tmp_path, text % "hush-2")
    assert one.sha256 != other.sha256
    assert one.effective() == other.effective()
    assert "hush" not in str(one.effective())


def test_problems_of_values_are_short_and_printable(tmp_path: Path) -> None:
    """What a message quotes cannot move the cursor, and a huge value does not flood the screen."""
    with pytest.raises(SpecError) as caught:
        load(tmp_path, 'x-slurm: {time: "\\e[2J' + "x" * 5000 + '"}\n' + HELLO)
    (problem,) = caught.value.problems
    assert problem.code == "control-character"
    assert len(str(problem)) < 500
    with pytest.raises(SpecError) as caught:
        load(tmp_path, "x-slurm: {nodes: " + "x" * 5000 + "}\n" + HELLO)
    assert len(str(caught.value)) < 500


def test_a_size_that_is_none_is_not_also_called_missing(tmp_path: Path) -> None:
    """One mistake, one problem."""
    with pytest.raises(SpecError) as caught:
        load(tmp_path, HELLO + "x-slurm: {logs: {max_size: 4KiB}}\n")
    assert [problem.code for problem in caught.value.problems] == ["memory-size"]


def test_names_in_problems_are_printable(tmp_path: Path) -> None:
    text = 'services: {"a\\e[2J\\u202Eb": {image: x, working_dir: y, nonsense: 1}}\n"k\\e]0;x\\a": 1\n'
    with pytest.raises(SpecError) as caught:
        load(tmp_path, text)
    assert len(caught.value.problems) > 2
    assert all(str(problem).replace("\n", "").isprintable() for problem in caught.value.problems)


def test_pydantic_reads_and_writes_the_models(tmp_path: Path) -> None:
    """The models are plain dataclasses; at a border, pydantic can take them as they are."""
    spec = load(tmp_path, HELLO + "x-slurm: {artifacts: {export_dir: o, paths: [/hpc-compose/job/a]}}\n").spec
    adapter = TypeAdapter(ComposeSpec)
    assert adapter.validate_json(adapter.dump_json(spec)) == spec


def assert_spec_or_spec_error(folder: Path, text: str | bytes) -> None:
    """Loading ends in one of the two ways that are promised, whatever the text."""
    problems: tuple[Problem, ...] | None = None
    try:
        load(folder, text).effective()
    except SpecError as error:
        problems = error.problems
    assert problems is None or all(str(problem) and problem.where for problem in problems)
    assert problems is None or len(problems) <= MAX_PROBLEMS


# ---- properties

names = st.text("abcdefghijklmnop", min_size=1, max_size=8)
words = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=30)


@unhurried
@given(st.binary(max_size=300))
@example(b"\xff\xfe\x00")
@example(b"services: {a: {image: &x [*x]}}")
@example(b"%YAML 9.9\n---\na: b")
@example(b"services:\n  a: {image: x, depends_on: {a: {}}}\n")
def test_any_bytes_give_a_spec_or_a_spec_error(tmp_path: Path, data: bytes) -> None:
    assert_spec_or_spec_error(tmp_path, data)


_TOKENS = st.sampled_from(
    [
        "services", "x-slurm", "app", "image", "command", ":", ": ", "\n", "\n  ", "\n    ", "- ", "[", "]", "{", "}", ",", "&a ", "*a",
        "<<: *a", "${A", "${A:-", "}", "$", "$$", "0", "1", "-1", "readiness", "type", "tcp", "port", "depends_on", "sweep", "parameters",
        "extends", "environment", "volumes", "/a:/b", "'", '"', "|\n", "#", "!!x ", "time", "1h", "@{app.host}", "healthcheck", "test",
    ]
)  # fmt: skip


@unhurried
@given(st.lists(_TOKENS, max_size=60).map("".join))
def test_any_jumble_of_the_grammar_gives_a_spec_or_a_spec_error(tmp_path: Path, text: str) -> None:
    assert_spec_or_spec_error(tmp_path, text)


_VALUES = st.recursive(
    st.one_of(
        words, st.integers(-5, 70000).map(str), st.sampled_from(["true", "null", "${A}", "@{app.host}", "1h", "/a:/b"])
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)


@unhurried
@given(st.sampled_from(sorted(SERVICE.entries)), _VALUES)
def test_any_value_of_any_service_key_gives_a_spec_or_a_spec_error(tmp_path: Path, key: str, value: object) -> None:
    assert_spec_or_spec_error(tmp_path, f"services: {{app: {{image: alpine, {key}: {json.dumps(value)}}}}}\n")


@unhurried
@given(st.sampled_from(sorted(key for key in COMPOSE.entries if key != "services")), _VALUES)
def test_any_value_of_any_top_level_key_gives_a_spec_or_a_spec_error(tmp_path: Path, key: str, value: object) -> None:
    assert_spec_or_spec_error(tmp_path, f"services: {{app: {{image: alpine}}}}\n{key}: {json.dumps(value)}\n")


@unhurried
@given(names.filter(lambda name: name not in COMPOSE.entries))
def test_an_unknown_key_is_never_accepted(tmp_path: Path, name: str) -> None:
    assert codes(tmp_path, HELLO + f"{name}: 1\n") in (["unknown-key"], ["unsupported-key"])
    if name not in SERVICE.entries:
        text = HELLO.replace("command", f"{name}: 1, command")
        assert codes(tmp_path, text) in (["unknown-key"], ["unsupported-key"])


@unhurried
@given(st.permutations(["a", "b", "c", "d"]))
def test_the_order_of_services_has_no_meaning(tmp_path: Path, order: list[str]) -> None:
    services = {
        "a": "{image: alpine, command: run}",
        "b": "{image: redis, depends_on: [a]}",
        "c": "{image: alpine, depends_on: {b: {condition: service_completed_successfully}}}",
        "d": "{extends: a, environment: {X: y}}",
    }
    text = "services:\n" + "".join(f"  {name}: {services[name]}\n" for name in order)
    given_order = load(tmp_path, text)
    usual_order = load(tmp_path, "services:\n" + "".join(f"  {name}: {services[name]}\n" for name in services))
    assert given_order.sha256 == usual_order.sha256
    assert list(given_order.spec.services) == order


@unhurried
@given(words.filter(lambda value: "@{" not in value))
def test_a_value_comes_out_as_it_went_in(tmp_path: Path, value: str) -> None:
    """Whatever a variable holds, it is data."""
    loaded = load(
        tmp_path, "services: {app: {image: alpine, environment: {A: 'x${V}'}, command: [run, '${V}']}}\n", V=value
    )
    assert loaded.spec.services["app"].environment["A"] == f"x{value}"


def test_many_files_in_one_are_read_once(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("services: {base: {image: alpine, nonsense: 1}}\n")
    services = "".join(f"  s{number}: {{extends: {{file: base.yaml, service: base}}}}\n" for number in range(50))
    with pytest.raises(SpecError) as caught:
        load(tmp_path, f"services:\n{services}")
    assert {problem.code for problem in caught.value.problems} == {"unknown-key"}


def test_a_file_of_fifty_services_is_loaded_with_all_of_them(tmp_path: Path) -> None:
    services = "".join(
        f"  s{number}: {{image: alpine, command: run, depends_on: [s{number - 1}]}}\n" for number in range(1, 50)
    )
    assert len(load(tmp_path, f"services:\n  s0: {{image: alpine}}\n{services}").spec.services) == 50


def test_a_long_chain_of_services_is_no_deep_recursion(tmp_path: Path) -> None:
    links = "".join(f"  s{number}: {{extends: s{number + 1}}}\n" for number in range(1500))
    assert set(codes(tmp_path, f"services:\n{links}  s1500: {{image: alpine}}\n")) == {"extends-too-many"}


def test_the_largest_file_is_refused_at_once(tmp_path: Path) -> None:
    assert codes(tmp_path, HELLO + "#" * MAX_BYTES) == ["file-too-large"]


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "text",
    [
        "services: {a: {image: x, healthcheck: {test: 'nc" + " " * 60_000 + "|'}}}\n",
        "services: {a: {image: 'x://" + "a:" * 30_000 + "'}}\n",
        "services: {a: {image: x, environment: {A: 'http://" + "a:" * 30_000 + "'}}}\n",
        "services: {a: {image: x, command: ['" + "@{a." * 15_000 + "']}}\n",
        "services: {a: {image: x, environment: {A: '" + "${A:-" * 12_000 + "'}}}\n",
        "services:\n" + "".join(f"  s{n}: {{image: x, depends_on: [t{n}]}}\n" for n in range(1800)),
        "services:\n" + "".join(f"  s{n}: {{image: x, depends_on: [s{n + 1}]}}\n" for n in range(1800)),
        "services: {a: {image: x}}\n" + "".join(f"key{n}: 1\n" for n in range(5000)),
        "services: {a: {image: x, x-slurm: {ports: [" + "p, " * 9000 + "]}}}\n",
        "services: {a: {image: x, depends_on: [" + ", ".join(f"s{n}" for n in range(9000)) + "]}}\n",
        "services: {a: {image: x, readiness: {type: log, pattern: '" + "(" * 900 + "'}}}\n",
        "sweep: {trials: ["
        + ", ".join(f"{{a: {n}}}" for n in range(4000))
        + "]}\nservices: {a: {image: x, command: $a}}\n",
        "services: {a: {image: x, env_file: [" + ".env, " * 5000 + "]}}\n",
    ],
    ids=range(13),
)
def test_no_text_takes_long(tmp_path: Path, text: str) -> None:
    """Each of these would take minutes or forever if a pass were quadratic; the limit is far above what they take."""
    (tmp_path / ".env").write_text("A=1\n")
    assert_spec_or_spec_error(tmp_path, text)
