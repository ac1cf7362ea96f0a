"""What teardown keeps: declared files, the smallest first, until the time is over."""

import os
import re
import stat
from typing import Callable, Dict, Iterable, List, Set, Tuple

from compose_core.supervisor.files import JobFolder, Json, open_folder, write_all
from compose_core.supervisor.talk import Refused

TIME_WAS_OVER = "the time for collecting was over"
COPY_CHUNK = 1024 * 1024
GLOB_MEMBERS = re.compile(r"([!^]?)(\]?[^\]]+|\])\]")


def glob_pattern(glob: str) -> "re.Pattern[str]":
    """What a glob relative to the job folder matches: `*` and `?` stay within a name, `**` crosses folders."""
    parts, position = [], 0
    glob = re.sub(r"^(?:\./+)+", "", glob).strip("/")
    while position < len(glob):
        character = glob[position]
        position += 1
        members = GLOB_MEMBERS.match(glob, position) if character == "[" else None
        if character == "*":
            if glob[position : position + 1] == "*":
                position += 1
                if glob[position : position + 1] == "/":
                    position += 1
                    parts.append("(?:.*/)?")
                else:
                    parts.append(".*")
            else:
                parts.append("[^/]*")
        elif character == "?":
            parts.append("[^/]")
        elif members is not None:
            parts.append(one_of(members.group(2), is_negated=bool(members.group(1))))
            position = members.end()
        else:
            parts.append(re.escape(character))
    return re.compile("(?s)" + "".join(parts) + r"\Z")


def one_of(members: str, is_negated: bool) -> str:
    """The regular expression for `[members]` of a glob; as in a shell, a range such as `z-a` matches nothing."""
    text = "(?!/)[{}{}]".format("^" if is_negated else "", re.sub(r"([\\\[\]^&~|])", r"\\\1", members))
    try:
        re.compile(text)
    except re.error:
        return "(?!)"
    return text


class ArtifactCollector:
    """Copies what the spec declares from the job folder to `artifacts/payload`, small files first.

    `may_go_on` is asked between files and between pieces of large ones; once it says no, the rest counts as missing.
    """

    def __init__(self, folder: JobFolder, bundles: Dict[str, List[str]], may_go_on: Callable[[], bool]) -> None:
        self._root = folder.folder("")
        self._root_path = os.path.realpath(folder.path)
        self._folder = folder
        self._bundles = bundles
        self._may_go_on = may_go_on
        self._entries: Dict[str, os.stat_result] = {}
        self._copied: Set[str] = set()
        self._missing: Dict[str, str] = {}

    def paths(self) -> List[str]:
        """Everything in the job folder but what was collected, as far as there is time to look."""
        self._walk("", self._root)
        return list(self._entries)

    def collect(self) -> Json:
        """The fields of the manifest that tell what was matched, copied and missed."""
        self._walk("", self._root)
        chosen, matches, warnings = self._match()
        payload = self._fresh_payload()
        try:
            for path in sorted(chosen, key=lambda path: (self._entries[path].st_size, path)):
                if not self._may_go_on():
                    self._missing[path] = TIME_WAS_OVER
                    continue
                try:
                    self._copy(path, payload)
                    self._copied.add(path)
                except (OSError, Refused) as error:
                    text = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
                    self._missing[path] = text
        finally:
            os.close(payload)
        return self._report(matches, warnings)

    def _walk(self, prefix: str, folder: int) -> None:
        if not self._may_go_on():
            self._missing[prefix or "."] = TIME_WAS_OVER
            return
        try:
            names = os.listdir(folder)
        except OSError as error:
            self._missing[prefix or "."] = os.strerror(error.errno or 0)
            return
        for name in sorted(names):
            path = prefix + name
            if path == "artifacts":
                continue
            try:
                found = os.stat(name, dir_fd=folder, follow_symlinks=False)
                self._entries[path] = found
                if stat.S_ISDIR(found.st_mode):
                    below = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
                    try:
                        self._walk(path + "/", below)
                    finally:
                        os.close(below)
            except FileNotFoundError:
                pass  # it went away meanwhile
            except OSError as error:
                self._missing[path] = os.strerror(error.errno or 0)

    def _match(self) -> Tuple[Set[str], Dict[str, Dict[str, List[str]]], Dict[str, List[str]]]:
        chosen: Set[str] = set()
        matches: Dict[str, Dict[str, List[str]]] = {}
        warnings: Dict[str, List[str]] = {}
        for bundle, patterns in self._bundles.items():
            matches[bundle], warnings[bundle] = {"matched": [], "chosen": []}, []
            for pattern in patterns:
                regex = glob_pattern(pattern)
                found = [path for path in self._entries if regex.match(path)]
                if not found:
                    warnings[bundle].append("{} matched nothing".format(pattern))
                matches[bundle]["matched"] += found
                folders = {path for path in found if stat.S_ISDIR(self._entries[path].st_mode)}
                below = [path for path in self._entries if folders and not folders.isdisjoint(_above(path))]
                matches[bundle]["chosen"] += found + below
            chosen.update(matches[bundle]["chosen"])
        return chosen, matches, warnings

    def _fresh_payload(self) -> int:
        artifacts = self._folder.folder("artifacts")
        try:
            os.lstat("payload", dir_fd=artifacts)
            import shutil

            shutil.rmtree(os.path.join(self._folder.path, "artifacts", "payload"))
        except FileNotFoundError:
            pass
        return open_folder("payload", artifacts)

    def _copy(self, path: str, payload: int) -> None:
        found = self._entries[path]
        source = self._descend(self._root, path, create=False)
        target = self._descend(payload, path, create=True)
        name = os.path.basename(path)
        try:
            if stat.S_ISDIR(found.st_mode):
                os.close(open_folder(name, target))
            elif stat.S_ISLNK(found.st_mode):
                link = os.readlink(name, dir_fd=source)
                if not self._stays_inside(path, link):
                    raise Refused("the link leaves the job folder")
                os.symlink(link, name, dir_fd=target)
            elif stat.S_ISREG(found.st_mode):
                self._copy_file(name, source, target)
            else:
                raise Refused("neither a file, a folder nor a link")
        finally:
            os.close(source)
            os.close(target)

    def _copy_file(self, name: str, source: int, target: int) -> None:
        flags = os.O_NOFOLLOW | os.O_NONBLOCK
        reader = os.open(name, os.O_RDONLY | flags, dir_fd=source)
        try:
            before = os.fstat(reader)
            if not stat.S_ISREG(before.st_mode):
                raise Refused("changed into something else meanwhile")
            mode = 0o600 | (before.st_mode & 0o100)
            writer = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | flags, mode, dir_fd=target)
            try:
                self._copy_bytes(reader, writer, before.st_size)
                os.utime(writer, ns=(before.st_atime_ns, before.st_mtime_ns))
            except (OSError, Refused):
                os.unlink(name, dir_fd=target)
                raise
            finally:
                os.close(writer)
        finally:
            os.close(reader)

    def _copy_bytes(self, reader: int, writer: int, size: int) -> None:
        while size > 0:
            data = os.read(reader, min(COPY_CHUNK, size))
            if not data:
                return
            write_all(writer, data)
            size -= len(data)
            if size > 0 and not self._may_go_on():
                raise Refused(TIME_WAS_OVER)

    def _stays_inside(self, path: str, link: str) -> bool:
        if os.path.isabs(link):
            return False
        end = os.path.realpath(os.path.join(self._root_path, os.path.dirname(path), link))
        return end == self._root_path or end.startswith(self._root_path + "/")

    @staticmethod
    def _descend(root: int, path: str, create: bool) -> int:
        here = os.dup(root)
        for name in path.split("/")[:-1]:
            try:
                below = open_folder(name, here, create)
            finally:
                os.close(here)
            here = below
        return here

    def _report(self, matches: Dict[str, Dict[str, List[str]]], warnings: Dict[str, List[str]]) -> Json:
        bundles = {}
        # Files and links are listed; a folder only when it is empty, because its content speaks for it otherwise.
        listed = self._copied.difference(*(_above(path) for path in self._copied))
        for name, patterns in self._bundles.items():
            copied = listed.intersection(matches[name]["chosen"])
            bundles[name] = {
                "declared_source_patterns": patterns,
                "matched_source_paths": _shown(matches[name]["matched"]),
                "copied_relative_paths": _shown(copied),
                "warnings": warnings[name],
            }
        every = list(bundles.values())
        return {
            "complete": not self._missing,
            "declared_source_patterns": sorted(
                {text for bundle in every for text in bundle["declared_source_patterns"]}
            ),
            "matched_source_paths": sorted({text for bundle in every for text in bundle["matched_source_paths"]}),
            "copied_relative_paths": sorted({text for bundle in every for text in bundle["copied_relative_paths"]}),
            "missing": [{"path": _shown([path])[0], "reason": why} for path, why in sorted(self._missing.items())],
            "warnings": [text for bundle in every for text in bundle["warnings"]],
            "bundles": bundles,
        }


def _above(path: str) -> List[str]:
    """Every folder on the way to `path`."""
    names = path.split("/")
    return ["/".join(names[:count]) for count in range(1, len(names))]


def _shown(paths: Iterable[str]) -> List[str]:
    return sorted({os.fsencode(path).decode("utf-8", "backslashreplace") for path in paths})
