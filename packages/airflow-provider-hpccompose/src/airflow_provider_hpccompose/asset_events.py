"""What a task's asset events say of the results that it made: where they are, and what they held then."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import Asset, AssetAlias

from airflow_provider_hpccompose.assets import create_asset

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


def aliases_of(artifact_assets: Mapping[str, str | AssetAlias] | None) -> list[AssetAlias]:
    """The outlets of a task that tells of these bundles: names and aliases, each once."""
    found = {_alias(value).name: _alias(value) for value in (artifact_assets or {}).values()}
    return list(found.values())


def outlets_with(
    task_options: MutableMapping[str, Any], artifact_assets: Mapping[str, str | AssetAlias] | None
) -> dict[str, Any]:
    """The outlets of a task, those of its bundles added; they are taken out of its options."""
    if not artifact_assets:
        return {}
    return {"outlets": [*(task_options.pop("outlets", None) or ()), *aliases_of(artifact_assets)]}


def tell_of_artifacts(
    context: Context,
    artifact_assets: Mapping[str, str | AssetAlias] | None,
    bundles: Mapping[str, Mapping[str, Any]],
    *,
    cluster: str,
    extra: Mapping[str, Any],
) -> list[str]:
    """An event for each bundle that was exported whole and has an alias; the addresses that were told.

    Its `extra` holds the bundle's sha256, manifest, bytes and files, and what is given besides, such as the job.
    """
    told = []
    for bundle, alias in (artifact_assets or {}).items():
        made = bundles.get(bundle)
        if made is None or made.get("complete") is False:
            continue
        facts = {name: made.get(name) for name in ("sha256", "manifest", "bytes", "files")}
        told.append(tell(context, _alias(alias), cluster, str(made["uri"]), {**facts, "bundle": bundle, **extra}))
    return told


def tell(context: Context, alias: AssetAlias, cluster: str, path: str, extra: Mapping[str, Any]) -> str:
    """One event for the file or folder on the cluster, whose address is known only now; the address."""
    asset = create_asset(cluster=cluster, path=path)
    context["outlet_events"][alias].add(asset, extra=plain(extra))
    return str(asset.uri)


def tell_outlets(context: Context, outlets: Sequence[Any], cluster: str, path: str, extra: Mapping[str, Any]) -> None:
    """The same for all outlets of a task: an alias gets the address, an asset that has one already gets the facts."""
    for outlet in outlets:
        if isinstance(outlet, AssetAlias):
            tell(context, outlet, cluster, path, extra)
        elif isinstance(outlet, Asset):
            context["outlet_events"][outlet].extra = plain(extra)


def plain(extra: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is not known."""
    return {name: value for name, value in extra.items() if value is not None}


def _alias(value: str | AssetAlias) -> AssetAlias:
    return AssetAlias(value) if isinstance(value, str) else value
