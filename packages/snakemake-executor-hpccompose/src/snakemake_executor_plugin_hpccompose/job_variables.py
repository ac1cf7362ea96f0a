"""What services beside a rule may know of its job: variables, for `${…}` in their compose file and in their environment.

| variable | holds |
|---|---|
| HPCC_RULE, HPCC_THREADS, HPCC_WORKDIR | the rule, its threads, the folder of the workflow |
| HPCC_WILDCARD_<name>, HPCC_PARAM_<name>, HPCC_RESOURCE_<name> | one value each; a list has a blank between its items |
| HPCC_INPUT, HPCC_OUTPUT, HPCC_LOG | the paths, with a blank between them |
| HPCC_INPUT_<n>, HPCC_OUTPUT_<n>, HPCC_LOG_<n> | the one path, from 0 |
| HPCC_ATTEMPT, HPCC_KEY | which attempt it is, and what tells the job from all others |

The first row is the same for all jobs of a rule, and every service gets it. A service gets of the others what its definition names:
jobs whose services name none of them are alike, and become one array.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from snakemake_executor_plugin_hpccompose.rule_facts import RuleFacts

NAME = re.compile(r"HPCC_[A-Za-z0-9_]+")
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def shared_variables(facts: RuleFacts, workdir: Path) -> dict[str, str]:
    """Those that every job of the rule has alike."""
    return {"HPCC_RULE": facts.name, "HPCC_THREADS": str(facts.threads), "HPCC_WORKDIR": str(workdir)}


def own_variables(facts: RuleFacts) -> dict[str, str]:
    """Those of this job alone."""
    found = {"HPCC_ATTEMPT": str(facts.attempt), "HPCC_KEY": facts.key}
    for prefix, values in (("WILDCARD", facts.wildcards), ("PARAM", facts.params), ("RESOURCE", facts.resources)):
        found |= _named(f"HPCC_{prefix}_", values or {})
    for name, paths in (("INPUT", facts.input), ("OUTPUT", facts.output), ("LOG", facts.log)):
        found[f"HPCC_{name}"] = " ".join(paths)
        found |= {f"HPCC_{name}_{position}": path for position, path in enumerate(paths)}
    return found


def _named(prefix: str, values: Mapping[str, Any]) -> dict[str, str]:
    return {f"{prefix}{name}": _text(value) for name, value in values.items() if _IDENTIFIER.fullmatch(str(name))}


def _text(value: Any) -> str:
    """As Snakemake writes it into a command; what has no such form as JSON."""
    if isinstance(value, (list, tuple)) and all(isinstance(item, (str, int, float)) for item in value):
        return " ".join(str(item) for item in value)
    return json.dumps(value) if isinstance(value, (dict, list, tuple, bool)) or value is None else str(value)
