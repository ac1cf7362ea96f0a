"""Links, the dashboard's tab, and the addresses of results."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest

from airflow_provider_hpccompose import links
from airflow_provider_hpccompose.assets import asset_uri, create_asset, sanitize_uri
from airflow_provider_hpccompose.dashboards import Dashboard
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


JOB = {"cluster": "c1", "engine": "slurm", "job_id": "41_2", "token": "t", "name": "a b", "key": "k"}


@pytest.mark.parametrize(
    ("dashboard", "wanted"),
    [
        (
            Dashboard(job="https://hpc.example/"),
            [
                "https://hpc.example/jobs/c1/41_2",
                "https://hpc.example/jobs/c1/41_2/logs/batch",
                "https://hpc.example/jobs/c1/41_2/script",
            ],
        ),
        (Dashboard(job="https://grafana.example/d/x?job={job_id}"), ["https://grafana.example/d/x?job=41_2", "", ""]),
        (
            Dashboard(job="https://a/{name}", batch_log="https://logs/{token}", script="https://a/{job_id}.sh"),
            ["https://a/a%20b", "https://logs/t", "https://a/41_2.sh"],
        ),
        (Dashboard(batch_log="https://logs/{cluster}/{job_id}/{else}"), ["", "https://logs/c1/41_2/{else}", ""]),
        (Dashboard(), ["", "", ""]),
    ],
)
def test_links_are_what_the_connection_s_templates_say(
    pushed: dict[str, Any], dashboard: Dashboard, wanted: list[str]
) -> None:
    """Nothing is guessed of a dashboard that names its own addresses; each link has a place of its own in XCom."""
    pushed |= dashboard.addresses(JOB)
    assert [kind().get_link(None, ti_key=None) for kind in KINDS] == wanted
    assert len({kind().xcom_key for kind in KINDS}) == 3


def test_a_value_cannot_lead_a_link_elsewhere() -> None:
    """Names of jobs and clusters come from people."""
    evil = {**JOB, "name": "../../x?y#z", "cluster": "a/b"}
    assert Dashboard(job="https://a/{cluster}/{name}").addresses(evil)["dashboard_url"] == (
        "https://a/a%2Fb/..%2F..%2Fx%3Fy%23z"
    )


def test_there_is_no_link_before_there_is_a_job(pushed: dict[str, Any]) -> None:
    """Airflow shows no button for an empty one."""
    assert [kind().get_link(None, ti_key=None) for kind in KINDS] == ["", "", ""]


def test_a_link_of_another_scheme_is_none() -> None:
    """It would run in the browser of whoever clicks it."""
    assert link_of({"dashboard_url": "javascript:alert(1)"}, "dashboard_url") == ""


def test_a_tab_may_have_an_address_of_its_own() -> None:
    """With the places that Airflow fills in."""
    (tab,) = external_views("https://grafana.example/d/x?var-dag={DAG_ID}&var-run={RUN_ID}")
    assert tab["href"] == "https://grafana.example/d/x?var-dag={DAG_ID}&var-run={RUN_ID}"


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
