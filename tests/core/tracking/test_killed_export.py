"""An export that is killed at any step is made good by the next one."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from tests.core.tracking.test_artifacts import collected, export, tree
from tests.core.tracking.world import World

_CHANGES = {"os.mkdir", "os.rename", "os.link", "os.remove", "os.rmdir", "os.symlink"}
_MOST_POINTS = 150


def killed_export(world: World, point: int) -> bool:
    """True when the child that exports was killed at this change on disk."""
    child = os.fork()
    if child == 0:
        seen = 0

        def hook(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal seen
            opens = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_CREAT | os.O_WRONLY)
            if event in _CHANGES or opens:
                seen += 1
                if seen == point:
                    os.kill(os.getpid(), signal.SIGKILL)

        status = 1
        try:
            sys.addaudithook(hook)
            export(world, tarball=True)
            status = 0
        finally:
            os._exit(status)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in {0, -signal.SIGKILL}
    return status != 0


def test_a_killed_export_is_made_good_by_the_next(tmp_path: Path) -> None:
    """The user's own files are untouched in between."""
    for point in range(1, _MOST_POINTS):
        folder = tmp_path / str(point)
        folder.mkdir()
        world = World(folder)
        out = world.project.project_dir / "results" / "7"
        collected(world, {"a": b"old", "gone/x": b"X"})
        export(world)
        (out / "mine").write_bytes(b"mine")
        collected(world, {"a": b"new", "d/b": b"B"}, bundles={"default": ["a"], "logs": ["d/b"]})
        was_killed = killed_export(world, point)
        assert (out / "mine").read_bytes() == b"mine"
        export(world)
        files = tree(out)
        files = {name: data for name, data in files.items() if not name.endswith(".tar.gz")}
        assert files == {"a": b"new", "mine": b"mine", "bundles/logs/d/b": b"B"}, point
        if not was_killed:
            assert point > 30
            return
    raise AssertionError("the export has more steps than expected")
