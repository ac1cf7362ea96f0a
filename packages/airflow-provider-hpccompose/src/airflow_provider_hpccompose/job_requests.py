"""From an operator's arguments to what is submitted: pure, so that it can be looked at without Airflow."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from airflow_provider_hpccompose.exceptions import HpcComposeSpecError

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")


def spec_text(spec: str | Mapping[str, Any]) -> str:
    """The spec as YAML; a mapping becomes JSON, one key a line, so that errors can name lines.

    Raises: HpcComposeSpecError: it is neither text nor a mapping of plain values.
    """
    if isinstance(spec, str):
        return spec
    if not isinstance(spec, Mapping):
        raise HpcComposeSpecError(f"spec is a {type(spec).__name__}; it can be a mapping or YAML text.")
    try:
        return json.dumps(spec, indent=1, allow_nan=False, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise HpcComposeSpecError(f"spec holds what no compose file can: {error}.") from error


def overrides_of(
    service_overrides: Mapping[str, Any] | None,
    hpc_resources: Mapping[str, Any] | None,
    name: str | None,
    profile: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The part of a spec that stands over what is written: that of the profile, and over it the task's own.

    Raises: HpcComposeSpecError: an argument is no mapping.
    """
    found: dict[str, Any] = {}
    if name:
        found["name"] = name
    if hpc_resources:
        found["x-slurm"] = dict(_mapping(hpc_resources, "hpc_resources", "keys of `x-slurm` to values"))
    if service_overrides:
        services = _mapping(service_overrides, "service_overrides", "service names to keys of the service")
        found["services"] = {
            str(name): dict(_mapping(keys, f"service_overrides[{name!r}]", "keys of the service to values"))
            for name, keys in services.items()
        }
    return merged(profile or {}, found)


def merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Both mappings, key by key; where both say something else than a mapping, `over` wins."""
    found = dict(under)
    for key, value in over.items():
        known = found.get(key)
        is_deeper = isinstance(value, Mapping) and isinstance(known, Mapping)
        found[key] = merged(known, value) if is_deeper and isinstance(known, Mapping) else value
    return found


def texts(values: Mapping[str, Any] | None, what: str) -> dict[str, str]:
    """Variables as text: numbers as written, booleans as `true` and `false`, None as nothing.

    Raises: HpcComposeSpecError: they are no mapping of names to plain values.
    """
    if values is None:
        return {}
    found = _mapping(values, what, "names to values")
    return {str(name): _text(value, f"{what}[{name!r}]") for name, value in found.items()}


def trial_variables(trial: Mapping[str, Any] | None) -> dict[str, str]:
    """The parameters of a sweep's trial: its `variables`, or `params`, or the mapping itself."""
    if trial is None:
        return {}
    trial = _mapping(trial, "trial", "parameters to values")
    inner = trial.get("variables", trial.get("params"))
    return texts(inner if isinstance(inner, Mapping) else trial, "trial")


def folder_name(dag_id: str) -> str:
    """The folder in the workspace where the jobs of a DAG's inline specs live."""
    return _NOT_IN_NAMES.sub("_", dag_id).strip(".") or "dag"


def absolute_file(compose_file: str, dag_folder: str | None) -> str:
    """The compose file's path; a relative one starts from the folder of the DAG's file."""
    path = Path(compose_file)
    if path.is_absolute() or not dag_folder:
        return str(path)
    return str(Path(dag_folder) / path)


def _mapping(value: Any, what: str, of: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise HpcComposeSpecError(f"{what} is a {type(value).__name__}; it can be a mapping of {of}.")
    return value


def _text(value: Any, what: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return ""
    if isinstance(value, str | int | float):
        return str(value)
    raise HpcComposeSpecError(f"{what} is a {type(value).__name__}; it can be text, a number or a boolean.")
