"""What Airflow is told of the provider is true and complete."""

from __future__ import annotations

import importlib
import json
import pkgutil
from pathlib import Path
from typing import Any

import airflow
import jsonschema
import pytest
from airflow.sdk import Connection

import airflow_provider_hpccompose
from airflow_provider_hpccompose.connection_form import HIDDEN, conn_fields
from airflow_provider_hpccompose.exceptions import HpcComposeConnectionError
from airflow_provider_hpccompose.get_provider_info import get_provider_info
from airflow_provider_hpccompose.settings import ConnectionSettings

pytestmark = pytest.mark.adapters

INFO = get_provider_info()


def test_the_description_is_what_airflows_schema_asks_for() -> None:
    schema = json.loads((Path(airflow.__file__).parent / "provider_info.schema.json").read_text())
    jsonschema.validate(INFO, schema)
    assert set(INFO) <= set(schema["properties"]) | {"versions", "cli"}  # Airflow 3.1 knows no commands of providers


def dotted(value: Any) -> list[str]:
    """Every text in it that names something of ours."""
    if isinstance(value, str):
        return [value] if value.startswith("airflow_provider_hpccompose.") else []
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [name for item in inner for name in dotted(item)]


@pytest.mark.parametrize("name", dotted(INFO))
def test_what_it_names_is_there(name: str) -> None:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        module, _, attribute = name.rpartition(".")
        assert hasattr(importlib.import_module(module), attribute)


@pytest.mark.parametrize("kind", ["operators", "sensors", "hooks", "triggers"])
def test_every_public_module_of_a_kind_is_named(kind: str) -> None:
    """`airflow providers get` is where people look for what there is."""
    package = importlib.import_module(f"airflow_provider_hpccompose.{kind}")
    public = {
        module.name
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}.")
        if any(
            getattr(value, "__module__", "") == module.name
            and not name.startswith("_")
            and name.startswith("HpcCompose")
            for name, value in vars(importlib.import_module(module.name)).items()
        )
    }
    assert public == {name for entry in INFO[kind] for name in entry["python-modules"]}


def test_each_field_of_the_form_is_read() -> None:
    """A field that nobody reads would be a promise."""
    names = set(conn_fields())
    source = Path(importlib.import_module("airflow_provider_hpccompose.settings").__file__ or "").read_text()
    assert [name for name in names if f'"{name}"' not in source] == []
    assert "password" in HIDDEN


def connection(**fields: Any) -> Connection:
    extra = fields.pop("extra", {})
    text = extra if isinstance(extra, str) else json.dumps(extra)
    return Connection(conn_id="c", conn_type="hpccompose", extra=text, **fields)


def test_an_empty_connection_is_this_machine() -> None:
    settings = ConnectionSettings.of(connection())
    assert (settings.transport, settings.engine, settings.poll_seconds) == ("local", "auto", 30.0)


def test_a_host_alone_means_ssh() -> None:
    assert ConnectionSettings.of(connection(host="login")).transport == "ssh"


def test_partition_account_and_defaults_become_one_part_of_a_spec() -> None:
    extra = {"default_partition": "gpu", "default_account": "lab", "defaults": '{"x-slurm": {"time": "01:00:00"}}'}
    wanted = {"x-slurm": {"partition": "gpu", "account": "lab", "time": "01:00:00"}}
    assert ConnectionSettings.of(connection(extra=extra)).defaults == wanted


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ({"transport": "telnet"}, "transport is 'telnet'; it can be local, ssh"),
        ({"engine": "pbs"}, "engine is 'pbs'"),
        ({"poll_seconds": "soon"}, "poll_seconds is 'soon'"),
        ({"poll_seconds": 0}, "it can be 1 to 86400"),
        ({"defaults": "{"}, "defaults is no JSON"),
        ({"defaults": "[1]"}, "defaults is no JSON object"),
        ({"defaults": {"x-slurm": "gpu"}}, "defaults"),
    ],
)
def test_what_is_wrong_in_a_connection_is_told_by_field(extra: dict[str, Any], words: str) -> None:
    with pytest.raises(HpcComposeConnectionError, match=words):
        ConnectionSettings.of(connection(extra=extra))


def test_the_package_itself_imports_nothing() -> None:
    """Airflow imports it while it reads its own configuration."""
    assert vars(airflow_provider_hpccompose).keys() & {"airflow", "compose_core"} == set()
