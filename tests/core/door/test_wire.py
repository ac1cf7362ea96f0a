"""Questions and answers as text: what a program on another machine reads is what happened here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from compose_core.cluster.site import Site
from compose_core.door.inputs import spec_inputs
from compose_core.door.wire import answer_of, answered, error_of, question
from compose_core.errors import (
    HpccError,
    Location,
    NoSuchJob,
    Problem,
    SchedulerRefused,
    SchedulerUnreachable,
    SpecError,
    SubmissionUnresolved,
    UsageError,
)
from compose_core.testing import FakeCluster

WHERE = Location(file="train.yaml", line=4, column=5, key_path="services.app")


@pytest.mark.parametrize(
    "error",
    [
        SpecError([Problem(code="unknown-key", message="unsupported", where=WHERE, remedy="Remove it.")]),
        SpecError([Problem(code=code, message=code, where=WHERE) for code in ("one", "two")]),
        SchedulerUnreachable("the scheduler does not answer", remedy="Wait."),
        SubmissionUnresolved("not known"),
        SchedulerRefused("too many jobs", code="refused-limit"),
        NoSuchJob("there is none"),
        UsageError("no"),
        HpccError("it broke", details="line 1\nline 2"),
    ],
)
def test_an_error_arrives_as_what_it_was(error: HpccError) -> None:
    """Class, place, remedy and details decide what a task says, and whether it is tried again."""
    back = error_of(json.loads(json.dumps(error.as_json()["error"])))
    assert type(back) is type(error)
    assert (str(back), back.exit_code, back.code) == (str(error), error.exit_code, error.code)


def ask(cluster: FakeCluster, tmp_path: Path, data: bytes) -> dict[str, Any]:
    return answered(data, lambda _engine: cluster.site(tmp_path))


def test_an_answer_comes_back_whatever_the_login_shell_said_before(tmp_path: Path) -> None:
    asked = question("check", {}, workspace=str(tmp_path / "ws"), engine="auto")
    said = ask(FakeCluster(), tmp_path, asked)
    text = f"Welcome to {{the}} cluster!\n{json.dumps(said)}\n"
    assert answer_of(text)["engine"] == "slurm"


@pytest.mark.parametrize(
    "data",
    [b"", b"no json", b"[]", b'{"schema_version": 2, "verb": "check"}', b'{"schema_version": 1, "arguments": 7}'],
)
def test_what_is_no_question_is_answered_with_an_error(tmp_path: Path, data: bytes) -> None:
    said = ask(FakeCluster(), tmp_path, data)
    assert said["ok"] is False
    with pytest.raises(UsageError):
        answer_of(json.dumps(said))


@pytest.mark.parametrize("text", ["", "motd only", '{"schema_version": 1}', '{"schema_version": 1, "ok": true}'])
def test_what_is_no_answer_is_told_from_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"no answer|another shape"):
        answer_of(text)


def test_hpcc_door_answers_one_question_on_stdin(tmp_path: Path) -> None:
    """The command that a login node runs."""
    asked = question("find", {"keys": ["k"]}, workspace=str(tmp_path), engine="local")
    said = subprocess.run(
        [sys.executable, "-m", "compose_core", "door"],
        input=asked,
        capture_output=True,
        timeout=60,
        check=True,
        env={**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")},
    )
    assert answer_of(said.stdout.decode()) == {"jobs": {}}


def test_the_site_is_that_of_the_engine_which_is_asked_for(tmp_path: Path) -> None:
    engines: list[str] = []

    def site_of(engine: str) -> Site:
        engines.append(engine)
        return FakeCluster().site(tmp_path)

    answered(question("check", {}, workspace=str(tmp_path), engine="slurm"), site_of)
    assert engines == ["slurm"]


def test_the_inputs_of_a_file_are_what_it_names_by_relative_paths(tmp_path: Path) -> None:
    """Nothing is looked for that a variable names, that is absolute, or that is not there."""
    (tmp_path / "base.yaml").write_text("services: {common: {env_file: [{path: common.env}]}}\n")
    (tmp_path / "code").mkdir()
    for name in ("common.env", "app.env", "token.txt", ".env"):
        (tmp_path / name).write_text("A=1\n")
    file = tmp_path / "compose.yaml"
    file.write_text(
        "services:\n"
        "  app:\n"
        "    extends: {file: base.yaml, service: common}\n"
        "    env_file: app.env\n"
        "    volumes: ['./code:/code', '/data:/data', '${D}:/d', './gone:/gone', {source: code, target: /c}]\n"
        "secrets: {T: {file: token.txt}}\n"
    )
    found = {path.name for path in spec_inputs(file)}
    assert found == {"compose.yaml", "base.yaml", "common.env", "app.env", "code", "token.txt", ".env"}


def test_inputs_of_a_file_that_is_no_yaml_are_a_spec_error(tmp_path: Path) -> None:
    file = tmp_path / "compose.yaml"
    file.write_text("services: [\n")
    with pytest.raises(SpecError, match=r"compose\.yaml:"):
        spec_inputs(file)
    with pytest.raises(SpecError, match="gone"):
        spec_inputs(tmp_path / "gone.yaml")
