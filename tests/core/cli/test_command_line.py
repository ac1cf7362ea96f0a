"""What every command has in common: errors, exit statuses, help, streams."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from compose_core.cli.main import COMMANDS, every_command, run
from compose_core.cli.report_schemas import REPORTS, report_schema
from tests.jobs.project import check_report

WRONG = "services:\n  web:\n    imagee: redis\n    ports: ['80:80']\n"
RIGHT = "runtime: {backend: host}\nservices:\n  web: {command: [serve], environment: {API_TOKEN: hidden-value}}\n"


@pytest.fixture
def wrong(tmp_path: Path) -> str:
    """A compose file with two mistakes."""
    path = tmp_path / "wrong.yaml"
    path.write_text(WRONG)
    return str(path)


@pytest.fixture
def right(tmp_path: Path) -> str:
    """A compose file without any."""
    path = tmp_path / "compose.yaml"
    path.write_text(RIGHT)
    return str(path)


@pytest.mark.parametrize("command", ["validate", "config", "plan", "inspect", "render", "up", "submit"])
def test_a_wrong_file_ends_with_2_and_every_mistake(
    command: str, wrong: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """File, line, key, remedy; on stderr, nothing on stdout."""
    assert run([command, "-f", wrong, "--engine", "local"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert ":3:5 services.web.imagee" in err
    assert "`image`" in err
    assert ":4:5 services.web.ports" in err
    assert err.count("remedy") >= 2


def test_with_json_the_mistakes_are_one_object_on_stdout(wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Programs read the same fields."""
    assert run(["validate", "-f", wrong, "--format", "json"]) == 2
    out, err = capsys.readouterr()
    check_report("validate", json.loads(out))
    error = json.loads(out)["error"]
    assert err == ""
    assert (error["code"], error["exit_code"]) == ("invalid-spec", 2)
    assert {(problem["line"], problem["key_path"]) for problem in error["problems"]} >= {
        (3, "services.web.imagee"),
        (4, "services.web.ports"),
    }


@pytest.mark.parametrize("words", [["vaildate"], ["status", "--job-id"], ["logs", "--lines", "many"]])
def test_with_json_a_mistake_on_the_command_line_is_an_object_too(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """A program need not read two languages."""
    assert run([words[0], "--format=json", *words[1:]]) == 2
    out, err = capsys.readouterr()
    assert (json.loads(out)["error"]["exit_code"], err) == (2, "")


@pytest.mark.parametrize("command", ["validate", "config", "plan", "inspect", "render", "jobs", "up --dry-run"])
def test_the_json_answer_is_one_object_with_a_schema_version(
    command: str, right: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """And secrets are in none of them but the script itself."""
    assert run([*command.split(), "-f", right, "--engine", "local", "--format", "json", "--quiet"]) == 0
    out, err = capsys.readouterr()
    check_report(command.split(maxsplit=1)[0], json.loads(out))
    assert err == ""
    assert ("hidden-value" in out) is (command == "render")


@pytest.mark.parametrize("command", ["status", "ps", "logs", "cancel", "artifacts"])
def test_without_a_job_a_command_says_how_to_get_one(
    command: str, right: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 1."""
    assert run([command, "-f", right, "--engine", "local"]) == 1
    assert "hpcc up" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["status", "logs"])
def test_a_job_id_that_is_none_is_a_mistake_of_the_caller(
    command: str, right: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 2; the text is not taken for a path."""
    assert run([command, "-f", right, "--job-id", "../../etc/passwd", "--engine", "local"]) == 2
    assert "job id" in capsys.readouterr().err


def test_a_missing_file_is_an_error_with_a_remedy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 2."""
    assert run(["validate", "-f", str(tmp_path / "none.yaml")]) == 2
    assert "none.yaml" in capsys.readouterr().err


def test_a_mistyped_command_is_suggested(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 2."""
    assert run(["vaildate"]) == 2
    assert "validate" in capsys.readouterr().err


@pytest.mark.parametrize("command", [*COMMANDS, ""])
def test_help_fits_eighty_columns(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """And says what the command is for."""
    assert run([*([command] if command else []), "--help"]) == 0
    out = capsys.readouterr().out
    assert max(len(line) for line in out.splitlines()) <= 80
    assert "Usage: hpcc" in out


@pytest.mark.parametrize("command", COMMANDS)
def test_help_names_what_an_option_takes(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`SECONDS` or `N`, no type of the program."""
    assert run([command, "--help"]) == 0
    assert " RANGE" not in capsys.readouterr().out


@pytest.mark.parametrize("command", ["plan", "preflight"])
def test_tables_and_lists_have_no_blanks_at_the_end_of_a_line(
    command: str, right: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is copied into a text stays as it is."""
    assert run([command, "-f", right, "--engine", "local"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == [line.rstrip() for line in lines]


def test_the_cache_of_a_file_is_shown_where_its_services_cannot_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Looking into a folder needs no container program."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    file = tmp_path / "compose.yaml"
    file.write_text("services: {app: {image: alpine, command: run}}\nx-slurm: {cache_dir: /shared/of/all}\n")
    assert run(["plan", "-f", str(file), "--engine", "local"]) == 2
    capsys.readouterr()
    assert run(["cache", "list", "-f", str(file), "--engine", "local"]) == 0
    assert capsys.readouterr().err == "/shared/of/all: 0 images, 0 B\n"
    assert run(["cache", "prune", "-f", str(file), "--engine", "local"]) == 2
    assert "Give exactly one of --age and --all-unused." in capsys.readouterr().err


@pytest.mark.parametrize("command", [["preflight"], ["up", "--dry-run"]])
def test_a_secret_that_cannot_be_had_is_told_without_a_submission(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With its place in the file, as `up` tells it."""
    file = tmp_path / "compose.yaml"
    file.write_text(RIGHT.replace("serve]", "serve], secrets: [key]") + "secrets: {key: {file: ./missing}}\n")
    assert run([*command, "-f", str(file), "--engine", "local"]) == 2
    assert "secrets.key: error: the secret key comes from the file" in capsys.readouterr().err


def test_the_list_of_commands_is_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    """Every line of `hpcc --help` leads to a command."""
    from compose_core.cli.main import hpcc

    for name in COMMANDS:
        command = hpcc.get_command(None, name)  # type: ignore[arg-type]  # the group does not look at the context
        assert command is not None
        assert command.name == name


def test_without_a_terminal_errors_and_answers_have_no_colours(
    wrong: str, right: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Here is none."""
    run(["validate", "-f", wrong])
    run(["plan", "-f", right, "--engine", "local"])
    assert "\x1b[" not in "".join(capsys.readouterr())


def test_colours_come_for_who_asks_in_errors_and_in_answers(
    wrong: str, right: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--color always`, as for a pager."""
    run(["validate", "-f", wrong, "--color", "always"])
    assert "\x1b[31m" in capsys.readouterr().err
    run(["plan", "-f", right, "--engine", "local", "--color", "always"])
    assert "\x1b[1m" in capsys.readouterr().out


def test_escape_sequences_of_a_file_do_not_reach_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Names in a compose file come from anywhere."""
    path = tmp_path / "compose.yaml"
    path.write_text('services: {"a\\u001b]0;pwned\\u0007b": {"image\\u001b[31m": x}}\n')
    assert run(["validate", "-f", str(path)]) == 2
    assert "\x1b" not in capsys.readouterr().err


def test_a_reader_that_leaves_early_is_no_error(right: str) -> None:
    """`hpcc render | head -1`."""
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {sys.executable} -m compose_core render -f {right} | head -1"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "#!/bin/bash\n"
    assert done.stderr.count("\n") <= 3, "only the warning about the secret"
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr


def test_a_rendered_file_is_private(right: str, tmp_path: Path) -> None:
    """It may hold values that are nobody's business."""
    assert run(["render", "-f", right, "-o", str(tmp_path / "job.sbatch"), "--quiet"]) == 0
    assert (tmp_path / "job.sbatch").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("command", ["render -f compose.yaml", "schema"])
def test_a_folder_that_is_not_there_is_an_error_of_the_environment(
    command: str, right: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 3."""
    words = command.replace("compose.yaml", right).split()
    assert run([*words, "-o", str(tmp_path / "no" / "file"), "--quiet"]) == 3
    assert "cannot be written" in capsys.readouterr().err


def test_checking_a_file_does_not_load_what_it_does_not_need(right: str) -> None:
    """Start-up time is a feature."""
    code = "import sys; from compose_core.cli.main import run; run(sys.argv[1:]); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", code, "validate", "-f", right], capture_output=True, text=True, check=True
    )
    loaded = set(done.stderr.split())
    assert not loaded & {"rich", "jinja2", "pydantic", "asyncio", "compose_core.cluster", "compose_core.records"}


@pytest.mark.parametrize("command", list(REPORTS))
def test_the_schema_of_a_report_is_a_schema_and_says_what_times_look_like(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """`hpcc schema --report COMMAND`."""
    assert run(["schema", "--report", command]) == 0
    schema = json.loads(capsys.readouterr().out)
    Draft202012Validator.check_schema(schema)
    times = [
        (name, value)
        for definition in schema["$defs"].values()
        for name, value in definition.get("properties", {}).items()
        if name.endswith("_at")
    ]
    assert all("date-time" in json.dumps(value) for _, value in times)


def test_every_command_but_schema_has_a_report_schema(capsys: pytest.CaptureFixture[str]) -> None:
    """And one that has none is told so."""
    assert {*REPORTS, "schema"} == set(every_command())
    assert run(["schema", "--report", "schema"]) == 2
    assert "validate" in capsys.readouterr().err


def test_a_report_with_a_field_that_is_not_promised_does_not_pass() -> None:
    """So that the test above can fail."""
    report = {"schema_version": 1, "script": "", "script_path": None}
    judge = Draft202012Validator(report_schema("render"))
    assert judge.is_valid(report)
    assert not judge.is_valid({**report, "more": 1})


@pytest.mark.parametrize("arguments", [["jobs"], ["--help"], ["validate"], ["plan"], ["config", "--format", "json"]])
def test_a_closed_stdout_is_no_fault(arguments: list[str], right: str) -> None:
    """As under a service manager that gives no streams."""
    shell = 'exec "$0" -m compose_core "$@" >&- 2>"$ERRORS"'
    errors = Path(right).with_name("errors")
    done = subprocess.run(
        ["bash", "-c", shell, sys.executable, *arguments],
        cwd=Path(right).parent,
        env={**os.environ, "ERRORS": str(errors)},
        check=False,
    )
    assert "Traceback" not in errors.read_text()
    assert done.returncode == 0


def test_a_full_disk_behind_stdout_is_told_in_one_line(right: str) -> None:
    """The exit status tells a script that the answer is incomplete."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "compose_core", "plan", "--quiet", "-f", right],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == "error: the answer cannot be written: No space left on device\n"


@pytest.mark.parametrize("command", ["config", "inspect", "plan", "validate"])
@pytest.mark.parametrize("form", ["text", "json"])
def test_the_value_of_a_secret_variable_is_shown_nowhere(tmp_path: Path, command: str, form: str) -> None:
    """`${API_KEY}` in a command or under a harmless name is as secret as `API_KEY: …`."""
    path = tmp_path / "compose.yaml"
    path.write_text(
        "name: job-${API_KEY}\nruntime: {backend: host}\nx-slurm: {output: 'logs/${API_KEY}'}\nservices:\n"
        "  web: {command: [curl, -H, 'Authorization: Bearer ${API_KEY}'], environment: {MESSAGE: '${API_KEY}'},\n"
        "        working_dir: '/${API_KEY}', readiness: {type: log, pattern: '${API_KEY}'}}\n"
    )
    verbose = ["--verbose"] if command == "inspect" else []
    done = subprocess.run(
        [sys.executable, "-m", "compose_core", command, "-f", str(path), "--format", form, *verbose],
        env={**os.environ, "API_KEY": "hunter-2-hunter"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "hunter" not in done.stdout + done.stderr


@pytest.mark.parametrize("secret", ["hunter-2-hunter", "hunter-" * 30])
def test_an_error_about_a_value_does_not_show_a_secret(tmp_path: Path, secret: str) -> None:
    """Whole, cut off, or as a key."""
    path = tmp_path / "compose.yaml"
    path.write_text(
        "runtime: {backend: host}\nx-slurm: {nodes: '${API_KEY}', time: 'at ${API_KEY}'}\nservices:\n"
        "  web: {command: [x], depends_on: ['${API_KEY}'], readiness: {type: log, pattern: '(${API_KEY}'}}\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "compose_core", "validate", "-f", str(path)],
        env={**os.environ, "API_KEY": secret},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "x-slurm.nodes" in done.stderr
    assert "hunter" not in done.stdout + done.stderr


def test_verbose_says_how_often_the_scheduler_was_asked(
    right: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On stderr, whatever else the command says and however it ends."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert run(["jobs", "-f", right, "--engine", "local", "--format", "json", "--verbose"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["jobs"] == []
    assert err == "scheduler: not asked\n"
    assert run(["status", "-f", right, "--engine", "local", "--verbose", "--quiet"]) != 0
    assert capsys.readouterr().err.splitlines()[-1] == "scheduler: not asked"
