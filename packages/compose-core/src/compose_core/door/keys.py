"""The keys of a workspace: which folder each was submitted from, decided between any number of clients without a lock."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from compose_core.clock import Clock
from compose_core.door.requests import KEY_PATTERN
from compose_core.errors import RecordError, UsageError
from compose_core.records.atomic import names_in
from compose_core.records.door_key import DoorKey
from compose_core.records.our_path import OurPath
from compose_core.records.paths import ProjectPaths


class WorkspaceKeys:
    """The keys that jobs of this workspace were submitted under."""

    def __init__(self, workspace: Path, clock: Clock) -> None:
        self._folder = ProjectPaths(workspace).metadata_root / "door-keys"
        self._clock = clock

    def claim(
        self, key: str, project_dir: Path, labels: Mapping[str, str], *, is_taken: Callable[[Path, str], bool]
    ) -> Path:
        """The folder that the key is submitted from: this one, unless the key stands for a job of another one already.

        `is_taken` looks whether it does.

        Raises: RecordError: it cannot be written down.
        """
        entry = DoorKey(key=key, project_dir=str(project_dir), labels=dict(labels), created_at=self._clock.now())
        path = self._path(key)
        while not entry.create(path):
            earlier = DoorKey.read(path)
            if earlier is None:
                continue
            folder = Path(earlier.project_dir)
            if folder == project_dir or is_taken(folder, key):
                return folder
            entry.replace(path)  # nothing was ever submitted from there
            return project_dir
        return project_dir

    def folder_of(self, key: str) -> Path | None:
        """Where the key was submitted from; None when it never was.

        Raises: RecordError: the file cannot be read.
        """
        entry = DoorKey.read(self._path(key))
        return Path(entry.project_dir) if entry is not None else None

    def entries(self, *, prefix: str, since: float) -> Iterator[DoorKey]:
        """The keys that begin like this and were claimed after that, the oldest first; unreadable ones are left out."""
        found = []
        for name in names_in(self._folder):
            if not name.name.startswith(prefix) or not name.name.endswith(".json"):
                continue
            try:
                entry = DoorKey.read(self._folder / name.name)
            except RecordError:
                continue  # torn or foreign: whoever submits under that key is told
            if entry is not None and entry.created_at >= since:
                found.append(entry)
        yield from sorted(found, key=lambda entry: entry.created_at)

    def _path(self, key: str) -> OurPath:
        if not re.fullmatch(KEY_PATTERN, key):
            raise UsageError(f"{key[:100]!r} is no key of the door", remedy=f"It has the form {KEY_PATTERN}.")
        return self._folder / f"{key}.json"
