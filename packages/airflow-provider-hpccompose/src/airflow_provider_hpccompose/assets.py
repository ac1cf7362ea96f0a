"""Assets of results on a cluster: `hpccompose://<cluster>/<absolute path>`."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any
from urllib.parse import SplitResult, quote, unquote

SCHEME = "hpccompose"


def sanitize_uri(uri: SplitResult) -> SplitResult:
    """The one spelling of a result's address, so that two spellings are not two assets.

    Raises: ValueError: it names no cluster or no absolute path, or holds what an address of a result has not.
    """
    problem = _problem(uri)
    if problem:
        raise ValueError(
            f"{uri.geturl()!r} is no asset of a cluster ({SCHEME}://<cluster>/<absolute path>): {problem}."
        )
    parts = [part for part in unquote(uri.path).split("/") if part not in ("", ".")]
    return uri._replace(netloc=uri.netloc.lower(), path="/" + "/".join(quote(part) for part in parts))


def create_asset(*, cluster: str, path: str, extra: dict[str, Any] | None = None) -> Any:
    """The asset of a file or folder on a cluster.

    Raises: ValueError: the path is not absolute.
    """
    from airflow.providers.common.compat.sdk import Asset

    return Asset(asset_uri(cluster, path), extra=extra or {})


def asset_uri(cluster: str, path: str) -> str:
    """The address of a file or folder on a cluster.

    Raises: ValueError: the path is not absolute.
    """
    if not PurePosixPath(path).is_absolute():
        raise ValueError(f"{path!r} is not absolute, so no other program could find it.")
    return f"{SCHEME}://{quote(cluster.lower() or 'default', safe='')}{quote(path)}"


def to_openlineage(asset: Any, lineage_context: Any) -> Any:  # noqa: ARG001  (Airflow's converters get both)
    """The asset as OpenLineage knows it: the cluster is the namespace, the path the name."""
    from urllib.parse import urlsplit

    from airflow.providers.common.compat.openlineage.facet import Dataset

    uri = urlsplit(asset.uri)
    return Dataset(namespace=f"{SCHEME}://{uri.netloc}", name=unquote(uri.path))


def _problem(uri: SplitResult) -> str:
    """What is wrong with an address; empty: nothing."""
    if not uri.netloc:
        return "it names no cluster"
    if "@" in uri.netloc:
        return "addresses hold no user and no password"
    if uri.path in ("", "/"):
        return "it names no path"
    if uri.query or uri.fragment:
        return "it has a query or a fragment"
    return "it leaves its folder" if ".." in unquote(uri.path).split("/") else ""
