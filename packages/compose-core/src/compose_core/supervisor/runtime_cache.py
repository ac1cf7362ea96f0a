"""The folders that Enroot works in, of this job alone: made before the first service, removed after the last."""

import os
import stat

from compose_core.supervisor.files import JobFolder, Json, open_folder, write_new
from compose_core.supervisor.talk import Refused, complain

RUNTIME_FOLDERS = ("cache", "data", "tmp")
DEEPEST = 200
"""No image has folders nested deeper than that."""
ENROOT_SCRIPT = "enroot.rc"
ENROOT_SCRIPT_TEXT = b'exec "$@"\n'


def write_enroot_script(folder: JobFolder) -> None:
    """The script that a container runs in place of its image's own, which would hand every command to the image's entrypoint."""
    write_new(ENROOT_SCRIPT, ENROOT_SCRIPT_TEXT, folder.folder(""))


class RuntimeCache:
    """`<cache_dir>/runtime/<job-id>/{cache,data,tmp}`; nothing at all for a job whose services do not run in Enroot."""

    def __init__(self, rules: Json, job_id: str) -> None:
        self._policy = rules.get("runtime_cache", "never")
        self._root = rules.get("cache_dir")
        self._job_id = job_id

    def make(self) -> None:
        """The folders are there afterwards.

        Raises: Refused: a link or somebody else's folder stands in the way.  OSError: they cannot be made.
        """
        if not self._root:
            return
        os.makedirs(self._root, 0o700, exist_ok=True)
        here = self._open(create=True)
        try:
            for name in RUNTIME_FOLDERS:
                os.close(open_folder(name, here, shown=os.path.join(self._root, "runtime", self._job_id, name)))
        finally:
            os.close(here)

    def remove(self, is_success: bool) -> None:
        """The folders are gone afterwards, if the policy says so; what cannot be removed is complained of."""
        if not self._root or self._policy == "never" or (self._policy == "on_success" and not is_success):
            return
        try:
            above = self._open(create=False, above=True)
            try:
                remove_tree(self._job_id, above)
            finally:
                os.close(above)
        except FileNotFoundError:
            pass
        except (OSError, Refused) as error:
            complain("the image cache of this job in {}/runtime cannot be removed: {}".format(self._root, error))

    def _open(self, create: bool, above: bool = False) -> int:
        """The job's folder, or the one above it; the cache itself is the user's, links below it are not followed."""
        root = os.open(self._root or "/", os.O_RDONLY | os.O_DIRECTORY)
        try:
            runtime = open_folder("runtime", root, create, os.path.join(self._root or "/", "runtime"))
        finally:
            os.close(root)
        if above:
            return runtime
        try:
            return open_folder(self._job_id, runtime, create, os.path.join(self._root or "/", "runtime", self._job_id))
        finally:
            os.close(runtime)


def remove_tree(name: str, above: int, depth: int = 0) -> None:
    """The folder `name` in `above` is gone with all in it; links in it are removed, never followed.

    Images bring folders without write permission along.  Raises: OSError, Refused: something of it stays.
    """
    if depth > DEEPEST:
        raise Refused("{} lies too deep".format(name))
    here = open_folder(name, above, create=False)
    try:
        os.fchmod(here, 0o700)
        for entry in os.listdir(here):
            if stat.S_ISDIR(os.stat(entry, dir_fd=here, follow_symlinks=False).st_mode):
                _make_enterable(entry, here)
                remove_tree(entry, here, depth + 1)
            else:
                os.unlink(entry, dir_fd=here)
    finally:
        os.close(here)
    os.rmdir(name, dir_fd=above)


def _make_enterable(name: str, folder: int) -> None:
    """A folder that its owner may not open is given back to him; the descriptor sees to it that no link is followed."""
    descriptor = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
    try:
        os.chmod("/proc/self/fd/{}".format(descriptor), 0o700)
    finally:
        os.close(descriptor)
