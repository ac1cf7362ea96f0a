"""Somebody who may write beside us: links, pipes, other names of a file, foreign owners at each of our paths."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.clients import Bed
from tests.faults.profile import chosen
from tests.faults.table import Figure, Tell, measured

_KINDS = (
    "link to a file",
    "link to a folder",
    "dangling link",
    "pipe",
    "another name",
    "foreign owner",
    "folder",
    "huge",
)
_COMMANDS = (
    ("status",), ("ps",), ("debug",), ("logs", "--all"), ("jobs",), ("artifacts", "--tarball"), ("cancel",),
    ("submit", "--run-key", "k"), ("clean", "--keep", "0"), ("down",),
)  # fmt: skip
_FOREIGN = 54321
_OWN = 54322
_SECRET = "what nobody else may read or change"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act for several users")


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Bed]:
    """A project whose user may read neither the victim nor anything of other users."""
    bed = Bed(tmp_path)
    yield bed
    bed.end_jobs()


def our_paths(bed: Bed) -> list[Path]:
    """Every file and folder that we made, relative to the world."""
    world = bed.folder / "world"
    metadata = bed.project / ".hpc-compose"
    more = [bed.project / "out", bed.project / "out/_hpc-compose", *bed.project.glob("slurm-*.out")]
    state = [path for path in (bed.state_home / "hpc-compose").rglob("*") if "local" not in path.parts[-2:]]
    found = [metadata, *metadata.rglob("*"), *more, *state]
    return [path.relative_to(world) for path in sorted(set(found)) if path.exists()]


def plant(place: Path, kind: str, victim: Path) -> bool:
    """Put something hostile there; False where that makes no sense."""
    was_folder = place.is_dir()
    if kind == "foreign owner":
        os.chown(place, _FOREIGN, _FOREIGN, follow_symlinks=False)
        return True
    if kind == "huge":
        if was_folder:
            return False
        os.truncate(place, 80 * 1024 * 1024)
        return True
    if kind == ("folder" if was_folder else ""):
        return False
    shutil.rmtree(place) if was_folder else place.unlink()
    if kind.startswith("link"):
        place.symlink_to(victim if kind == "link to a file" else victim.parent)
    elif kind == "dangling link":
        place.symlink_to(victim.parent / "made-by-a-link")
    elif kind == "pipe":
        os.mkfifo(place)
    elif kind == "another name":
        os.link(victim, place)
    else:
        place.mkdir()
        os.chown(place, _OWN, _OWN)
    return True


def test_hostile_things_at_each_of_our_paths(bed: Bed, tell: Tell) -> None:
    """Every command answers within seconds, changes nothing outside, shows nothing of it."""
    bed.with_jobs(1)
    bed.hpcc("artifacts", code=0)
    victims = bed.folder / "victims"
    victims.mkdir()
    (victims / "secret").write_text(_SECRET)
    bed.keep()
    places = [(path, kind) for path in our_paths(bed) for kind in _KINDS if not is_the_users_own(path, kind)]
    assert len(places) > 200
    name = "hostile files at each of our paths: followed + hung + shown"
    with measured(tell, name) as figure:
        for number, (path, kind) in enumerate(chosen(places, short=16)):
            bed.put_back()
            if plant(bed.folder / "world" / path, kind, victims / "secret"):
                commands = [_COMMANDS[number % len(_COMMANDS)], _COMMANDS[(number // 7 + 3) % len(_COMMANDS)]]
                for words in commands:
                    try_one(bed, figure, words, f"{kind} at {path}: hpcc {' '.join(words)}", victims)


def is_the_users_own(path: Path, kind: str) -> bool:
    """A second name of a file among the artifacts is a file that the user may read; the export folder is the user's, also as a link."""
    return ("payload" in path.parts and kind == "another name") or (path.name == "out" and kind.startswith("link"))


def try_one(bed: Bed, figure: Figure, words: tuple[str, ...], what: str, victims: Path) -> None:
    """One command beside something hostile."""
    before = {path.name: (path.stat().st_mode, path.read_text()) for path in victims.iterdir()}
    with figure.trial(what):
        ended = bed.hpcc(*words, before=lambda: give_up_after(20))
        assert ended.code in {0, 1, 2, 3, 4}, ended
        assert _SECRET not in ended.stdout + ended.stderr
        assert {path.name: (path.stat().st_mode, path.read_text()) for path in victims.iterdir()} == before
        exported = [path for path in bed.project.glob("out/**/*") if path.is_file() and not path.is_symlink()]
        assert not [
            path for path in exported if _SECRET in path.read_text(errors="replace") and path.stat().st_nlink == 1
        ]


def give_up_after(seconds: int) -> None:
    """SIGALRM ends a child that hangs."""
    import signal

    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(seconds)


def test_an_ordinary_user_beside_another_one(bed: Bed, tell: Tell, tmp_path: Path) -> None:
    """Without any rights of root: what belongs to somebody else is neither believed nor changed."""
    bed.with_jobs(1)
    bed.keep()
    for folder in (tmp_path, *tmp_path.parents):
        if "pytest" in folder.name or folder == tmp_path:
            folder.chmod(0o755)
    if not can_run_as_user(bed):
        pytest.skip("an ordinary user cannot reach this Python")
    places = [path for path in our_paths(bed) if path.name not in ("project", "world")]
    name = "files of another user, seen without rights of root: believed + hung"
    with measured(tell, name) as figure:
        for number, path in enumerate(chosen(places, short=4)):
            bed.put_back()
            give_world(bed, _OWN)
            place = bed.folder / "world" / path
            os.chown(place, _FOREIGN, _FOREIGN, follow_symlinks=False)
            place.chmod(0o777 if place.is_dir() else 0o666)
            words = _COMMANDS[number % len(_COMMANDS)]
            with figure.trial(f"{path}: hpcc {' '.join(words)}"):
                done = as_user(bed, words)
                assert done.returncode in {0, 1, 2, 3, 4}, done
                assert "Traceback" not in done.stderr, done.stderr[-2000:]
                assert place.lstat().st_uid == _FOREIGN if os.path.lexists(place) else words[0] in ("clean", "down")


def give_world(bed: Bed, uid: int) -> None:
    """The whole world belongs to that user."""
    for path in [bed.folder / "world", *(bed.folder / "world").rglob("*")]:
        os.chown(path, uid, uid, follow_symlinks=False)


def as_user(bed: Bed, words: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    """`hpcc …` of an ordinary user."""
    return subprocess.run(
        ["setpriv", f"--reuid={_OWN}", f"--regid={_OWN}", "--clear-groups", sys.executable, "-m", "compose_core",
         *words, "--engine", "local"],
        cwd=bed.project,
        env={"PATH": "/usr/bin:/bin", "HOME": str(bed.folder), "XDG_STATE_HOME": str(bed.state_home)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )  # fmt: skip


def can_run_as_user(bed: Bed) -> bool:
    """Another user can reach the interpreter and its packages."""
    if shutil.which("setpriv") is None:
        return False
    give_world(bed, _OWN)
    return as_user(bed, ("jobs",)).returncode == 0
