"""Connections as variables of the environment: every field by its name, as a URI and as JSON, and what is told of wrong ones."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest

from airflow_provider_hpccompose.connection_form import conn_fields
from airflow_provider_hpccompose.dashboards import Dashboard
from airflow_provider_hpccompose.exceptions import HpcComposeConnectionError
from airflow_provider_hpccompose.hooks.hpccompose import HpcComposeHook
from airflow_provider_hpccompose.settings import ConnectionSettings

pytestmark = pytest.mark.adapters

VARIABLE = "AIRFLOW_CONN_CLUSTER"
GPU = {"gpu": {"x-slurm": {"partition": "gpu", "gres": "gpu:1"}}}
FIELDS = {
    "transport": "ssh",
    "engine": "slurm",
    "workspace": "/shared/my work",
    "cluster": "east",
    "default_partition": "long",
    "default_account": "lab",
    "defaults": '{"x-slurm": {"time": "01:00:00"}}',
    "profiles": json.dumps(GPU),
    "dashboard_url": "https://grafana.example/d/slurm?var-job={job_id}&x=1",
    "batch_log_url": "https://logs.example/{key}#end",
    "script_url": "https://scripts.example/{token}",
    "poll_seconds": "7",
    "ssh_conn_id": "login_node",
    "key_file": "/keys/id",
    "known_hosts_file": "/keys/known_hosts",
    "command": "/opt/hpcc --x",
    "command_timeout": "33",
}
SETTINGS = ConnectionSettings(
    conn_id="cluster",
    transport="ssh",
    engine="slurm",
    workspace="/shared/my work",
    cluster="east",
    defaults={"x-slurm": {"partition": "long", "account": "lab", "time": "01:00:00"}},
    profiles=GPU,
    dashboard=Dashboard(
        job="https://grafana.example/d/slurm?var-job={job_id}&x=1",
        batch_log="https://logs.example/{key}#end",
        script="https://scripts.example/{token}",
    ),
    poll_seconds=7.0,
    ssh_conn_id="login_node",
    host="login.example",
    port=2222,
    login="me",
    key_file="/keys/id",
    known_hosts_file="/keys/known_hosts",
    command="/opt/hpcc --x",
    command_timeout_s=33.0,
)
PLACE = {"conn_type": "hpccompose", "host": "login.example", "login": "me", "port": 2222}
OBJECTS = FIELDS | {"defaults": json.loads(FIELDS["defaults"]), "profiles": GPU, "poll_seconds": 7}


def settings(monkeypatch: pytest.MonkeyPatch, text: str) -> ConnectionSettings:
    monkeypatch.setenv(VARIABLE, text)
    return HpcComposeHook("cluster").settings


def refusal(monkeypatch: pytest.MonkeyPatch, text: str) -> str:
    with pytest.raises(HpcComposeConnectionError) as caught:
        settings(monkeypatch, text)
    return str(caught.value)


def test_every_field_is_tried_here() -> None:
    assert set(FIELDS) == set(conn_fields())


@pytest.mark.parametrize(
    "text",
    [
        f"hpccompose://me@login.example:2222/?{urlencode(FIELDS)}",
        f"hpccompose://me@login.example:2222/?__extra__={quote(json.dumps(OBJECTS))}",
        json.dumps({**PLACE, "extra": FIELDS}),
        json.dumps({**PLACE, "extra": json.dumps(FIELDS)}),
        json.dumps({**PLACE, "extra": OBJECTS}),
    ],
    ids=["uri", "uri-with-json", "json", "json-in-json", "json-with-objects"],
)
def test_a_variable_says_every_field_by_its_name(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    assert settings(monkeypatch, text) == SETTINGS


@pytest.mark.parametrize("text", ["hpccompose://", '{"conn_type": "hpccompose"}'])
def test_an_empty_one_is_this_machine(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    assert settings(monkeypatch, text) == ConnectionSettings(conn_id="cluster")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"conn_type": "hpccompose", "extra": "no json"}', "the extra field is no JSON object"),
        ('{"conn_type": "hpccompose", "extra": ["engine"]}', "the extra field is JSON, but no object"),
        ("ssh://me@login.example", "its type is 'ssh'; name it as `ssh_conn_id`"),
        ("postgres://me@db.example", "its type is 'postgres'; it has to be 'hpccompose'"),
        ("hpccompose://?engine=pbs", "engine is 'pbs'"),
        ("hpccompose://login.example:here", "Airflow cannot read the variable AIRFLOW_CONN_CLUSTER"),
        ('{"conn_type": "hpccompose",', "Airflow cannot read the variable AIRFLOW_CONN_CLUSTER"),
    ],
)
def test_a_wrong_one_is_refused_with_the_place_to_mend_it(
    monkeypatch: pytest.MonkeyPatch, text: str, words: str
) -> None:
    """Airflow itself goes on with an empty connection, or with none: jobs would go to another place than meant."""
    if "extra field" in words and version("apache-airflow").startswith("3.1."):
        words = (
            "Airflow cannot read the variable"  # it finds no connection there, where 3.3 finds one with an empty field
        )
    told = refusal(monkeypatch, text)
    assert words in told
    assert f"variable {VARIABLE}" in told


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("hpccompose://?workspase=/shared", "nobody reads 'workspase' in the extra field; is 'workspace' meant?"),
        ("hpccompose://?owner=the+lab", "nobody reads 'owner' in the extra field"),
        ("hpccompose://login.example?transport=local", "host is not used, as transport is local"),
        ("hpccompose://?transport=local&ssh_conn_id=x", "ssh_conn_id is not used, as transport is local"),
    ],
)
def test_what_nobody_reads_is_told_by_the_test_button(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, note: str
) -> None:
    monkeypatch.setenv(VARIABLE, text)
    hook = HpcComposeHook("cluster")
    hook._settings = replace(hook.settings, engine="local", workspace=str(tmp_path))
    is_good, told = hook.test_connection()
    assert is_good, told
    assert f"note: {note}" in told


def test_an_ssh_connection_that_is_missing_is_missed_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "hpccompose://?ssh_conn_id=my_login")
    is_good, told = HpcComposeHook("cluster").test_connection()
    assert not is_good
    assert "There is no connection 'my_login': add one of type 'ssh'" in told


def test_a_machine_without_slurm_is_told_with_what_helps(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(VARIABLE, f"hpccompose://?engine=slurm&{urlencode({'workspace': str(tmp_path)})}")
    monkeypatch.setenv("PATH", str(tmp_path))
    is_good, told = HpcComposeHook("cluster").test_connection()
    assert not is_good
    assert "sbatch was not found on PATH" in told
    assert "choose the local engine" in told
