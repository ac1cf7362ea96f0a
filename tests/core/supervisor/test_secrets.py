"""Secrets reach the services that name them, byte for byte, and nothing else."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from compose_core.supervisor.secrets import SECRET_LIMIT, Secrets, SecretUnavailable, secret_of_file
from tests.core.supervisor.world import Job, World, service

VALUE = "s3cr3t $(id) 'q' \"d\" `x` ünï\nsecond line\\"
SHOW = 'printf %s "${KEY-unset}" > "$HPC_COMPOSE_JOB_DIR/$HPC_COMPOSE_SERVICE_NAME"'


def secret_file(folder: Path, value: bytes = VALUE.encode() + b"\n", mode: int = 0o600) -> str:
    path = folder / "key"
    path.write_bytes(value)
    path.chmod(mode)
    return str(path)


def given(job: Job, name: str) -> bytes:
    return (job.folder / name).read_bytes()


def everything_written(job: Job) -> bytes:
    """All that the job wrote about itself, the services' own files apart."""
    names = [job.folder / name for name in ("state.json", "events.jsonl", "end.json")]
    return b"".join(path.read_bytes() for path in names if path.exists()) + job.batch_log.encode()


def test_a_file_reaches_the_services_that_name_it_and_no_other(world: World) -> None:
    """Without the newline that an editor leaves at its end."""
    code, job = world.run(
        service("with", SHOW, secrets=["KEY"]),
        service("without", SHOW),
        secrets={"KEY": {"file": secret_file(world.folder)}},
    )
    assert code == 0
    assert given(job, "with") == VALUE.encode()
    assert given(job, "without") == b"unset"
    assert b"s3cr3t" not in everything_written(job)


def test_a_variable_is_taken_out_of_every_other_environment(world: World) -> None:
    """Its own name and the secret's; a service that names nothing sees neither."""
    show = 'env | grep -c s3cr3t > "$HPC_COMPOSE_JOB_DIR/$HPC_COMPOSE_SERVICE_NAME" || true'
    code, job = world.run(
        service("with", SHOW, secrets=["KEY"]),
        service("without", show),
        secrets={"KEY": {"env": "SOURCE"}},
        environment={"SOURCE": VALUE, "KEY": "s3cr3t of the login"},
    )
    assert code == 0
    assert given(job, "with") == VALUE.encode()
    assert given(job, "without") == b"0\n"


def test_tools_of_slurm_do_not_get_it() -> None:
    """They inherit the supervisor's own environment."""
    environment = {"SOURCE": VALUE, "OTHER": "x"}
    os.environ["SOURCE"] = VALUE
    try:
        Secrets({"secrets": {"KEY": {"env": "SOURCE"}}}, environment)
        assert "SOURCE" not in os.environ
    finally:
        os.environ.pop("SOURCE", None)
    assert environment == {"OTHER": "x"}


def test_a_changed_file_is_read_anew_by_a_restart(world: World) -> None:
    path = secret_file(world.folder, b"first\n")
    body = f'printf "%s," "$KEY" >> "$HPC_COMPOSE_JOB_DIR/seen"; [ "$KEY" = second ] || {{ echo second > {path}; exit 1; }}'
    code, job = world.run(
        service("app", body, secrets=["KEY"], policy="restart_on_failure"), secrets={"KEY": {"file": path}}
    )
    assert code == 0
    assert given(job, "seen") == b"first,second,"


def fails(world: World, source: dict[str, Any], **options: Any) -> str:
    """The message of a job that ends before its first service because of the secret."""
    code, job = world.run(
        service("other", SHOW), service("app", SHOW, secrets=["KEY"]), secrets={"KEY": source}, **options
    )
    assert code == 1
    assert (job.end["cause"], job.state["cause"]) == ("secret_unavailable", "secret_unavailable")
    assert {entry["status"] for entry in job.state["services"]} == {"skipped"}
    assert job.events("started") == []
    assert b"s3cr3t" not in everything_written(job)
    assert str(job.end["message"]) in job.batch_log
    return str(job.end["message"])


def test_a_missing_variable_ends_the_job_before_its_first_service(world: World) -> None:
    assert fails(world, {"env": "NOT_THERE"}) == "secret KEY: the variable NOT_THERE is not set in the job"


def test_a_missing_file_ends_the_job_before_its_first_service(world: World) -> None:
    path = str(world.folder / "none")
    assert fails(world, {"file": path}) == f"secret KEY: the file {path} cannot be read: No such file or directory"


def test_a_file_that_others_may_read_is_refused(world: World) -> None:
    message = fails(world, {"file": secret_file(world.folder, mode=0o644)})
    assert "has mode 0644, so others than you may read or change it: chmod 600 it" in message


def test_a_file_that_is_gone_at_a_restart_is_a_failed_start_of_that_service(world: World) -> None:
    path = secret_file(world.folder)
    code, job = world.run(
        service("app", f"rm {path}; exit 1", secrets=["KEY"], policy="restart_on_failure", max_restarts=1),
        secrets={"KEY": {"file": path}},
    )
    assert code == 127
    assert job.end["cause"] == "restarts_exhausted"
    assert "cannot be read" in job.end["message"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"a\0b", "holds a NUL byte"),
        (b"x" * (SECRET_LIMIT + 1), f"holds more than {SECRET_LIMIT} bytes"),
    ],
)
def test_a_value_that_no_variable_can_hold_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    secrets = Secrets({"secrets": {"KEY": {"file": secret_file(tmp_path, data)}}}, {})
    with pytest.raises(SecretUnavailable, match=message):
        secrets.check([["KEY"]])


@pytest.mark.parametrize("data", [b"x" * SECRET_LIMIT + b"\n", b"\xff\xfe", b"a\r\n", b"a\n\n", b" a "])
def test_any_other_bytes_are_kept(tmp_path: Path, data: bytes) -> None:
    """One newline at the end is taken away, nothing else."""
    expected = data[:-1] if data.endswith(b"\n") else data
    assert os.fsencode(secret_of_file("KEY", secret_file(tmp_path, data))) == expected


def test_links_pipes_and_folders_are_refused(tmp_path: Path) -> None:
    """A pipe is not waited for."""
    target = secret_file(tmp_path)
    (tmp_path / "link").symlink_to(target)
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name, message in (("link", "is a symbolic link"), ("pipe", "is no regular file"), ("", "is no regular file")):
        with pytest.raises(SecretUnavailable, match=message):
            secret_of_file("KEY", str(tmp_path / name))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_file_of_somebody_else_is_refused(tmp_path: Path) -> None:
    path = secret_file(tmp_path)
    os.chown(path, 4711, 4711)
    with pytest.raises(SecretUnavailable, match="belongs to user id 4711"):
        secret_of_file("KEY", path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files of root")
def test_a_group_may_read_what_root_prepares(tmp_path: Path) -> None:
    assert secret_of_file("KEY", secret_file(tmp_path, b"x", 0o640)) == "x"
    with pytest.raises(SecretUnavailable, match="0660"):
        secret_of_file("KEY", secret_file(tmp_path, b"x", 0o660))


def test_apptainer_gets_it_in_its_own_way(tmp_path: Path) -> None:
    """As a variable that wins over the image's and that no shell evaluates."""
    description = {"backend": "apptainer", "secrets": {"KEY": {"file": secret_file(tmp_path, b"$(id)")}}}
    found = Secrets(description, {}).given_to(["KEY"], {})
    assert found == {"KEY": "$(id)", "APPTAINERENV_KEY": "$(id)", "APPTAINER_NO_EVAL": "1"}


@pytest.mark.parametrize("value", ["two\nlines", "'quoted'", '"quoted" ', "\"mixed'"])
def test_what_enroot_would_change_is_refused_there(tmp_path: Path, value: str) -> None:
    source = {"secrets": {"KEY": {"file": secret_file(tmp_path, value.encode())}}}
    with pytest.raises(SecretUnavailable, match="which enroot does not keep"):
        Secrets({"backend": "enroot", **source}, {}).check([["KEY"]])
    Secrets({"backend": "pyxis", **source}, {}).check([["KEY"]])


def test_a_cancel_still_ends_a_job_with_secrets(world: World) -> None:
    job = world.start(
        service("app", "echo up; exec sleep 60", secrets=["KEY"]),
        secrets={"KEY": {"file": secret_file(world.folder)}},
    )
    job.until(lambda: job.log("app"), "not started")
    job.signal(signal.SIGTERM)
    assert job.wait() == 143


def test_a_hook_without_its_secret_is_left_out(world: World) -> None:
    """The service's policy goes on deciding."""
    path = secret_file(world.folder)
    code, job = world.run(
        service("app", f"rm {path}; exit 3", secrets=["KEY"], hooks=[{"on": "exit", "script": "touch ran"}]),
        secrets={"KEY": {"file": path}},
    )
    assert (code, job.end["cause"]) == (3, "service_failed")
    assert "its exit hook is not run: secret KEY" in job.batch_log
