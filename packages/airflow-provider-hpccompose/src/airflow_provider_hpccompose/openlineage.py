"""What a compose job read and wrote, for OpenLineage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from airflow_provider_hpccompose.assets import asset_uri, to_openlineage


def lineage_of(result: Mapping[str, Any], *, compose_file: str | None = None) -> Any:
    """The `OperatorLineage` of a task with this result, or, as it failed, this handle: exported artifacts as outputs, the job as a facet.

    None where the OpenLineage provider is not installed.
    """
    try:
        from airflow.providers.common.compat.openlineage.facet import Dataset
        from airflow.providers.openlineage.extractors import OperatorLineage
    except ImportError:
        return None
    cluster = str(result.get("cluster") or "default")
    inputs = []
    if compose_file:
        inputs.append(Dataset(namespace=_namespace(cluster), name=compose_file))
    outputs = [to_openlineage(_Uri(uri), None) for uri in artifact_uris(result)]
    return OperatorLineage(inputs=inputs, outputs=outputs, run_facets=_facets(result))


def artifact_uris(result: Mapping[str, Any]) -> list[str]:
    """The addresses of what a task exported."""
    cluster = str(result.get("cluster") or "default")
    bundles = (result.get("artifacts") or {}).values()
    return [_with_scheme(str(bundle["uri"]), cluster) for bundle in bundles if bundle.get("uri")]


class _Uri:
    def __init__(self, uri: str) -> None:
        self.uri = uri


def _with_scheme(uri: str, cluster: str) -> str:
    return uri if urlsplit(uri).scheme else asset_uri(cluster, uri)


def _namespace(cluster: str) -> str:
    return f"hpccompose://{cluster.lower()}"


def _facets(result: Mapping[str, Any]) -> dict[str, Any]:
    """The job, as OpenLineage's own facet for jobs of another system; nothing when there was none."""
    if not result.get("job_id"):
        return {}
    from airflow.providers.common.compat.openlineage.facet import ExternalQueryRunFacet

    return {
        "externalQuery": ExternalQueryRunFacet(
            externalQueryId=str(result["job_id"]), source=_namespace(str(result.get("cluster") or "default"))
        )
    }
