"""A compose file that passed every check, with the way back from each value to its place in the text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from compose_core.errors import Location, Problem
from compose_core.spec.models import ComposeSpec

Origin = Literal["sweep", "sweep-example", "environment", ".env", "default"]


@dataclass(frozen=True, kw_only=True)
class LoadedSpec:
    """The spec, where it came from, and what it took from outside the file."""

    spec: ComposeSpec
    source: Path
    """Absolute path of the compose file."""
    project_dir: Path
    """What relative paths refer to: the compose file's folder, unless the caller named another one."""
    sources: tuple[Path, ...]
    """Every file that was read: the compose file, those it extends, `.env`, and every `env_file`."""
    warnings: tuple[Problem, ...] = ()
    variables_used: Mapping[str, Origin] = field(default_factory=dict)
    """Where each interpolated variable came from; `sweep-example`: the first value of a sweep parameter stood in."""
    secret_values: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)
    """Values of secret-looking variables that were filled in: nowhere shown."""
    is_trial: bool = False
    """It was filled in for one trial of its `sweep`."""
    locate: Callable[[str], Location] = field(repr=False, compare=False)
    """The place of a key path such as `services.web.image`, or of the nearest key above it that is written."""

    @cached_property
    def sha256(self) -> str:
        """Digest of what the file means: the same for two files that differ in comments, order of services or spelling."""
        import hashlib
        import json

        from compose_core.spec.effective import plain

        text = json.dumps(plain(self.spec), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def reloadable(self) -> dict[str, Any]:
        """The spec as plain data that `load_spec(text=json.dumps(…))` reads as the same spec; with the values of secrets.

        Relative paths stay relative to `project_dir`.
        """
        from compose_core.spec.effective import plain

        return plain(self.spec)

    def effective(self) -> dict[str, Any]:
        """The spec as plain data in canonical YAML shape, without what is not written, secret values as `***`."""
        from compose_core.spec.effective import redacted_plain

        return redacted_plain(self.spec, self.secret_values.values())
