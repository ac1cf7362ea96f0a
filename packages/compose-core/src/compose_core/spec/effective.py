"""A ComposeSpec as plain data: what `hpcc config` prints, and what a digest is taken of."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import MISSING, fields, is_dataclass
from typing import Any

from compose_core.spec.interpolation import KEPT_IN_EXPORT_DIR, rule_of
from compose_core.spec.models import (
    Artifacts,
    ComposeSpec,
    ExecCommand,
    ParameterRange,
    RandomMatrix,
    Service,
    ShellCommand,
    Sweep,
)
from compose_core.spec.nodes import KeyPath
from compose_core.spec.redaction import HIDDEN, hidden_in, is_secret_name, redacted

_ESCAPED = re.compile(r"\$(?!\{(?:" + "|".join(sorted(KEPT_IN_EXPORT_DIR)) + r")\})")
_YAML_KEYS = {"x_slurm": "x-slurm", "asserts": "assert"}
_SHOWN_DEFAULTS = frozenset({"condition", "type"})
"""Fields that are written out although they have their default: without them the section would say nothing."""


def plain(spec: ComposeSpec) -> dict[str, Any]:
    """Everything, secrets included, in the shape that can be loaded again; what has its default is left out."""
    data: dict[str, Any] = _escaped(_mapping(spec), ())
    return {**{key: value for key, value in data.items() if key != "services"}, "services": data["services"]}


def _escaped(value: Any, path: KeyPath) -> Any:
    """A dollar sign that is meant literally is doubled, where a loaded file would take it for a variable."""
    if isinstance(value, dict):
        return {key: _escaped(item, (*path, key)) for key, item in value.items()}
    if isinstance(value, list):
        return [_escaped(item, (*path, position)) for position, item in enumerate(value)]
    if isinstance(value, str) and "$" in value and (rule := rule_of(path)) != "shell":
        return _ESCAPED.sub("$$", value) if rule == "keep-job-variables" else value.replace("$", "$$")
    return value


def redacted_plain(spec: ComposeSpec, secrets: Iterable[str] = ()) -> dict[str, Any]:
    """The same with secret-looking values as `***`, and so these values wherever they stand."""
    data = plain(spec)
    for service in data["services"].values():
        for owner, key in ((service, "environment"), (service.get("x-runtime", {}).get("prepare", {}), "env")):
            if key in owner:
                owner[key] = {name: redacted(name, value) for name, value in owner[key].items()}
        for key in ("image", "command", "entrypoint"):
            if key in service:
                service[key] = _redacted_words(service[key])
    shown: dict[str, Any] = hidden_in(data, tuple(secrets))
    return shown


def _redacted_words(value: str | list[str]) -> str | list[str]:
    """Passwords inside URLs, and the values of options such as `--token=…`, hidden."""
    if isinstance(value, str):
        return redacted("", value)
    words = []
    for word in value:
        option, equals, rest = word.partition("=")
        hide = equals and option.startswith("-") and is_secret_name(option)
        words.append(f"{option}={HIDDEN}" if hide and rest else redacted("", word))
    return words


def _mapping(model: Any) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for item in fields(model):
        value = getattr(model, item.name)
        default = item.default_factory() if item.default_factory is not MISSING else item.default
        if value != default or item.name in _SHOWN_DEFAULTS:
            data[_YAML_KEYS.get(item.name, item.name)] = _value(value)
    return _as_written(model, data)


def _value(value: Any) -> Any:
    if isinstance(value, ShellCommand):
        return value.text
    if isinstance(value, ExecCommand):
        return list(value.argv)
    if is_dataclass(value):
        return _mapping(value)
    if isinstance(value, dict):
        return {key: _value(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_value(item) for item in value]
    return value


def _as_written(model: Any, data: dict[str, Any]) -> dict[str, Any]:
    """The few fields whose YAML differs from the model."""
    if isinstance(model, Service):
        data.pop("env_file", None)  # its contents are in environment
        if "prepare" in data:
            data["x-runtime"] = {"prepare": data.pop("prepare")}
    elif isinstance(model, Artifacts) and model.bundles:
        data["bundles"] = {name: {"paths": list(paths)} for name, paths in model.bundles.items()}
    elif isinstance(model, Sweep) and not model.parameters:
        data.pop("parameters")
    elif isinstance(model, ParameterRange):
        data["from"], data["to"] = data.pop("start"), data.pop("stop")
    elif isinstance(model, RandomMatrix):
        data["random"] = data.pop("count")
    return data
