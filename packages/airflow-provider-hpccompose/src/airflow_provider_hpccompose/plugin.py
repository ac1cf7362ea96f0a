"""The tab with the dashboard on the page of a task instance, where a dashboard is configured."""

from __future__ import annotations

from typing import Any, ClassVar
from urllib.parse import urlsplit

from airflow.providers.common.compat.sdk import AirflowPlugin, conf

SECTION = "hpccompose"
_QUERY = "dag={DAG_ID}&run={RUN_ID}&task={TASK_ID}&map={MAP_INDEX}"


def external_views(dashboard_url: str) -> list[dict[str, Any]]:
    """The tab of this dashboard; none without an http address.

    An address with places of Airflow's (`{DAG_ID}`, `{RUN_ID}`, `{TASK_ID}`, `{MAP_INDEX}`) is the tab's own; a plain one gets
    `/airflow` and all of them as its query.
    """
    if urlsplit(dashboard_url).scheme not in ("http", "https"):
        return []
    return [
        {
            "name": "HPC job",
            "href": dashboard_url if "{" in dashboard_url else f"{dashboard_url.rstrip('/')}/airflow?{_QUERY}",
            "destination": "task_instance",
            "url_route": "hpc-job",
        }
    ]


class HpcComposePlugin(AirflowPlugin):
    """What the provider adds to Airflow's pages."""

    name = "hpccompose"
    external_views: ClassVar[list[dict[str, Any]]] = external_views(
        conf.get(SECTION, "dashboard_url", fallback="") or ""
    )
