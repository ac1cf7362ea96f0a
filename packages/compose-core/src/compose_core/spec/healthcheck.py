"""Docker's `healthcheck` as a readiness: TCP probes by nc, HTTP probes by curl and `wget --spider`."""

from __future__ import annotations

import re
import shlex

from compose_core.spec.findings import Findings
from compose_core.spec.nodes import (
    BrokenNode,
    KeyPath,
    ListNode,
    MapNode,
    Node,
    ScalarNode,
    found,
    is_null,
    scalar_type,
)
from compose_core.units import parse_duration_s

SUPPORTED = "nc -z HOST PORT, curl [-f] URL, wget --spider URL"
_REMEDY = f"Use one of {SUPPORTED}, or write `readiness:`."
_NC_WITH_VALUE = frozenset({"-w"})
_CURL_WITH_VALUE = frozenset(
    {"-o", "--output", "-m", "--max-time", "--connect-timeout", "--retry", "--retry-delay", "-H", "--header", "-A"}
)
_WGET_WITH_VALUE = frozenset({"-T", "--timeout", "-t", "--tries", "-O", "--output-document"})
_NC_SHORT = re.compile(r"-[znvw46]+[0-9]*")
_CURL_FLAGS = re.compile(
    r"-[fsSILkgN]+|--(?:fail|silent|show-error|head|location|insecure|fail-with-body|noproxy|compressed)(?:=.*)?"
)
_WGET_FLAGS = re.compile(r"-(?:q|nv|S)+|--(?:spider|quiet|no-verbose|no-check-certificate|server-response)")
_OR_EXIT = frozenset({"exit 1", "false"})


class UnsupportedProbe(Exception):
    """The probe is none of the supported forms; the text says why."""


def readiness_of(node: Node, path: KeyPath, findings: Findings) -> Node | None:
    """The readiness node that a healthcheck stands for; None when it is disabled or wrong (then that is recorded)."""
    if isinstance(node, BrokenNode):
        return None
    if not isinstance(node, MapNode):
        findings.error("type", f"a mapping with `test` is expected; {found(node)} was found", node.mark, path, _REMEDY)
        return None
    if _is_disabled(node, path, findings):
        return None
    probe = _probe(node, path, findings)
    timeout = _timeout(node, path, findings)
    if probe is None or isinstance(timeout, BrokenNode):
        return BrokenNode(node.mark)
    return MapNode({**probe, **({"timeout_seconds": timeout} if timeout else {})}, node.mark)


def _is_disabled(node: MapNode, path: KeyPath, findings: Findings) -> bool:
    disable = node.items.get("disable")
    if isinstance(disable, ScalarNode) and scalar_type(disable) == "bool":
        return disable.text.lower() == "true"
    if disable is not None and not isinstance(disable, BrokenNode) and not is_null(disable):
        message = f"true or false is expected; {found(disable)} was found"
        findings.error("type", message, disable.mark, (*path, "disable"), "Write true or false, without quotes.")
    test = node.items.get("test")
    return isinstance(test, ListNode) and [getattr(item, "text", None) for item in test.items] == ["NONE"]


def _probe(node: MapNode, path: KeyPath, findings: Findings) -> dict[str, Node] | None:
    test = node.items.get("test")
    if isinstance(test, BrokenNode):
        return None
    if test is None or is_null(test):
        findings.error(
            "healthcheck",
            "`test` is missing, and the check is not disabled",
            node.mark,
            path,
            f"Add `test:`. {_REMEDY}",
        )
        return None
    try:
        fields = probe_fields(test)
    except UnsupportedProbe as error:
        message = f"{error}; supported forms are {SUPPORTED}"
        findings.error("healthcheck", message, test.mark, (*path, "test"), _REMEDY)
        return None
    return {key: ScalarNode(text, test.mark, plain=text.isdecimal()) for key, text in fields.items()}


def probe_fields(test: Node) -> dict[str, str]:
    """The fields of the readiness that a `test:` stands for.

    Raises: UnsupportedProbe: it is none of the supported forms.
    """
    return _fields(probe_words(test))


def probe_words(test: Node) -> list[str]:
    """The probe's program and arguments."""
    if isinstance(test, ScalarNode):
        return _split(test.text)
    if not isinstance(test, ListNode) or not all(isinstance(item, ScalarNode) for item in test.items):
        raise UnsupportedProbe("the test is neither a string nor a list of strings")
    words = [item.text for item in test.items if isinstance(item, ScalarNode)]
    if words[:1] == ["CMD"]:
        return words[1:]
    if words[:1] == ["CMD-SHELL"] and len(words) == 2:
        return _split(words[1])
    raise UnsupportedProbe("the list has to start with CMD, or with CMD-SHELL and one string")


def _split(text: str) -> list[str]:
    command, bars, rest = text.rpartition("||")
    if bars and " ".join(rest.rstrip("; \n").split()) in _OR_EXIT:
        text = command
    if re.search(r"[;&|<>`\n]|\$\(", re.sub(r"'[^']*'|\"[^\"]*\"", "", text)):
        raise UnsupportedProbe("the test is more than one simple command")
    try:
        return shlex.split(text)
    except ValueError:
        raise UnsupportedProbe("the quotes of the test are not closed") from None


def _fields(words: list[str]) -> dict[str, str]:
    program = words[0].rsplit("/", 1)[-1] if words else ""
    match program:
        case "nc" | "ncat":
            return _nc(words[1:])
        case "curl":
            return _http(_operands(words[1:], _CURL_FLAGS, _CURL_WITH_VALUE, "curl"), "curl")
        case "wget":
            if "--spider" not in words:
                raise UnsupportedProbe("wget is a probe only with --spider")
            return _http(_operands(words[1:], _WGET_FLAGS, _WGET_WITH_VALUE, "wget"), "wget")
    raise UnsupportedProbe(f"{program[:40] or 'an empty test'} cannot be turned into a readiness")


def _nc(words: list[str]) -> dict[str, str]:
    operands = _operands(words, _NC_SHORT, _NC_WITH_VALUE, "nc")
    if len(operands) != 2 or not operands[1].isdecimal():
        raise UnsupportedProbe("nc needs a host and a port number")
    return {"type": "tcp", "host": operands[0], "port": operands[1]}


def _http(operands: list[str], program: str) -> dict[str, str]:
    if len(operands) != 1 or not operands[0].startswith(("http://", "https://")):
        raise UnsupportedProbe(f"{program} needs one http:// or https:// URL")
    return {"type": "http", "url": operands[0], "status_code": "200"}


def _operands(words: list[str], flags: re.Pattern[str], with_value: frozenset[str], program: str) -> list[str]:
    """What is left when harmless options are taken away."""
    operands: list[str] = []
    rest = iter(words)
    for word in rest:
        if word in with_value:
            next(rest, None)
        elif word.startswith("-") and len(word) > 1:
            if not flags.fullmatch(word) and word.split("=", 1)[0] not in with_value:
                raise UnsupportedProbe(f"the option {word[:40]} of {program} cannot be kept")
        else:
            operands.append(word)
    return operands


def _timeout(node: MapNode, path: KeyPath, findings: Findings) -> Node | None:
    timeout = node.items.get("timeout")
    if timeout is None or isinstance(timeout, BrokenNode) or is_null(timeout):
        return None
    text = timeout.text if isinstance(timeout, ScalarNode) else ""
    try:
        seconds = parse_duration_s(text)
    except ValueError:
        message = f"an integer or a duration such as 30s or 1m30s is expected; {found(timeout)} was found"
        return findings.error("duration", message, timeout.mark, (*path, "timeout"), "Write 30s.")
    if not 1 <= seconds <= 10**9:
        return findings.error(
            "out-of-range",
            f"the timeout must be at least 1 second; {text[:30]} was found",
            timeout.mark,
            (*path, "timeout"),
            "Write 30s.",
        )
    return ScalarNode(str(seconds), timeout.mark, plain=True)
