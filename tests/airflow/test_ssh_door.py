"""Jobs of a login node: everything over a real OpenSSH connection to an sshd on loopback."""

from __future__ import annotations

import json
import shlex
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import Connection

from airflow_provider_hpccompose.core_errors import told_to_airflow
from airflow_provider_hpccompose.doors import JobHandle, JobReport, SubmitRequest
from airflow_provider_hpccompose.exceptions import (
    HpcComposeConnectionError,
    HpcComposeNotReached,
    HpcComposeSiteError,
    HpcComposeSpecError,
)
from airflow_provider_hpccompose.hooks.hpccompose import door_of
from airflow_provider_hpccompose.settings import ConnectionSettings
from airflow_provider_hpccompose.ssh_door import SshDoor
from compose_core import HpccError
from tests.airflow.sshd_bench import LoginNode, login_node, missing_programs

pytestmark = [
    pytest.mark.adapters,
    pytest.mark.skipif(bool(missing_programs()), reason=f"not installed: {', '.join(missing_programs())}"),
]

HOST = "127.0.0.1"
SPEC = "runtime: {backend: host}\nservices:\n  app:\n    command: echo hello from $GREETING\n    env_file: app.env\n"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoginNode]:
    folder = tmp_path_factory.mktemp("login")
    with login_node(folder, {"XDG_STATE_HOME": str(folder / "state")}) as node:
        yield node


def extra(node: LoginNode, **more: object) -> str:
    """The extra field of a connection to it."""
    return json.dumps(
        {
            "transport": "ssh",
            "engine": "local",
            "key_file": str(node.key),
            "known_hosts_file": str(node.known_hosts),
            "command": shlex.join([sys.executable, "-m", "compose_core"]),
            "workspace": str(folder_of(node) / "workspace"),
            **more,
        }
    )


def folder_of(node: LoginNode) -> Path:
    return node.key.parent


def settings(node: LoginNode, *, port: int | None = None, **more: object) -> ConnectionSettings:
    connection = Connection(
        conn_id="cluster",
        conn_type="hpccompose",
        host=HOST,
        login=node.user,
        port=port or node.port,
        extra=extra(node, **more),
    )
    return ConnectionSettings.of(connection)


def door(node: LoginNode, **more: Any) -> SshDoor:
    made = door_of(settings(node, **more))
    assert isinstance(made, SshDoor)
    return made


def ended(way: SshDoor, handle: JobHandle) -> JobReport:
    until = time.monotonic() + 60
    while not (report := way.observe([handle])[0]).is_over:
        assert time.monotonic() < until, report
        time.sleep(0.5)
    return report


def project(folder: Path) -> Path:
    folder.mkdir()
    (folder / "app.env").write_text("GREETING=the file\n")
    (folder / "train.yaml").write_text(SPEC)
    return folder / "train.yaml"


def test_a_job_goes_there_with_its_files_and_its_results_come_back(node: LoginNode, tmp_path: Path) -> None:
    """The compose file, its env_file and a mounted folder travel; the artifacts come back over the same connection."""
    way, file = door(node), project(tmp_path / "dags")
    file.write_text(
        "runtime: {backend: host}\n"
        "x-slurm: {artifacts: {export_dir: out, paths: [/hpc-compose/job/said.txt]}}\n"
        "services:\n"
        "  app:\n"
        "    command: echo hello from $GREETING | tee $HPC_COMPOSE_JOB_DIR/said.txt\n"
        "    env_file: app.env\n"
    )
    handle = way.submit(SubmitRequest(key="af-ssh-1", compose_file=str(file), labels={"dag_id": "my dag"}))
    assert handle.project_dir.startswith(str(folder_of(node) / "workspace" / "my_dag" / "inputs-"))
    assert ended(way, handle).verdict == "ok"
    assert {"service": "app", "text": "hello from the file"} in way.logs(handle, {}, 10_000, is_last=True).lines
    exported = way.export_artifacts(handle)
    here = way.fetch_artifacts(exported, str(tmp_path / "results"), most_bytes=10_000).bundles["default"]["fetched"]
    assert (here["uri"], here["files"]) == (str(tmp_path / "results" / "default"), 1)
    assert Path(here["uri"], "said.txt").read_text() == "hello from the file\n"


def test_a_key_submits_once_and_finds_its_job(node: LoginNode, tmp_path: Path) -> None:
    """Each call is a process of its own on the login node; the files may have changed in between."""
    way, file = door(node), project(tmp_path / "dags")
    first = way.submit(SubmitRequest(key="af-ssh-2", compose_file=str(file)))
    (file.parent / "app.env").write_text("GREETING=another file\n")
    again = way.submit(SubmitRequest(key="af-ssh-2", compose_file=str(file)))
    assert (again.token, again.attached) == (first.token, True)
    assert way.find(["af-ssh-2", "af-ssh-none"]).keys() == {"af-ssh-2"}
    assert [entry.key for entry in way.keys("af-ssh-2")] == ["af-ssh-2"]
    ended(way, first)


def test_one_connection_serves_all_calls(node: LoginNode) -> None:
    """Login nodes limit how many connections begin at once."""
    way = door(node)
    way.check()
    before = node.log.read_text().count("Accepted publickey")
    for _ in range(3):
        way.check()
    assert node.log.read_text().count("Accepted publickey") == before


def test_cancel_ends_the_job_there(node: LoginNode, tmp_path: Path) -> None:
    way = door(node)
    spec = "runtime: {backend: host}\nservices:\n  app:\n    command: sleep 600\n"
    handle = way.submit(SubmitRequest(key="af-ssh-3", spec=spec, project_dir="d"))
    assert way.cancel(handle, wait_s=30).verdict == "cancelled"


def test_an_invalid_file_is_told_by_its_place_here(node: LoginNode, tmp_path: Path) -> None:
    """The login node finds the problem, in a copy that nobody knows."""
    file = project(tmp_path / "dags")
    file.write_text(SPEC.replace("command", "comand"))
    with pytest.raises(HpcComposeSpecError, match=rf"{file}:4:5 services\.app\.comand"), told_to_airflow():
        door(node).submit(SubmitRequest(key="af-ssh-4", compose_file=str(file)))


def test_the_check_says_what_is_there(node: LoginNode) -> None:
    is_good, text = door(node).check()
    assert is_good
    assert "the local engine" in text
    assert str(folder_of(node) / "workspace") in text


@pytest.mark.parametrize(
    ("changes", "expected", "words"),
    [
        ({"key_file": "other_key"}, HpcComposeConnectionError, "Permission denied"),
        ({"known_hosts_file": "nothing"}, HpcComposeConnectionError, "Host key verification failed"),
        ({"known_hosts_file": "wrong_hosts"}, HpcComposeConnectionError, "HOST IDENTIFICATION HAS CHANGED"),
        ({"command": "no-such-hpcc"}, HpcComposeSiteError, "Install compose-core there"),
        ({"command": "echo"}, HpcComposeSiteError, "gave no answer"),
    ],
)
def test_a_login_node_that_cannot_be_used_says_why(
    node: LoginNode, changes: dict[str, str], expected: type[Exception], words: str
) -> None:
    """Nothing is submitted, nothing is asked, and no host key is taken on trust."""
    other = (folder_of(node) / "other_key.pub").read_text().split()[1]
    (folder_of(node) / "wrong_hosts").write_text(f"[127.0.0.1]:{node.port} ssh-ed25519 {other}\n")
    named = {name: value if name == "command" else str(folder_of(node) / value) for name, value in changes.items()}
    way = door(node, **named)
    with pytest.raises(expected, match=words), told_to_airflow():
        way.find(["af-ssh-1"])


def test_a_host_that_does_not_answer_is_unreachable_at_once(node: LoginNode) -> None:
    """A retry may find it; no job was touched, and no try is spent on waiting: the address may be wrong."""
    began = time.monotonic()
    with pytest.raises(HpcComposeNotReached, match="was not reached"), told_to_airflow():
        door(node, port=1).find(["af-ssh-1"])
    assert time.monotonic() - began < 15


def test_an_airflow_connection_of_type_ssh_gives_host_and_keys(node: LoginNode) -> None:
    """Key and host key may be text in it."""
    host_key = " ".join((folder_of(node) / "host_key.pub").read_text().split()[:2])
    said = {"private_key": node.key.read_text(), "host_key": host_key, "no_host_key_check": "true"}
    ssh = Connection(
        conn_id="my_ssh", conn_type="ssh", host=HOST, login=node.user, port=node.port, extra=json.dumps(said)
    )
    ours = extra(node, ssh_conn_id="my_ssh", key_file="", known_hosts_file="")
    of_ours = Connection(conn_id="cluster", conn_type="hpccompose", extra=ours)
    before = set(Path(tempfile.gettempdir()).glob("hpccompose-*"))
    way = door_of(ConnectionSettings.of(of_ours), ssh)
    is_good, text = way.check()
    assert is_good, text
    assert isinstance(way, SshDoor)
    spec = "runtime: {backend: host}\nservices:\n  app:\n    command: echo hi\n"
    handle = way.submit(SubmitRequest(key="af-ssh-7", spec=spec, project_dir="e"))
    assert ended(way, handle).verdict == "ok"
    assert set(Path(tempfile.gettempdir()).glob("hpccompose-*")) <= before, "a private key stayed on the disk"


def test_what_a_value_holds_is_never_syntax_there(node: LoginNode, tmp_path: Path) -> None:
    """Variables, names and folders go as JSON on stdin; the command line of the far side is always the same."""
    way, mark = door(node), tmp_path / "pwned"
    spec = "runtime: {backend: host}\nservices:\n  app:\n    command: [printf, '%s', '${VALUE}']\n"
    nasty = f"'; touch {mark}; $(touch {mark}) `touch {mark}` \"\n"
    handle = way.submit(SubmitRequest(key="af-ssh-5", spec=spec, project_dir="d", variables={"VALUE": nasty}))
    assert ended(way, handle).verdict == "ok"
    assert "touch" in "".join(line["text"] for line in way.logs(handle, {}, 10_000, is_last=True).lines)
    assert not mark.exists()


@pytest.mark.parametrize("host", ["-oProxyCommand=touch /tmp/x", "a b", "a;b", ""])
def test_a_host_that_is_none_is_refused(node: LoginNode, host: str) -> None:
    connection = Connection(conn_id="cluster", conn_type="hpccompose", host=host, extra=extra(node))
    with pytest.raises(HpcComposeConnectionError):
        door_of(ConnectionSettings.of(connection))


def test_a_lost_connection_leaves_no_doubt_about_what_is_known(node: LoginNode, tmp_path: Path) -> None:
    """A submission whose answer never came is unresolved, and the same key finds its job later."""
    way = door(node)
    way._remote._command = ("sh", "-c", "cat >/dev/null; kill -9 $PPID; sleep 5", "door")
    with pytest.raises(HpccError, match="not known whether a job was submitted"):
        way.submit(SubmitRequest(key="af-ssh-6", spec=SPEC, project_dir="d"))
