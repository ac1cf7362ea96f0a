"""What a section still needs once its values are read: defaults that depend on other keys, and checks within the section.

Each function completes the values in place and tells whether they can be used.
"""

from __future__ import annotations

import posixpath
import re
import warnings
from typing import Any

from compose_core.spec.findings import Findings
from compose_core.spec.nodes import KeyPath, MapNode, node_at, shortened

Values = dict[str, Any]

JOB_MOUNT = "/hpc-compose/job"
_RESTART_ONLY = ("max_restarts", "backoff_seconds", "window_seconds", "max_restarts_in_window")
_MAX_PATTERN = 1000


def finish_failure_policy(values: Values, node: MapNode, path: KeyPath, findings: Findings) -> bool:
    """`max_restarts_in_window` follows `max_restarts`; both belong to restart_on_failure alone."""
    mode = values.get("mode", "fail_job")
    if mode != "restart_on_failure":
        for key in _RESTART_ONLY:
            if key in node.items:
                message = f"`{key}` belongs to mode: restart_on_failure; the mode is {mode}"
                findings.error(
                    "failure-policy",
                    message,
                    node.key_mark(key),
                    (*path, key),
                    "Add `mode: restart_on_failure`, or remove the key.",
                )
        return True
    if "max_restarts" in values:
        values.setdefault("max_restarts_in_window", values["max_restarts"])
    return True


def finish_volume(values: Values, node: MapNode, path: KeyPath, findings: Findings) -> bool:
    """Both ends can be passed on: no separator inside, an absolute target that is not ours."""
    sound = True
    for key in ("source", "target"):
        if bad := re.search("[:,]", values[key]):
            message = f"{shortened(values[key])} contains {bad[0]!r}, which separates the parts of a mount and cannot be escaped"
            findings.error(
                "volume-syntax",
                message,
                node.items[key].mark,
                (*path, key),
                "Rename the folder, or link to it from another name.",
            )
            sound = False
    target = posixpath.normpath(values["target"])
    if not values["target"].startswith("/"):
        message = f"the container path must be absolute; {shortened(values['target'])} was found"
        findings.error(
            "volume-target",
            message,
            node.items["target"].mark,
            (*path, "target"),
            f"Write /{values['target'].removeprefix('./')}.",
        )
        return False
    if (
        target.lstrip("/") == ""
        or "/" + target.lstrip("/") == JOB_MOUNT
        or ("/" + target.lstrip("/")).startswith(JOB_MOUNT + "/")
    ):
        message = f"{values['target']} is reserved: " + (
            f"the job folder is mounted at {JOB_MOUNT}" if target != "/" else "it is the container's root"
        )
        findings.error(
            "reserved-path", message, node.items["target"].mark, (*path, "target"), "Choose another container path."
        )
        return False
    values["target"] = "/" + target.lstrip("/")
    return sound


def finish_log_readiness(values: Values, node: MapNode, path: KeyPath, findings: Findings) -> bool:
    """The pattern is a regular expression."""
    return _check_pattern(values["pattern"], 0, node, (*path, "pattern"), findings)


def finish_metrics(values: Values, node: MapNode, path: KeyPath, findings: Findings) -> bool:
    """An empty list of collectors turns nothing on."""
    if values.get("collectors") == () and values.get("enabled", True):
        findings.warning(
            "no-collectors",
            "metrics are on, but no collector is listed",
            node.mark,
            path,
            "Add collectors: [gpu, slurm].",
        )
    return True


def finish_artifacts(values: Values, node: MapNode, path: KeyPath, findings: Findings) -> bool:
    """At least one path is collected, and every path lies below the job folder."""
    named = values.get("bundles", {})
    if not values.get("paths") and not named and not {"paths", "bundles"} & set(node.items):
        findings.error(
            "artifacts-without-paths",
            "neither `paths` nor `bundles` is given",
            node.mark,
            path,
            "Add `paths:` below /hpc-compose/job.",
        )
        return False
    lists = [((*path, "paths"), values.get("paths", ()))]
    lists += [((*path, "bundles", name, "paths"), paths) for name, paths in named.items()]
    sound = [
        _check_artifact(pattern, node, (*where, position), findings)
        for where, paths in lists
        for position, pattern in enumerate(paths)
    ]
    return all(sound)


def _check_artifact(pattern: str, node: MapNode, path: KeyPath, findings: Findings) -> bool:
    problem = artifact_path_problem(pattern)
    if problem:
        relative = path[-4:] if len(path) > 3 and path[-4] == "bundles" else path[-2:]
        mark = node_at(node, relative).mark
        findings.error(
            "artifact-path",
            problem,
            mark,
            path,
            "Name files below /hpc-compose/job, such as /hpc-compose/job/out/*.csv.",
        )
    return not problem


def artifact_path_problem(pattern: str) -> str:
    """Why the job cannot collect this; empty when it can."""
    if not pattern.startswith("/"):
        return f"the path must be absolute, below {JOB_MOUNT}; {shortened(pattern)} was found"
    if ".." in pattern.split("/"):
        return f"the path must not contain `..`; {shortened(pattern)} was found"
    normal = "/" + posixpath.normpath(pattern).lstrip("/")
    if not normal.startswith(JOB_MOUNT + "/"):
        return f"the path must lie below {JOB_MOUNT}; {shortened(pattern)} was found"
    if normal == JOB_MOUNT + "/artifacts" or normal.startswith(JOB_MOUNT + "/artifacts/"):
        return f"{JOB_MOUNT}/artifacts is where collected files go; it cannot be collected itself"
    return ""


def finish_secret(values: Values, node: MapNode, path: KeyPath, findings: Findings) -> bool:
    """Exactly one source."""
    return _exactly_one(("file", "env"), values, node, path, findings, "secret-source")


_OBJECTIVE_DETAILS = {
    "group": ("log_pattern",),
    "service": ("log_pattern",),
    "json_field": ("json_path",),
    "take": ("log_pattern", "metric"),
}
"""Keys of an objective that say more about one of its sources."""


def finish_objective(values: Values, node: MapNode, path: KeyPath, findings: Findings) -> bool:
    """Exactly one source, and a pattern that has the group."""
    if not _exactly_one(("log_pattern", "json_path", "metric"), values, node, path, findings, "objective-source"):
        return False
    if "json_path" in values and "json_field" not in values:
        findings.error(
            "required",
            "`json_field` is missing",
            node.mark,
            path,
            "Name the field of the JSON file that holds the figure.",
        )
        return False
    for key, owners in _OBJECTIVE_DETAILS.items():
        if key in values and not any(owner in values for owner in owners):
            belongs_to = " or ".join(f"`{owner}`" for owner in owners)
            findings.error(
                "objective-source", f"`{key}` belongs to {belongs_to}", node.key_mark(key), (*path, key), "Remove it."
            )
            return False
    if "log_pattern" in values:
        return _check_pattern(values["log_pattern"], values.get("group", 1), node, (*path, "log_pattern"), findings)
    return True


def finish_range(values: Values, node: MapNode, path: KeyPath, findings: Findings) -> bool:
    """The range goes up, and has a logarithm where one is asked for."""
    if values["start"] >= values["stop"]:
        findings.error("range", "`to` must be greater than `from`", node.mark, path, "Exchange them.")
        return False
    if values.get("log") and values["start"] <= 0:
        findings.error(
            "range",
            "`from` must be greater than 0 when `log` is true",
            node.items["from"].mark,
            (*path, "from"),
            "Correct the number.",
        )
        return False
    return True


def finish_sweep(values: Values, node: MapNode, path: KeyPath, findings: Findings) -> bool:
    """Parameters or trials are there, and `random` leaves no combination to invent."""
    if not values.get("parameters") and not values.get("trials"):
        if "trials" not in node.items and not getattr(node.items.get("parameters"), "items", ()):
            findings.error(
                "sweep-without-parameters",
                "at least one parameter is expected",
                node.mark,
                path,
                "Add `parameters:` with a list of values.",
            )
        return False
    if "parameters" in values and "trials" in values:
        findings.error(
            "sweep-trials",
            "`trials` stands instead of `parameters`; both are given",
            node.key_mark("trials"),
            (*path, "trials"),
            "Keep one of them.",
        )
        return False
    values.setdefault("parameters", {})
    return True


def _exactly_one(
    keys: tuple[str, ...], values: Values, node: MapNode, path: KeyPath, findings: Findings, code: str
) -> bool:
    given = [key for key in keys if key in values]
    if len(given) == 1:
        return True
    if not given and any(key in node.items for key in keys):
        return False
    state = "none is given" if not given else "both are given" if len(given) == 2 else "all are given"
    names = ", ".join(f"`{key}`" for key in keys[:-1])
    findings.error(
        code,
        f"exactly one of {names} and `{keys[-1]}` is expected; {state}",
        node.mark,
        path,
        "Keep one of them." if given else "Add one.",
    )
    return False


def _check_pattern(pattern: str, group: int, node: MapNode, path: KeyPath, findings: Findings) -> bool:
    mark = node.items[str(path[-1])].mark
    try:
        if len(pattern) > _MAX_PATTERN:
            raise ValueError(f"it is longer than {_MAX_PATTERN} characters")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            groups = re.compile(pattern).groups
    except (re.error, ValueError, RecursionError, OverflowError) as error:
        message = f"{shortened(pattern)} is not a regular expression: {error}"
        findings.error(
            "regular-expression", message, mark, path, "Write \\ before a character that is meant literally."
        )
        return False
    if groups < group:
        message = f"the pattern has {groups} groups; group {group} is asked for"
        findings.error(
            "regular-expression", message, mark, path, "Put the figure into parentheses, as in loss=([0-9.]+)."
        )
        return False
    return True
