"""Links, the dashboard's tab, and the addresses of results."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest

from airflow_provider_hpccompose import links
from airflow_provider_hpccompose.assets import asset_uri, create_asset, sanitize_uri
from airflow_provider_hpccompose.links import HpcBatchLogLink, HpcDashboardLink, HpcSubmittedScriptLink, link_of
from airflow_provider_hpccompose.openlineage import artifact_uris
from airflow_provider_hpccompose.plugin import external_views

pytestmark = pytest.mark.adapters

KINDS = (HpcDashboardLink, HpcBatchLogLink, HpcSubmittedScriptLink)


@pytest.fixture
def pushed(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The handle that a task pushed."""
    handle: dict[str, Any] = {}

    class Pushed:
        @staticmethod
        def get_value(*, ti_key: object, key: str) -> Any:
            assert key == "job"
            return handle or None

    monkeypatch.setattr(links, "XCom", Pushed)
    return handle


def test_every_link_leads_into_the_dashboard(pushed: dict[str, Any]) -> None:
    """Each has a place of its own in XCom, so that none hides another."""
    pushed["dashboard_url"] = "https://hpc.example/jobs/c1/41?token=t"
    assert [kind().get_link(None, ti_key=None) for kind in KINDS] == [
        "https://hpc.example/jobs/c1/41?token=t",
        "https://hpc.example/jobs/c1/41/logs/batch?token=t",
        "https://hpc.example/jobs/c1/41/script?token=t",
    ]
    assert len({kind().xcom_key for kind in KINDS}) == 3


def test_there_is_no_link_before_there_is_a_job_or_without_a_dashboard(pushed: dict[str, Any]) -> None:
    """Airflow shows no button for an empty one."""
    assert [kind().get_link(None, ti_key=None) for kind in KINDS] == ["", "", ""]
    pushed["dashboard_url"] = ""
    assert [kind().get_link(None, ti_key=None) for kind in KINDS] == ["", "", ""]


def test_a_link_of_another_scheme_is_none() -> None:
    """It would run in the browser of whoever clicks it."""
    assert link_of({"dashboard_url": "javascript:alert(1)"}) == ""


def test_the_tab_is_there_only_with_a_dashboard() -> None:
    """An empty frame helps nobody."""
    assert external_views("") == []
    assert external_views("javascript:alert(1)") == []
    (view,) = external_views("https://hpc.example/")
    assert view["href"] == "https://hpc.example/airflow?dag={DAG_ID}&run={RUN_ID}&task={TASK_ID}&map={MAP_INDEX}"
    assert view["destination"] == "task_instance"


def test_two_spellings_of_a_result_are_one_asset() -> None:
    """Else a DAG would wait for the one while the other is told of."""
    spellings = ("hpccompose://C1/proj//ckpt/", "hpccompose://c1/proj/./ckpt")
    assert {sanitize_uri(urlsplit(one)).geturl() for one in spellings} == {"hpccompose://c1/proj/ckpt"}


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("hpccompose:///proj", "names no cluster"),
        ("hpccompose://c1", "names no path"),
        ("hpccompose://me:secret@c1/proj", "no user and no password"),
        ("hpccompose://c1/proj?x=1", "query"),
        ("hpccompose://c1/proj/../../etc", "leaves its folder"),
    ],
)
def test_an_address_that_names_no_result_is_refused(uri: str, why: str) -> None:
    """When the DAG is read."""
    with pytest.raises(ValueError, match=why):
        sanitize_uri(urlsplit(uri))


def test_airflow_takes_our_addresses_through_the_sanitizer() -> None:
    """The scheme is registered with it."""
    from airflow.providers.common.compat.sdk import Asset

    assert Asset("hpccompose://C1/proj//ckpt").uri == "hpccompose://c1/proj/ckpt"
    assert create_asset(cluster="C1", path="/proj/a b").uri == "hpccompose://c1/proj/a%20b"
    with pytest.raises(ValueError, match="not absolute"):
        asset_uri("c1", "proj")


def test_artifacts_of_a_result_have_addresses_on_their_cluster() -> None:
    """For OpenLineage's outputs."""
    result = {"cluster": "c1", "artifacts": {"ckpt": {"uri": "/proj/ckpt"}, "none": {}}}
    assert artifact_uris(result) == ["hpccompose://c1/proj/ckpt"]
