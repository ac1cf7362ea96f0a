"""The program that runs a job on its batch host: starts its services, watches them, ends them, writes down what happened.

It travels inside the job script, so it stands alone: one file, the standard library, Python 3.6 or newer. The script
calls `main`; a service is started by running the script again with `step:NAME`. One thread waits in one `select` for
children, signals and timers; only readiness checks over the network run in threads, because a name lookup may block.
"""

import errno
import json
import os
import re
import select
import signal
import socket
import stat
import subprocess
import threading
import time
from typing import Any, Callable, Dict, Iterable, List, Optional, Set, Tuple

Json = Dict[str, Any]

SCHEMA_VERSION = 1
DESCRIPTION_FORMAT = 1
EXIT_ENVIRONMENT = 3
EXIT_TWIN = 10
"""What `claim-only` answers to the script when the token belongs to another job; a whole run answers 0."""
EXIT_CANCELLED = 143

TOOL_TIMEOUT_S = 10.0
KILL_WAIT_S = 30.0
KILL_WAIT_RESERVE_S = 2.0
KILL_WAIT_LINE = re.compile(rb"(?im)^[ \t]*KillWait[ \t]*=[ \t]*([0-9]+)")
SLURM_CONFIGURATIONS = ("/run/slurm/conf/slurm.conf", "/etc/slurm/slurm.conf", "/etc/slurm-llnl/slurm.conf")
"""Where a node keeps its configuration: the first is that of sites whose nodes get it from the controller."""
UNKILLABLE_S = 5.0
"""How long a killed process may linger (device sleep) before teardown goes on without it."""
SLURM_CONT_S = 5.0
"""Slurm sends CONT right before TERM to a whole job; a TERM without it reached the batch script alone."""
LINGER_S = 0.05
SETTLE_S = 1.0
"""When Slurm ends a job, a step may end before the TERM for this program arrives: its failure is judged this much later."""
PROBE_FIRST_S, PROBE_LAST_S, PROBE_GROWTH = 0.2, 1.0, 1.25
CHECK_PATIENCE_S = 5.0
PATTERN_PATIENCE_S = 2.0
"""Seconds of CPU that a readiness pattern gets for one look at a log: some patterns take for ever on some lines."""
LINE_LIMIT = 64 * 1024
TIME_WAS_OVER = "the time for collecting was over"
READ_LIMIT = 1024 * 1024
COPY_CHUNK = 1024 * 1024
NO_HARD_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
"""What a file system without hard links answers."""
SCANCEL_DELIVERED = (0, 225)
"""225 is what scancel answers for a step on one node of several, although the signal arrived."""

ALIVE = ("starting", "running", "ready")
ENDED = ("exited", "failed", "stopped", "skipped")
JOB_STATUS = {"completed": "COMPLETED", "cancelled": "CANCELLED", "signal": "CANCELLED", "time_limit": "TIMEOUT"}
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
FORWARDED_SIGNALS = (signal.SIGUSR1, signal.SIGUSR2)
TOKEN_FORM = re.compile(r"[0-9A-Za-z]{8,64}")
JOB_ID_FORM = re.compile(r"[1-9][0-9]*(?:_[0-9]+)?")
STEP_ID_FORM = re.compile(r"[0-9_+]+\.[0-9]+(?:\+[0-9]+)?")


class Refused(Exception):
    """Something that keeps the job from running; the text is for the user."""


# ---------------------------------------------------------------------------------------------------- talk


def printable(text: str) -> str:
    """`text` on one line, every character that could act on a terminal spelled out."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def say(subject: str, text: str) -> None:
    """One line of the batch log."""
    _print(1, "hpc-compose {} {}: {}\n".format(time.strftime("%H:%M:%S"), printable(subject), printable(text)))


def complain(text: str) -> None:
    """One line on stderr."""
    _print(2, "hpc-compose: {}\n".format(printable(text)))


def _print(descriptor: int, line: str) -> None:
    try:
        os.write(descriptor, line.encode("utf-8", "backslashreplace"))
    except OSError:
        pass  # the batch log is full or gone; state.json tells the story too


def signal_name(signum: int) -> str:
    """`SIGTERM` for 15."""
    try:
        return signal.Signals(signum).name
    except ValueError:  # a real-time signal
        return "signal {}".format(signum)


# --------------------------------------------------------------------------------------------------- files


def json_line(value: Json) -> bytes:
    """`value` as one line of ASCII JSON."""
    return (json.dumps(value, ensure_ascii=True, allow_nan=False) + "\n").encode("ascii")


def open_folder(name: str, parent: Optional[int] = None, create: bool = True, shown: str = "") -> int:
    """A descriptor of the folder `name`, made when it is missing.

    Raises: Refused: it is a symbolic link, no folder, or somebody else's.
    """
    shown = shown or name
    if create:
        try:
            os.mkdir(name, 0o700, dir_fd=parent)
        except FileExistsError:
            pass
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise Refused("{} is a symbolic link or no folder: remove it and submit again".format(shown)) from None
        raise
    _check_owner(os.fstat(descriptor), shown, descriptor)
    return descriptor


def open_file(name: str, flags: int, folder: int, shown: str = "") -> int:
    """A descriptor of the regular file `name`; never waits for the other end of a pipe, never follows a link.

    Raises: Refused: it is a link, no regular file, or somebody else's.
    """
    shown = shown or name
    try:
        descriptor = os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600, dir_fd=folder)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO, errno.EISDIR):
            raise Refused(
                "{} is a symbolic link or no regular file: remove it and submit again".format(shown)
            ) from None
        raise
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        os.close(descriptor)
        raise Refused("{} is no regular file: remove it and submit again".format(shown))
    _check_owner(found, shown, descriptor)
    return descriptor


def _check_owner(found: os.stat_result, shown: str, descriptor: int) -> None:
    if found.st_uid not in (os.geteuid(), 0):
        os.close(descriptor)
        raise Refused("{} belongs to user id {}, not to you: move it away".format(shown, found.st_uid))


def write_all(descriptor: int, data: bytes) -> None:
    """All of `data` is written, or OSError is raised."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def write_new(name: str, data: bytes, folder: int) -> None:
    """A synced file `name` that held nothing before; a leftover of that name is removed."""
    try:
        os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        pass
    descriptor = open_file(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, folder)
    try:
        write_all(descriptor, data)
        os.fsync(descriptor)
    except OSError:
        os.unlink(name, dir_fd=folder)
        raise
    finally:
        os.close(descriptor)


def create_once(name: str, data: bytes, folder: int) -> None:
    """A synced file `name`, unless somebody else has made it."""
    try:
        descriptor = open_file(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, folder)
    except FileExistsError:
        return
    try:
        write_all(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_file(name: str, data: bytes, folder: int) -> None:
    """The file holds `data` afterwards; at any moment it holds all of the old or all of the new."""
    temporary = ".{}.{}.tmp".format(name, os.getpid())
    write_new(temporary, data, folder)
    os.replace(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    os.fsync(folder)


def read_json(name: str, folder: int) -> Json:
    """The JSON object in the file; empty when there is none or it is damaged."""
    try:
        descriptor = open_file(name, os.O_RDONLY, folder)
    except (OSError, Refused):
        return {}
    with os.fdopen(descriptor, "rb") as stream:
        try:
            value = json.loads(stream.read(8 * READ_LIMIT).decode("utf-8"))
        except (OSError, ValueError):
            return {}
    return value if isinstance(value, dict) else {}


class JobFolder:
    """The job's folder: every write goes through its descriptors, so no link planted later redirects it."""

    def __init__(self, path: str, descriptor: int) -> None:
        self.path = path
        self._folders = {"": descriptor}
        self._torn: Set[str] = set()

    def folder(self, name: str) -> int:
        """The descriptor of a folder below the job's; "" is the job's own."""
        if name not in self._folders:
            self._folders[name] = open_folder(name, self._folders[""], shown=os.path.join(self.path, name))
        return self._folders[name]

    def open(self, folder: str, name: str, flags: int) -> int:
        """A descriptor of a regular file of ours."""
        return open_file(name, flags, self.folder(folder), os.path.join(self.path, folder, name))

    def replace(self, folder: str, name: str, value: Json) -> None:
        """The file holds `value` afterwards."""
        replace_file(name, json_line(value), self.folder(folder))

    def append(self, folder: str, name: str, value: Json) -> None:
        """One more line in a JSON Lines file; a line that an earlier failure tore is closed first."""
        data, key = json_line(value), folder + "/" + name
        descriptor = self.open(folder, name, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            if key in self._torn:
                data = b"\n" + data
            self._torn.add(key)
            write_all(descriptor, data)
            self._torn.discard(key)
        finally:
            os.close(descriptor)


# ------------------------------------------------------------------------------------- claim and job folder


def claim(submit_dir: str, token: str, job_id: str) -> str:
    """`ours`, `twin` (another job has the token; its marker is written) or `cancelled`.

    The claim is linked from a finished file, so of two jobs one wins and nobody reads half a claim. It is made before
    `cancel_requested` is looked at, and a client asks in the other order, so one of the two sees the other.
    """
    path = submit_dir
    descriptors = [os.open(submit_dir, os.O_RDONLY | os.O_DIRECTORY)]
    try:
        for name in (".hpc-compose", "submissions", token):
            path = os.path.join(path, name)
            descriptors.append(open_folder(name, descriptors[-1], shown=path))
        return _claim_in(descriptors[-1], path, token, job_id)
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def _claim_in(folder: int, path: str, token: str, job_id: str, link: Callable[..., None] = os.link) -> str:
    own = {
        "schema_version": SCHEMA_VERSION,
        "token": token,
        "job_id": job_id,
        "host": socket.gethostname(),
        "at": time.time(),
        "pid": os.getpid(),
    }
    temporary = ".claim.{}.{}.{}.tmp".format(job_id, own["host"], os.getpid())
    write_new(temporary, json_line(own), folder)
    try:
        link(temporary, "claim", src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    except FileExistsError:
        pass  # a twin, this job after a requeue, or our own link whose answer a file server repeated
    except OSError as error:
        if error.errno not in NO_HARD_LINKS:
            raise
        create_once("claim", json_line(own), folder)  # a twin that reads half of it starts nothing either
    finally:
        os.unlink(temporary, dir_fd=folder)
    os.fsync(folder)
    holder = str(read_json("claim", folder).get("job_id", ""))
    if not holder:
        raise Refused("{}/claim cannot be read, so it is not known which job may run".format(path))
    if holder != job_id:
        replace_file("duplicate." + job_id, json_line(own), folder)
        say("job " + job_id, "job {} runs for this submission already; nothing is started".format(holder))
        return "twin"
    try:
        os.lstat("cancel_requested", dir_fd=folder)
    except FileNotFoundError:
        return "ours"
    return "cancelled"


def open_job_folder(root: str, job_id: str, token: Optional[str], attempt: int) -> JobFolder:
    """The folder of this job; one that an earlier job with the same id left is renamed.

    Raises: Refused: a link or somebody else's folder stands there.
    """
    os.makedirs(root, 0o700, exist_ok=True)
    parent = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    path = os.path.join(root, job_id)
    try:
        descriptor = open_folder(job_id, parent, shown=path)
        state = read_json("state.json", descriptor)
        if state:
            earlier = state.get("submission_token")
            if earlier != token or (token is None and attempt == 0):
                mtime = format(int(os.fstat(descriptor).st_mtime) & 0xFFFFFFFF, "08x")
                os.close(descriptor)
                _set_aside(parent, job_id, str(earlier)[:8] if earlier else mtime)
                descriptor = open_folder(job_id, parent, shown=path)
        return JobFolder(path, descriptor)
    finally:
        os.close(parent)


def _set_aside(parent: int, job_id: str, mark: str) -> None:
    mark = re.sub(r"[^0-9A-Za-z]", "_", mark)
    for number in range(1, 1000):
        name = "{}~{}{}".format(job_id, mark, "" if number == 1 else ".{}".format(number))
        try:
            os.lstat(name, dir_fd=parent)
        except FileNotFoundError:
            os.rename(job_id, name, src_dir_fd=parent, dst_dir_fd=parent)
            return
    raise Refused("there are too many folders {}~{}*: remove some".format(job_id, mark))


# -------------------------------------------------------------------------------------------------- policy


class RestartWindow:
    """Counts the restarts of one service against its lifetime cap and its rolling window."""

    def __init__(self, max_restarts: Optional[int], window_s: Optional[float], max_in_window: Optional[int]) -> None:
        self.max_restarts = max_restarts
        self.window_s = window_s
        self.max_in_window = max_in_window
        self.restart_count = 0
        self._failures: List[Tuple[float, float]] = []

    def on_failure(self, now: float, at: float) -> str:
        """`restart` (counted), `gave_up` (lifetime cap) or `window_exhausted`; `now` is monotonic, `at` the epoch."""
        self._forget(now)
        if self.max_restarts is not None and self.restart_count >= self.max_restarts:
            return "gave_up"
        if self.max_in_window is not None and len(self._failures) >= self.max_in_window:
            return "window_exhausted"
        self._failures.append((now, at))
        self.restart_count += 1
        return "restart"

    def timestamps(self, now: float) -> List[float]:
        """Epoch seconds of the failures that still count."""
        self._forget(now)
        return [at for _, at in self._failures]

    def _forget(self, now: float) -> None:
        if self.window_s is not None:
            self._failures = [pair for pair in self._failures if now - pair[0] < self.window_s]


class DependencyGraph:
    """Which service waits for which, directly and in the end."""

    def __init__(self, depends_on: Dict[str, List[Tuple[str, str]]]) -> None:
        self._above: Dict[str, Set[str]] = {name: set() for name in depends_on}
        below: Dict[str, Set[str]] = {}
        while len(below) < len(depends_on):
            before = len(below)
            for name, needs in depends_on.items():
                unknown = [needed for needed, _ in needs if needed not in depends_on]
                if unknown:
                    raise Refused("service {} depends on {}, which this job does not have".format(name, unknown[0]))
                if name not in below and all(needed in below for needed, _ in needs):
                    below[name] = set().union(*({needed} | below[needed] for needed, _ in needs))
            if len(below) == before:
                raise Refused("services wait for each other: {}".format(", ".join(set(depends_on) - set(below))))
        for name, needs_of in below.items():
            for needed in needs_of:
                self._above[needed].add(name)

    def dependents(self, name: str) -> Set[str]:
        """Every service that needs `name`, directly or through others: it is stopped before `name`."""
        return self._above[name]


# ----------------------------------------------------------------------------------------------- readiness


class LogTail:
    """The lines that a log gained since `offset`, in bounded memory."""

    def __init__(self, descriptor: int, offset: int) -> None:
        self._descriptor = descriptor
        self._offset = offset
        self._rest = b""
        self._shown_rest = b""

    def read_lines(self) -> List[str]:
        """New whole lines; the unfinished last one too, once it stands still or is longer than a line may be."""
        size = os.fstat(self._descriptor).st_size
        if size < self._offset:  # somebody emptied the log
            self._offset, self._rest = 0, b""
        data = os.pread(self._descriptor, READ_LIMIT, self._offset)
        self._offset += len(data)
        lines = (self._rest + data).split(b"\n")
        rest = lines.pop()
        if len(rest) > LINE_LIMIT:
            lines.append(rest[:LINE_LIMIT])
            rest = rest[-LINE_LIMIT // 2 :]
        elif rest and not data and rest != self._shown_rest:
            lines.append(rest)
            self._shown_rest = rest
        self._rest = rest
        return [line[:LINE_LIMIT].decode("utf-8", "replace").rstrip("\r") for line in lines]

    @property
    def is_behind(self) -> bool:
        """There is more to read at once."""
        return os.fstat(self._descriptor).st_size > self._offset

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._descriptor)


class Probe:
    """Asks whether a service is ready: at `next_at`, then ever more slowly, until yes or `deadline`."""

    def __init__(self, what: str, now: float, timeout_s: float) -> None:
        self.what = what
        self.deadline = now + timeout_s
        self.next_at = now + PROBE_FIRST_S
        self._interval = PROBE_FIRST_S

    def poll(self, now: float) -> bool:
        """True once the service is ready; never waits."""
        self.next_at = now + self._interval
        self._interval = min(self._interval * PROBE_GROWTH, PROBE_LAST_S)
        return False

    def last_look(self) -> bool:
        """What can still be said after the service ended."""
        return False

    def close(self) -> None:
        """Stop asking."""


class SleepProbe(Probe):
    """Ready when some time has passed."""

    def __init__(self, now: float, seconds: float) -> None:
        Probe.__init__(self, "sleep {:g} s".format(seconds), now, float("inf"))
        self.next_at = now + seconds

    def poll(self, now: float) -> bool:
        """True once the time has passed."""
        return now >= self.next_at


class PatternTooSlow(Exception):
    """A pattern did not come to an answer within its time."""


def any_line_matches(pattern: "re.Pattern[str]", lines: Iterable[str], patience_s: float = PATTERN_PATIENCE_S) -> bool:
    """Whether a line matches; main thread only, because the search is broken off by a signal.

    Raises: PatternTooSlow: no answer within so many seconds of CPU time.
    """

    def break_off(_signum: int, _frame: Any) -> None:
        raise PatternTooSlow("the pattern {!r} takes too long on a line of the log".format(pattern.pattern))

    signal.signal(signal.SIGVTALRM, break_off)
    signal.setitimer(signal.ITIMER_VIRTUAL, patience_s)
    try:
        return any(pattern.search(line) for line in lines)
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)


class LogProbe(Probe):
    """Ready when a new line of the log matches."""

    def __init__(self, now: float, timeout_s: float, pattern: str, tail: LogTail) -> None:
        Probe.__init__(self, "log line {!r}".format(pattern), now, timeout_s)
        self._pattern = re.compile(pattern)
        self._tail = tail

    def poll(self, now: float) -> bool:
        """True once a line matched."""
        Probe.poll(self, now)
        if any_line_matches(self._pattern, self._tail.read_lines()):
            return True
        if self._tail.is_behind:
            self.next_at = now  # read on, but let the others have their turn first
        return False

    def last_look(self) -> bool:
        """Whether a line matched right before the end."""
        for _ in range(16):
            try:
                if any_line_matches(self._pattern, self._tail.read_lines() + self._tail.read_lines()):
                    return True
            except PatternTooSlow:
                return False
            if not self._tail.is_behind:
                break
        return False

    def close(self) -> None:
        """Stop reading."""
        self._tail.close()


class NetworkProbe(Probe):
    """Ready when a check over the network says so; each check runs in a thread and has a timeout of its own."""

    def __init__(
        self, what: str, now: float, timeout_s: float, check: Callable[[], bool], wake: Callable[[], None]
    ) -> None:
        Probe.__init__(self, what, now, timeout_s)
        self._check = check
        self._wake = wake
        self._is_busy = False
        self._answers: List[bool] = []

    def poll(self, now: float) -> bool:
        """True once a check succeeded; starts the next one when none is under way."""
        if self._answers:
            self._is_busy = False
            if self._answers.pop():
                return True
            Probe.poll(self, now)
        elif self._is_busy:
            self.next_at = now + PROBE_LAST_S
        else:
            self._is_busy = True
            self.next_at = now + PROBE_LAST_S
            try:
                threading.Thread(target=self._ask, daemon=True).start()
            except RuntimeError:  # no more threads just now
                self._is_busy = False
        return False

    def _ask(self) -> None:
        answer = False
        try:
            answer = self._check()
        except (OSError, ValueError):
            pass  # not ready: refused, unknown host, timeout, not HTTP
        finally:
            self._answers.append(answer)
            self.next_at = 0.0
            self._wake()


def tcp_answers(host: str, port: int, timeout_s: float = CHECK_PATIENCE_S) -> bool:
    """Somebody listens there. A socket that met itself on a free local port is nobody."""
    connection = socket.create_connection((host, port), timeout_s)
    try:
        return bool(connection.getsockname() != connection.getpeername())
    finally:
        connection.close()


def http_status(url: str, timeout_s: float = CHECK_PATIENCE_S) -> int:
    """The status code of a GET; no proxy, no redirect, no check of certificates, at most `timeout_s` in all."""
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("not an http or https address: " + url)
    is_tls = parts.scheme == "https"
    give_up_at = time.monotonic() + timeout_s
    connection = socket.create_connection((parts.hostname, parts.port or (443 if is_tls else 80)), timeout_s)
    try:
        if is_tls:
            connection = _tls(connection, parts.hostname)
        target = (parts.path or "/") + ("?" + parts.query if parts.query else "")
        target = "".join(c if "!" <= c <= "~" else "".join("%{:02X}".format(b) for b in c.encode()) for c in target)
        host = parts.netloc.rpartition("@")[2]
        request = "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: hpc-compose\r\nAccept: */*\r\nConnection: close\r\n\r\n"
        connection.sendall(request.format(target, host).encode("ascii"))
        head = b""
        while b"\n" not in head and len(head) < 4096:
            connection.settimeout(max(give_up_at - time.monotonic(), 0.001))
            data = connection.recv(1024)
            if not data:
                break
            head += data
    finally:
        connection.close()
    found = re.match(rb"HTTP/[0-9.]+ +([0-9]{3})\b", head)
    if not found:
        raise ValueError("no HTTP answer from " + url)
    return int(found.group(1))


def _tls(connection: socket.socket, host: str) -> socket.socket:
    import ssl

    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(connection, server_hostname=host)


# ----------------------------------------------------------------------------------------------- artifacts


def glob_pattern(glob: str) -> "re.Pattern[str]":
    """What a glob relative to the job folder matches: `*` and `?` stay within a name, `**` crosses folders."""
    parts, position = [], 0
    glob = re.sub(r"^(?:\./+)+", "", glob).strip("/")
    while position < len(glob):
        character = glob[position]
        position += 1
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
        elif character == "[" and "]" in glob[position + 1 :]:
            end = glob.index("]", position + 1)
            members = glob[position:end].replace("\\", "\\\\").replace("[", "\\[")
            parts.append("(?!/)[{}]".format("^" + members[1:] if members[0] in "!^" else members))
            position = end + 1
        else:
            parts.append(re.escape(character))
    return re.compile("(?s)" + "".join(parts) + r"\Z")


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


# ----------------------------------------------------------------------------------------------- this host


def start_ticks() -> Optional[int]:
    """When this process started, in clock ticks since boot; None where there is no /proc.

    bash became this process by exec, so it is the start of the script too.  Source: proc(5), /proc/PID/stat.
    """
    try:
        with open("/proc/self/stat", "rb") as stream:
            return int(stream.read().rpartition(b")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return None


def seconds_since_start(ticks: Optional[int]) -> float:
    """The age of this process; 0 where it cannot be told."""
    try:
        with open("/proc/uptime", "rb") as stream:
            uptime = float(stream.read().split()[0])
    except (OSError, ValueError, IndexError):
        return 0.0
    return max(0.0, uptime - ticks / float(os.sysconf("SC_CLK_TCK"))) if ticks else 0.0


def adopt_orphans() -> None:
    """Processes whose parent dies become children of this one, so that none is missed at the end (best effort)."""
    try:
        import ctypes

        ctypes.CDLL(None, use_errno=True).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER, prctl(2)
    except (ImportError, OSError, AttributeError):
        pass  # their process groups are killed all the same


def descendants(ancestor: int) -> List[int]:
    """Every process below `ancestor`, from /proc."""
    children: Dict[int, List[int]] = {}
    try:
        names = [name for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return []
    for name in names:
        try:
            with open("/proc/{}/stat".format(name), "rb") as stream:
                fields = stream.read().rpartition(b")")[2].split()
            if fields[0] != b"Z":
                children.setdefault(int(fields[1]), []).append(int(name))
        except (OSError, ValueError, IndexError):
            continue  # it ended meanwhile
    found: List[int] = []
    todo = [ancestor]
    while todo:
        below = children.get(todo.pop(), [])
        found += below
        todo += below
    return found


def reserve_port(taken: Set[int]) -> socket.socket:
    """A socket that holds a port which is free now and not yet promised in this job."""
    while True:
        holder = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        holder.bind(("", 0))
        port = holder.getsockname()[1]
        if port not in taken:
            taken.add(port)
            return holder
        holder.close()


def variable_name(text: str) -> str:
    """`text` as part of a variable's name: upper case, all but letters and digits as `_`."""
    return re.sub(r"[^A-Z0-9]", "_", text.upper())


def send(pid: int, signum: int) -> None:
    """Signal the process group that `pid` leads."""
    try:
        os.killpg(pid, signum)
    except (ProcessLookupError, PermissionError):
        pass  # it has gone already


def group_exists(pid: int) -> bool:
    """A process of the group that `pid` led is still there."""
    try:
        os.killpg(pid, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


class Allocation:
    """Where the job runs."""

    def __init__(self, environment: Dict[str, str]) -> None:
        own = environment.get("SLURMD_NODENAME") or socket.gethostname()
        self.nodelist = environment.get("SLURM_JOB_NODELIST") or own
        self.nodes = self._expand(own)
        self.primary = self.nodes[0]

    def _expand(self, own: str) -> List[str]:
        if "[" not in self.nodelist and "," not in self.nodelist:
            return [own]
        try:
            answer = subprocess.run(
                ["scontrol", "show", "hostnames", self.nodelist],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                timeout=TOOL_TIMEOUT_S,
                check=True,
            )
            return answer.stdout.decode("utf-8", "replace").split() or [own]
        except (OSError, subprocess.SubprocessError) as error:
            complain("the nodes of {} are not known: {}".format(self.nodelist, error))
            return [own]


# ------------------------------------------------------------------------------------------------ services


class Service:
    """One service of the job: what was asked for and how it is now."""

    def __init__(self, description: Json, index: int) -> None:
        self.name: str = description["name"]
        self.token: str = description["token"]
        self.step_name: str = description["step_name"]
        self.is_main: bool = description.get("lifecycle", "main") == "main"
        self.launch: str = description.get("launch", "srun")
        self.depends_on = [(need["service"], need["condition"]) for need in description.get("depends_on") or ()]
        self.readiness: Optional[Json] = description.get("readiness")
        policy = description.get("failure_policy") or {}
        self.mode: str = policy.get("mode", "fail_job")
        self.backoff_s = float(policy.get("backoff_s") or 0)
        self.window = RestartWindow(
            policy.get("max_restarts"), policy.get("window_s"), policy.get("max_restarts_in_window")
        )
        self.port_names: List[str] = list(description.get("ports") or ())
        self.placement = {key: description.get(key) for key in ("placement_mode", "nodes", "ntasks", "ntasks_per_node")}
        self.index = index

        self.status = "waiting"
        self.process: Optional["subprocess.Popen[bytes]"] = None
        """Kept until it is reaped: subprocess reaps by itself what nobody holds."""
        self.step_id: Optional[str] = None
        self.ports: Dict[str, int] = {}
        self.port_holders: List[socket.socket] = []
        self.probe: Optional[Probe] = None
        self.launches = 0
        self.relaunch_at = 0.0
        self.stopping = ""
        """Why it was told to stop: `teardown` or `readiness`; empty while it was not."""
        self.kill_at: Optional[float] = None
        self.killed_at: Optional[float] = None
        self.lingering: Optional[Tuple[int, Optional[int]]] = None
        """How its process ended, while others of its group still use their grace time."""
        self.verdict_at: Optional[float] = None
        self.verdict: Tuple[int, Optional[int], str] = (0, None, "")
        """A failure that is judged at `verdict_at`: exit code, signal, how it ended."""
        self.indexed_size = 0

        self.completed = False
        self.last_exit_code: Optional[int] = None
        self.last_signal: Optional[int] = None
        self.started_at: Optional[float] = None
        self.ready_at: Optional[float] = None
        self.finished_at: Optional[float] = None
        self.first_failure_at: Optional[float] = None
        self.first_failure_exit_code: Optional[int] = None
        self.failure_reason: Optional[str] = None

    @property
    def log_name(self) -> str:
        """The log's name in `logs/`."""
        return self.token + ".log"

    @property
    def pid(self) -> int:
        """Its process, which leads a process group; 0 for none."""
        return self.process.pid if self.process is not None else 0

    @property
    def is_alive(self) -> bool:
        """It has a process."""
        return self.process is not None

    @property
    def has_ended(self) -> bool:
        """It will not run again."""
        return self.status in ENDED

    def satisfies(self, condition: str) -> Optional[bool]:
        """Whether a dependent that waits for `condition` may start: True, None for not yet, False for never."""
        if condition == "service_completed_successfully":
            return self.completed or (False if self.has_ended else None)
        if condition == "service_healthy" and self.readiness is not None:
            healthy = self.ready_at is not None and (self.status == "ready" or self.completed)
            return healthy or (False if self.has_ended or self.status == "running" else None)
        if self.launches and self.status != "backoff":
            return True
        return False if self.has_ended else None

    def as_json(self, now: float, log_folder: str, allocation: Allocation) -> Json:
        """Its object in state.json."""
        timestamps = self.window.timestamps(now)
        is_distributed = self.placement["placement_mode"] == "distributed"
        state = {
            "service_name": self.name,
            "token": self.token,
            "step_name": self.step_name,
            "step_id": self.step_id,
            "log_path": os.path.join(log_folder, self.log_name),
            "launch_index": self.index,
            "launcher_pid": self.pid,
            "status": self.status,
            "healthy": self.status == "ready" if self.readiness else None,
            "completed_successfully": self.completed,
            "readiness_configured": self.readiness is not None,
            "lifecycle": "main" if self.is_main else "sidecar",
            "failure_policy_mode": self.mode,
            "restart_count": self.window.restart_count,
            "max_restarts": self.window.max_restarts,
            "window_seconds": self.window.window_s,
            "max_restarts_in_window": self.window.max_in_window,
            "restart_failures_in_window": len(timestamps),
            "restart_failure_timestamps": timestamps,
            "last_exit_code": self.last_exit_code,
            "last_signal": self.last_signal,
            "started_at": self.started_at,
            "ready_at": self.ready_at,
            "finished_at": self.finished_at,
            "first_failure_at": self.first_failure_at,
            "first_failure_exit_code": self.first_failure_exit_code,
            "first_failure_node": None,
            "first_failure_rank": None,
            "failure_reason": self.failure_reason,
            "nodelist": allocation.nodelist if is_distributed else allocation.primary,
            "host": allocation.primary,
            "ports": self.ports,
        }
        if self.first_failure_at is not None and len(allocation.nodes) == 1:
            state["first_failure_node"] = allocation.primary
        state.update(self.placement)
        return state


class Outcome:
    """Why the job ends, and what it says to the world."""

    def __init__(self, cause: str, exit_code: int, service: Optional[str], signum: Optional[int], message: str) -> None:
        self.cause = cause
        self.exit_code = exit_code
        self.service = service
        self.signum = signum
        self.message = message
        self.job_status = JOB_STATUS.get(cause, "FAILED")


class Record:
    """What the job writes about itself. A write that fails is reported once and tried again with the next one."""

    def __init__(self, folder: JobFolder, job_id: str, token: Optional[str], attempt: int) -> None:
        self.folder = folder
        self.job_id = job_id
        self.token = token
        self.attempt = attempt
        self.is_stale = True
        """Something happened that state.json does not tell yet."""
        self._reported: Set[Tuple[str, Optional[int]]] = set()

    def event(self, name: str, service: Optional[str] = None, **fields: Any) -> None:
        """One line of events.jsonl."""
        row: Json = {"at": round(time.time(), 3), "event": name}
        if service is not None:
            row["service"] = service
        row.update(fields)
        self.is_stale = True
        self._quietly("events.jsonl", self.folder.append, "", "events.jsonl", row)

    def tell(self, service: str, text: str) -> None:
        """One line of the batch log about a service."""
        say(service, text)
        self.is_stale = True

    def tell_job(self, text: str) -> None:
        """One line of the batch log about the job."""
        say("job " + self.job_id, text)

    def end(self, outcome: Outcome) -> None:
        """The end marker."""
        marker: Json = {
            "schema_version": SCHEMA_VERSION,
            "submission_token": self.token,
            "job_id": self.job_id,
            "cause": outcome.cause,
            "service": outcome.service,
            "exit_code": outcome.exit_code,
            "signal": outcome.signum,
            "at": time.time(),
            "message": outcome.message,
        }
        self.is_stale = True
        self._quietly("end.json", self.folder.replace, "", "end.json", marker)

    def state(self, value: Json) -> bool:
        """The whole of state.json; True when it could be written."""
        is_written = self._quietly("state.json", self.folder.replace, "", "state.json", value)
        self.is_stale = not is_written
        return is_written

    def exit(self, service: Service, code: int, signum: Optional[int], allocation: Allocation) -> None:
        """One line of service-exits, and the event."""
        row: Json = {
            "service": service.name,
            "exit_code": code,
            "signal": signum,
            "at_unix": time.time(),
            "node": allocation.primary if len(allocation.nodes) == 1 else None,
            "rank": None,
            "nodelist": allocation.nodelist,
            "attempt": self.attempt,
        }
        self._quietly("service-exits", self.folder.append, "service-exits", service.token + ".jsonl", row)
        self.event("exited", service.name, exit_code=code, signal=signum, attempt=self.attempt)

    def manifest(self, policy: str, is_success: bool, found: Json) -> None:
        """The artifact manifest.

        Raises: OSError, Refused: it cannot be written.
        """
        manifest: Json = {
            "schema_version": SCHEMA_VERSION,
            "job_id": self.job_id,
            "submission_token": self.token,
            "collect_policy": policy,
            "collected_at": time.time(),
            "job_outcome": "success" if is_success else "failure",
            "attempt": self.attempt,
            "is_resume": self.attempt > 0,
            "resume_dir": None,
        }
        manifest.update(found)
        self.folder.replace("artifacts", "manifest.json", manifest)
        copied, missing = len(found["copied_relative_paths"]), len(found["missing"])
        self.event("artifacts_collected", copied=copied, missing=missing)
        self.tell_job("artifacts: {} copied, {} missing".format(copied, missing))

    def index_log(self, service: Service) -> None:
        """One line of the time index when the log grew."""
        try:
            size = os.stat(service.log_name, dir_fd=self.folder.folder("logs"), follow_symlinks=False).st_size
        except (OSError, Refused):
            return
        row = {"at": round(time.time(), 3), "offset": size}
        if size != service.indexed_size and self._quietly(
            "log index", self.folder.append, "logs", service.token + ".idx.jsonl", row
        ):
            service.indexed_size = size

    def _quietly(self, what: str, action: Callable[..., None], *arguments: Any) -> bool:
        try:
            action(*arguments)
        except (OSError, Refused) as error:
            number = getattr(error, "errno", None)
            if (what, number) not in self._reported:
                self._reported.add((what, number))
                complain("{} cannot be written, going on without: {}".format(what, error))
            return False
        return True


# ------------------------------------------------------------------------------------------- Slurm's steps


class Tool:
    """A program of Slurm that runs beside the loop; its answer goes to `then(exit status, output)`."""

    def __init__(self, argv: List[str], then: Callable[[int, str], None]) -> None:
        self.then = then
        self.kill_at = time.monotonic() + TOOL_TIMEOUT_S
        self.process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
        )
        assert self.process.stdout is not None
        self.pipe = self.process.stdout.fileno()
        os.set_blocking(self.pipe, False)
        self._output = b""

    def read(self) -> None:
        """Take what it has printed so far, so that it never waits for us."""
        try:
            while True:
                data = os.read(self.pipe, LINE_LIMIT)
                if not data:
                    return
                self._output = (self._output + data)[:READ_LIMIT]
        except BlockingIOError:
            pass

    def ended(self, status: int) -> None:
        """Hand the answer over."""
        self.read()
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.process.returncode = status
        self.then(status, self._output.decode("utf-8", "replace"))


class Tools:
    """The programs of Slurm that run beside the loop."""

    def __init__(self) -> None:
        self._running: Dict[int, Tool] = {}

    def start(self, argv: List[str], then: Callable[[int, str], None]) -> None:
        """Start one; `then` gets 127 at once when it cannot be started."""
        try:
            tool = Tool(argv, then)
        except OSError as error:
            then(127, str(error))
            return
        self._running[tool.process.pid] = tool

    def ended(self, pid: int, status: int) -> None:
        """Hand over the answer of the one that had this pid; others are no concern of ours."""
        tool = self._running.pop(pid, None)
        if tool is not None:
            tool.ended(status)

    def kill(self, before: float = float("inf")) -> None:
        """Kill those whose time is over at `before`; all of them without it."""
        for tool in self._running.values():
            if tool.kill_at <= before:
                send(tool.process.pid, signal.SIGKILL)
                tool.kill_at = float("inf")

    @property
    def pids(self) -> Set[int]:
        """Their processes."""
        return set(self._running)

    @property
    def pipes(self) -> Dict[int, Tool]:
        """What to wait for."""
        return {tool.pipe: tool for tool in self._running.values()}

    @property
    def next_at(self) -> float:
        """When the next one has to be killed."""
        return min([tool.kill_at for tool in self._running.values()] or [float("inf")])


class Steps:
    """Signals to the steps of this job.

    TERM to srun kills its tasks at once, so a step is signalled through scancel, by the id that squeue tells.
    """

    def __init__(self, job_id: str, tools: Tools, record: Record, services: List[Service]) -> None:
        self._job_id = job_id
        self._tools = tools
        self._record = record
        self._services = services
        self._waiting: List[Tuple[Service, "subprocess.Popen[bytes]", int]] = []

    def signal(self, service: Service, signum: int) -> None:
        """Deliver a signal to the processes of a step, as soon as its id is known."""
        if service.process is None:
            return
        if service.step_id is not None:
            self._scancel(service, service.process, signum)
            return
        self._waiting.append((service, service.process, signum))
        if len(self._waiting) == 1:
            argv = ["squeue", "--steps", "-h", "-j", self._job_id, "-o", "%i|%j"]
            self._tools.start(argv, self._take_ids)

    def kill(self, service: Service) -> None:
        """KILL to a step whose id is known, besides what its srun gets."""
        if service.step_id is not None:
            self._tools.start(["scancel", "--signal=KILL", service.step_id], lambda _status, _output: None)

    def _take_ids(self, status: int, output: str) -> None:
        ids: Dict[str, List[str]] = {}
        for line in output.splitlines() if status == 0 else ():
            step_id, _, name = line.strip().partition("|")
            if STEP_ID_FORM.fullmatch(step_id):
                ids.setdefault(name, []).append(step_id)
        for service in self._services:
            if service.is_alive and service.step_name in ids:  # the newest one, when an earlier run still lingers
                service.step_id = max(
                    ids[service.step_name], key=lambda text: int(text.partition(".")[2].partition("+")[0])
                )
        waiting, self._waiting = self._waiting, []
        for service, process, signum in waiting:
            if service.process is not process:
                continue  # it ended, or is another run by now
            if service.step_id is not None:
                self._scancel(service, process, signum)
            else:  # no step yet, or no answer: srun itself is all there is
                self._record.tell(service.name, "its step is not known: {} goes to srun".format(signal_name(signum)))
                send(process.pid, signum)

    def _scancel(self, service: Service, process: "subprocess.Popen[bytes]", signum: int) -> None:
        def answered(status: int, output: str) -> None:
            if status not in SCANCEL_DELIVERED and service.process is process:
                self._record.tell(service.name, "scancel answered {}: {}".format(status, output.strip()))
                send(process.pid, signum)

        argv = ["scancel", "--signal=" + signal_name(signum)[3:], str(service.step_id)]
        self._tools.start(argv, answered)


# ---------------------------------------------------------------------------------------------- supervisor


class Supervisor:
    """Runs one job from its first service to its last state."""

    def __init__(
        self, script: str, description: Json, environment: Dict[str, str], folder: JobFolder, job_id: str, token: str
    ) -> None:
        self.script = script
        self.description = description
        self.environment = environment
        self.folder = folder
        self.job_id = job_id
        self.is_slurm = environment.get("HPC_COMPOSE_ENGINE") != "local"
        self.record = Record(folder, job_id, token or None, restart_count(environment))
        self.services = [Service(entry, index) for index, entry in enumerate(description["services"])]
        self.by_name = {service.name: service for service in self.services}
        self.graph = DependencyGraph({service.name: service.depends_on for service in self.services})
        self.tools = Tools()
        self.steps = Steps(environment.get("SLURM_JOB_ID", job_id), self.tools, self.record, self.services)
        self.owns_processes = not self.is_slurm or any(service.launch == "batch" for service in self.services)

        self.ticks = start_ticks()
        age = seconds_since_start(self.ticks)
        self.began = time.monotonic() - age
        self.started_at = time.time() - age
        self.finished_at: Optional[float] = None
        self.heartbeat_s = float(description.get("heartbeat_s") or 10)
        self.log_index_s = float(description.get("log_index_s") or 10)
        self.grace_s = float(description.get("stop_grace_s", 30))
        self.time_limit_s: Optional[float] = description.get("time_limit_s")

        self.outcome: Optional[Outcome] = None
        self.is_final = False
        self.hurry_at: Optional[float] = None
        self.grace_end: Optional[float] = None
        self.deadline: Optional[float] = None
        self.cont_at: Optional[float] = None
        self.write_at = self.index_at = 0.0
        self.received: List[int] = []
        self.wake_reader, self.wake_writer = os.pipe()
        for descriptor in (self.wake_reader, self.wake_writer):
            os.set_blocking(descriptor, False)
        self.catch_signals()
        self.allocation = Allocation(environment)

    # -- life of the job

    def run(self) -> int:
        """The exit status of the job."""
        try:
            self.prepare()
            self.record.event("job_started", attempt=self.record.attempt, host=self.allocation.primary)
            self.record.tell_job("started on {} (attempt {})".format(self.allocation.nodelist, self.record.attempt))
            self.loop()
        except Exception as error:  # noqa: BLE001 - whatever it is, the services are stopped and the state is written
            self.explain(error)
            self.decide("supervisor_error", 1, message=str(error) or type(error).__name__)
            self.stop_after_error()
        return self.finish()

    def prepare(self) -> None:
        """Everything that must be right before the first service starts."""
        try:
            os.unlink("end.json", dir_fd=self.folder.folder(""))  # an earlier attempt's
        except FileNotFoundError:
            pass
        for name, lines in (("primary_node", [self.allocation.primary]), ("nodes.txt", self.allocation.nodes)):
            descriptor = self.folder.open("allocation", name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            with os.fdopen(descriptor, "wb") as stream:
                stream.write("".join(line + "\n" for line in lines).encode())
        taken: Set[int] = set()
        for service in self.services:
            for name in service.port_names:
                service.port_holders.append(reserve_port(taken))
                service.ports[name] = service.port_holders[-1].getsockname()[1]
            os.close(self.folder.open("logs", service.log_name, os.O_WRONLY | os.O_CREAT | os.O_APPEND))
        self.folder.folder("service-exits")
        for service in self.services:  # a wrong pattern or placeholder shows now, not after an hour
            readiness = service.readiness or {}
            for key in ("host", "port", "url"):
                self.filled(str(readiness.get(key, "")))
            try:
                re.compile(readiness.get("pattern", ""))
            except re.error as error:
                raise Refused("the readiness pattern of {} is wrong: {}".format(service.name, error)) from None
        if self.owns_processes:
            adopt_orphans()

    def loop(self) -> None:
        """Turn until the job is decided and every service has ended."""
        self.write_at = time.monotonic() + self.heartbeat_s
        self.index_at = time.monotonic() + self.log_index_s
        while True:
            now = time.monotonic()
            self.take_signals(now)
            self.reap(now)
            self.tools.kill(before=now)
            for service in self.services:
                self.advance(service, now)
            self.enforce_time_limit(now)
            if self.outcome is None:
                self.start_what_may(now)
                self.judge()
            if self.outcome is not None:
                self.stop_what_may(now)
            self.write_what_is_due(now)
            if self.outcome is not None and not any(service.is_alive for service in self.services):
                return
            self.wait(now)

    def wait(self, now: float) -> None:
        """Sleep until a signal, an answer or the next timer."""
        due = [self.write_at, self.index_at, self.tools.next_at]
        for service in self.services:
            if service.probe is not None:
                due += [service.probe.next_at, service.probe.deadline]
            if service.status == "backoff":
                due.append(service.relaunch_at)
            due += [at for at in (service.kill_at, service.verdict_at) if at is not None]
            if service.is_alive and service.killed_at is not None:
                due.append(service.killed_at + UNKILLABLE_S)
            if service.lingering is not None:
                due.append(now + LINGER_S)
        if self.outcome is not None:
            due += [at for at in (self.hurry_at, self.grace_end) if at is not None and at > now]
        elif self.time_limit_s is not None and not self.is_slurm:
            due.append(self.began + self.time_limit_s)
        pipes = self.tools.pipes
        ready, _, _ = select.select([self.wake_reader, *pipes], [], [], max(0.0, min(due) - time.monotonic()))
        for descriptor in ready:
            if descriptor in pipes:
                pipes[descriptor].read()
            else:
                os.read(self.wake_reader, 65536)
        if ready and self.wake_reader not in ready:
            self.reap(time.monotonic(), wait_s=0.01)  # the end of an answer comes right before the exit

    def catch_signals(self) -> None:
        """From now on a signal wakes the loop, and is handled there."""
        for signum in STOP_SIGNALS + FORWARDED_SIGNALS + (signal.SIGCONT, signal.SIGCHLD):
            is_unwanted = signum in (signal.SIGHUP, signal.SIGINT) and signal.getsignal(signum) == signal.SIG_IGN
            if not is_unwanted:  # nohup and background jobs of a shell ignore these two
                signal.signal(signum, self.note_signal)
        signal.set_wakeup_fd(self.wake_writer)

    def note_signal(self, signum: int, _frame: Any) -> None:
        """Remember it; children are asked for anyway."""
        if signum != signal.SIGCHLD:
            self.received.append(signum)

    def wake(self) -> None:
        """Wake the loop from a thread."""
        try:
            os.write(self.wake_writer, b"\0")
        except OSError:
            pass  # the pipe is full, so it is awake

    # -- signals from outside

    def take_signals(self, now: float) -> None:
        """What arrived since the last turn; CONT first, because it tells what a TERM beside it means."""
        received, self.received[:] = list(self.received), []
        if signal.SIGCONT in received:
            self.cont_at = now
        for signum in received:
            if signum in FORWARDED_SIGNALS:
                self.record.event("signal", signal=signum)
                self.record.tell_job("{} goes to the services".format(signal.Signals(signum).name))
                for service in self.services:
                    if service.is_alive and self.outcome is None:
                        self.signal_service(service, signum)
            elif signum in STOP_SIGNALS:
                self.stop_by_signal(signum, now)

    def stop_by_signal(self, signum: int, now: float) -> None:
        """The job is told to end: all of teardown fits into what Slurm leaves before it kills."""
        self.record.event("signal", signal=signum)
        self.record.tell_job("{} received".format(signal.Signals(signum).name))
        cause = "cancelled" if signum in (signal.SIGTERM, signal.SIGINT) else "signal"
        if signum == signal.SIGTERM and self.time_is_over(now):
            cause = "time_limit"
        is_first = self.deadline is None
        if is_first:
            self.set_budget(now)
        self.decide(cause, 128 + signum, signum=signum, message="{} received".format(signal.Signals(signum).name))
        for service in self.services:
            if service.is_alive and service.kill_at is not None and self.grace_end is not None:
                service.kill_at = min(service.kill_at, self.grace_end)
        whole_job = self.cont_at is not None and now - self.cont_at <= SLURM_CONT_S
        if is_first and self.is_slurm and signum == signal.SIGTERM and whole_job:
            for service in self.services:  # their steps got TERM from Slurm together with us
                if service.is_alive and self.uses_srun(service) and not service.stopping:
                    self.note_stop(service, "teardown", now)

    def time_is_over(self, now: float) -> bool:
        """The time limit has passed, or nearly."""
        end = self.environment.get("SLURM_JOB_END_TIME", "")
        if end.isdigit() and time.time() >= int(end) - 1:
            return True
        return self.time_limit_s is not None and now - self.began >= self.time_limit_s - 1

    def set_budget(self, now: float) -> None:
        """Share the time until Slurm kills between the services' grace and the artifacts."""
        budget = max(1.0, kill_wait_s(self.environment) - KILL_WAIT_RESERVE_S)
        self.deadline = now + budget
        reserve = budget / 3 if self.description.get("artifacts") else min(2.0, budget / 3)
        self.grace_end = now + min(self.grace_s, budget - reserve)
        self.hurry_at = now + (self.grace_end - now) / 2

    def enforce_time_limit(self, now: float) -> None:
        """On this machine nobody else ends a job whose time is over."""
        if self.is_slurm or self.time_limit_s is None or self.outcome is not None:
            return
        if now - self.began >= self.time_limit_s:
            self.decide("time_limit", 128 + signal.SIGTERM, message="the time limit was reached")

    # -- starting

    def start_what_may(self, now: float) -> None:
        """Start every service whose dependencies are met; one that can never start ends the job."""
        for service in self.services:
            if service.status != "waiting" or self.outcome is not None:
                continue
            answers = [
                (need, condition, self.by_name[need].satisfies(condition)) for need, condition in service.depends_on
            ]
            if all(answer for _, _, answer in answers):
                self.start(service, now)
        if self.outcome is None and not self.mains_are_done():
            for service in self.services:
                self.check_hope(service)

    def check_hope(self, service: Service) -> None:
        """End the job when a service waits for what can no longer happen."""
        if service.status != "waiting" or self.outcome is not None:
            return
        for need, condition in service.depends_on:
            if self.by_name[need].satisfies(condition) is False:
                service.status = "failed"
                service.failure_reason = "{} will never be {}".format(need, condition.replace("service_", "", 1))
                self.record.tell(service.name, "cannot start: " + service.failure_reason)
                self.decide("dependency_failed", 1, service, message=service.failure_reason)
                return

    def start(self, service: Service, now: float) -> None:
        """Launch it once more."""
        is_restart = service.launches > 0
        service.launches += 1
        service.stopping, service.kill_at, service.killed_at, service.step_id = "", None, None, None
        service.ready_at = service.finished_at = service.failure_reason = None
        service.started_at = time.time()
        while service.port_holders:
            service.port_holders.pop().close()
        self.record.is_stale = True
        try:
            log = self.folder.open("logs", service.log_name, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            try:
                os.set_blocking(log, True)
                offset = os.fstat(log).st_size
                service.process = subprocess.Popen(
                    ["bash", self.script, "step:" + service.name],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=self.step_environment(service),
                    start_new_session=True,
                )
            finally:
                os.close(log)
        except (OSError, Refused, ValueError) as error:
            service.status = "starting"
            self.record.tell(service.name, "could not be started: {}".format(error))
            self.ended(service, 127, None, now, "it could not be started: {}".format(error))
            return
        service.status = "starting" if service.readiness else "running"
        if is_restart:
            self.record.event("restarted", service.name, restart_count=service.window.restart_count, pid=service.pid)
        else:
            self.record.event("started", service.name, pid=service.pid)
        self.record.tell(service.name, "{} (pid {})".format("restarted" if is_restart else "started", service.pid))
        if service.readiness:
            service.probe = self.make_probe(service, service.readiness, now, offset)

    def step_environment(self, service: Service) -> Dict[str, str]:
        """What the service's process finds in its environment."""
        environment = dict(self.environment)
        environment.update(
            HPC_COMPOSE_JOB_DIR=self.folder.path,
            HPC_COMPOSE_JOB_ROOT=self.folder.path,
            HPC_COMPOSE_JOB_ID=self.job_id,
            HPC_COMPOSE_ENGINE="slurm" if self.is_slurm else "local",
            HPC_COMPOSE_SERVICE_NAME=service.name,
            HPC_COMPOSE_ATTEMPT=str(self.record.attempt),
            HPC_COMPOSE_IS_RESUME="1" if self.record.attempt else "0",
            HPC_COMPOSE_PRIMARY_NODE=self.allocation.primary,
            HPC_COMPOSE_NODE_COUNT=str(len(self.allocation.nodes)),
            HPC_COMPOSE_NODELIST=self.allocation.nodelist,
            HPC_COMPOSE_NODELIST_FILE=os.path.join(self.folder.path, "allocation", "nodes.txt"),
            HPC_COMPOSE_SUBMISSION_TOKEN=self.record.token or "",
        )
        for other in self.services:
            prefix = "HPC_COMPOSE_" + variable_name(other.name)
            environment[prefix + "_HOST"] = self.host_of(other)
            for port_name, port in other.ports.items():
                environment["{}_PORT_{}".format(prefix, variable_name(port_name))] = str(port)
                url = "http://{}:{}".format(self.host_of(other), port)
                environment["{}_URL_{}".format(prefix, variable_name(port_name))] = url
        return environment

    def host_of(self, _service: Service) -> str:
        """Where the others reach it."""
        return self.allocation.primary if self.is_slurm else "127.0.0.1"

    def filled(self, text: str) -> str:
        """`text` with `@{service.host}` and `@{service.port.name}` filled in."""

        def value(found: Any) -> str:
            service = self.by_name.get(found.group(1))
            if service is None or (found.group(2) and found.group(2) not in service.ports):
                raise Refused("{} names no service or port of this job".format(found.group(0)))
            return str(service.ports[found.group(2)]) if found.group(2) else self.host_of(service)

        return re.sub(r"@\{([^{}]+?)\.(?:host|port\.([^{}.]+))\}", value, text)

    def make_probe(self, service: Service, readiness: Json, now: float, offset: int) -> Probe:
        """The probe that the description asks for."""
        kind, timeout_s = readiness["type"], float(readiness.get("timeout_s") or 60)
        if kind == "sleep":
            return SleepProbe(now, float(readiness["seconds"]))
        if kind == "log":
            log = self.folder.open("logs", service.log_name, os.O_RDONLY)
            return LogProbe(now, timeout_s, readiness["pattern"], LogTail(log, offset))
        if kind == "tcp":
            host = self.filled(readiness.get("host") or "127.0.0.1")
            port = int(self.filled(str(readiness["port"])))
            return NetworkProbe(
                "tcp {}:{}".format(host, port), now, timeout_s, lambda: tcp_answers(host, port), self.wake
            )
        if kind == "http":
            url, wanted = self.filled(readiness["url"]), int(readiness.get("status_code") or 200)
            return NetworkProbe(
                "http {} to be {}".format(url, wanted), now, timeout_s, lambda: http_status(url) == wanted, self.wake
            )
        raise Refused("service {}: readiness {} is not known".format(service.name, kind))

    # -- watching

    def reap(self, now: float, wait_s: float = 0.0) -> None:
        """Take notice of every process that ended."""
        give_up_at = time.monotonic() + wait_s
        while True:
            try:
                found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if found is not None:
                self.reap_one(found.si_pid, now)
                give_up_at = 0.0
            elif time.monotonic() >= give_up_at:
                return
            else:
                time.sleep(0.001)

    def reap_one(self, pid: int, now: float) -> None:
        """Take notice of one; while it is a zombie its pid still names its process group, and nothing else."""
        service = next((service for service in self.services if service.pid == pid), None)
        if service is not None and not self.uses_srun(service) and not service.stopping:
            send(pid, signal.SIGKILL)  # as Slurm does with what a task leaves behind
        _, status = os.waitpid(pid, 0)
        signum = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
        code = 128 + signum if signum is not None else os.WEXITSTATUS(status)
        if service is None:
            self.tools.ended(pid, code)
        elif service.stopping and not self.uses_srun(service) and group_exists(pid):
            service.lingering = (code, signum)  # the rest of its group was told to stop too and has its grace time
        else:
            self.exited(service, code, signum, now)

    def advance(self, service: Service, now: float) -> None:
        """Its timers: readiness, back-off, grace."""
        probe = service.probe
        if probe is not None and now >= min(probe.next_at, probe.deadline):
            try:
                if now >= probe.next_at and probe.poll(now):
                    self.became_ready(service)
                elif now >= probe.deadline:
                    self.readiness_failed(service, "not ready in time: " + probe.what, now)
            except PatternTooSlow as error:
                self.readiness_failed(service, "its readiness cannot be told: {}".format(error), now)
        if service.status == "backoff" and now >= service.relaunch_at and self.outcome is None:
            self.start(service, now)
        if service.verdict_at is not None and now >= service.verdict_at and self.outcome is None:
            service.verdict_at = None
            self.failed(service, *service.verdict, now=now)
        if service.kill_at is not None and now >= service.kill_at:
            self.kill(service, now)
        if service.lingering is not None and not group_exists(service.pid):
            self.exited(service, service.lingering[0], service.lingering[1], now)
        if service.is_alive and service.killed_at is not None and now >= service.killed_at + UNKILLABLE_S:
            self.record.tell(service.name, "did not die (pid {}); going on without it".format(service.pid))
            self.exited(service, 137, int(signal.SIGKILL), now)

    def became_ready(self, service: Service) -> None:
        """Its probe succeeded."""
        self.end_probe(service)
        service.status, service.ready_at = "ready", time.time()
        self.record.event("ready", service.name)
        self.record.tell(service.name, "ready")

    def readiness_failed(self, service: Service, why: str, now: float) -> None:
        """It was not ready in time: its policy decides."""
        self.end_probe(service)
        service.failure_reason = why
        self.record.event("readiness_failed", service.name, message=service.failure_reason)
        self.record.tell(service.name, service.failure_reason)
        if service.mode == "ignore":
            service.status = "running"
        elif service.mode == "restart_on_failure":
            self.stop(service, "readiness", now)
        else:
            service.status = "failed"
            self.decide("readiness_failed", 1, service, message=service.failure_reason)

    def exited(self, service: Service, code: int, signum: Optional[int], now: float) -> None:
        """Its process ended: write down how, then decide what follows."""
        service.last_exit_code, service.last_signal = code, signum
        if service.probe is not None and service.probe.last_look():
            self.became_ready(service)
        self.record.exit(service, code, signum, self.allocation)
        how = "ended by {}".format(signal_name(signum)) if signum is not None else "exited with {}".format(code)
        self.record.tell(service.name, how)
        self.ended(service, code, signum, now, how)

    def ended(self, service: Service, code: int, signum: Optional[int], now: float, how: str) -> None:
        """What follows from its end: nothing, a restart, or the end of the job."""
        was_told = service.stopping
        self.end_probe(service)
        self.record.index_log(service)
        if service.process is not None:
            service.process.returncode = code
        service.process, service.lingering, service.kill_at, service.finished_at = None, None, None, time.time()
        if was_told == "teardown" or (self.outcome is not None and code != 0):
            service.status = "failed" if service.status == "failed" else "stopped"
        elif was_told == "readiness":
            self.failed(service, code or 1, signum, how, now)
        elif code == 0:
            service.completed, service.status = True, "exited"
        elif self.is_slurm:
            service.verdict_at = now + SETTLE_S
            service.verdict = (code, signum, how)
        else:
            self.failed(service, code, signum, how, now)

    def failed(self, service: Service, code: int, signum: Optional[int], how: str, now: float) -> None:
        """It failed by itself: apply its policy."""
        at = time.time()
        if service.first_failure_at is None:
            service.first_failure_at, service.first_failure_exit_code = at, code
        if service.stopping != "readiness":
            service.failure_reason = how
        if service.mode == "ignore":
            service.status = "exited"
            self.record.tell(service.name, "its failure is ignored")
            return
        verdict = service.window.on_failure(now, at) if service.mode == "restart_on_failure" else "fail_job"
        if verdict == "restart" and self.outcome is None:
            service.status, service.relaunch_at = "backoff", now + service.backoff_s
            count = service.window.restart_count
            self.record.event("backoff", service.name, seconds=service.backoff_s, restart_count=count)
            text = "restart {} of {} in {:g} s".format(count, service.window.max_restarts, service.backoff_s)
            self.record.tell(service.name, text)
            return
        service.status = "failed"
        cause = "service_failed"
        if verdict in ("gave_up", "window_exhausted"):
            cause = "restarts_exhausted" if verdict == "gave_up" else "window_exhausted"
            limit = "{} restarts".format(service.window.max_restarts)
            if verdict == "window_exhausted":
                limit = "{} restarts in {:g} s".format(service.window.max_in_window, service.window.window_s or 0)
            service.failure_reason = "{} after {}".format(service.failure_reason, limit)
            self.record.event(verdict, service.name, restart_count=service.window.restart_count)
            self.record.tell(service.name, "no restart: {} are used up".format(limit))
        self.decide(cause, code, service, signum, service.failure_reason or how)

    def mains_are_done(self) -> bool:
        """Every main service has ended (every service, when none is main)."""
        mains = [service for service in self.services if service.is_main] or self.services
        return all(service.has_ended for service in mains)

    def judge(self) -> None:
        """The job is complete once every main service has ended well."""
        if self.outcome is None and self.mains_are_done():
            self.decide("completed", 0, message="every main service ended")

    def decide(
        self,
        cause: str,
        exit_code: int,
        service: Optional[Service] = None,
        signum: Optional[int] = None,
        message: str = "",
    ) -> None:
        """The job ends, for the first reason there is; only success gives way to a later signal."""
        if self.outcome is not None and not (self.outcome.cause == "completed" and exit_code):
            return
        self.outcome = Outcome(cause, exit_code, service.name if service else None, signum, message)
        self.record.end(self.outcome)
        about = " ({})".format(self.outcome.service) if self.outcome.service else ""
        self.record.tell_job("ends: {}{}: {}".format(cause, about, message))

    # -- stopping

    def stop_what_may(self, now: float) -> None:
        """Tell every service to stop whose dependents have ended; when time runs out, all of them."""
        must_hurry = self.hurry_at is not None and now >= self.hurry_at
        for service in self.services:
            if not service.is_alive and not service.has_ended:
                is_own_failure = service.verdict_at is not None and self.deadline is None
                service.status = "failed" if is_own_failure else "stopped" if service.launches else "skipped"
                service.failure_reason = service.verdict[2] if is_own_failure else service.failure_reason
                service.verdict_at = None
                self.record.is_stale = True
            if not service.is_alive or service.stopping == "teardown":
                continue
            if must_hurry or not any(self.by_name[name].is_alive for name in self.graph.dependents(service.name)):
                self.stop(service, "teardown", now)
        if self.grace_end is not None and now >= self.grace_end:
            for service in self.services:
                if service.is_alive and service.killed_at is None:
                    self.kill(service, now)

    def stop(self, service: Service, why: str, now: float) -> None:
        """TERM now, KILL after the grace time."""
        self.note_stop(service, why, now)
        self.signal_service(service, signal.SIGTERM)

    def note_stop(self, service: Service, why: str, now: float) -> None:
        """It has been told to stop."""
        was_told = service.stopping
        service.stopping = why
        if service.killed_at is None:
            kill_at = now + self.grace_s
            if was_told and service.kill_at is not None:
                kill_at = min(kill_at, service.kill_at)
            service.kill_at = kill_at if self.grace_end is None else min(kill_at, self.grace_end)
        self.end_probe(service)
        self.record.event("stopping", service.name)
        self.record.tell(service.name, "stopping")

    def kill(self, service: Service, now: float) -> None:
        """The grace time is over."""
        service.kill_at, service.killed_at = None, now
        service.stopping = service.stopping or "teardown"
        self.record.event("killed", service.name)
        self.record.tell(service.name, "killed after its grace time")
        if self.uses_srun(service):
            self.steps.kill(service)
        send(service.pid, signal.SIGKILL)

    def uses_srun(self, service: Service) -> bool:
        """Its process is srun, which passes signals on in ways of its own."""
        return self.is_slurm and service.launch == "srun"

    def signal_service(self, service: Service, signum: int) -> None:
        """Deliver a signal to the service's own processes."""
        if not self.uses_srun(service):
            send(service.pid, signum)
            if signum == signal.SIGTERM:
                send(service.pid, signal.SIGCONT)  # one that was stopped must wake up to end
        else:
            self.steps.signal(service, signum)

    def stop_after_error(self) -> None:
        """Stop the services although something in here went wrong."""
        try:
            self.loop()
        except Exception as error:  # noqa: BLE001 - the last resort kills them
            self.explain(error)
            for service in self.services:
                if service.is_alive:
                    send(service.pid, signal.SIGKILL)
                    service.status = "stopped"

    def explain(self, error: Exception) -> None:
        """An error of the user in one line, one of ours with its traceback."""
        if isinstance(error, Refused):
            complain(str(error))
            return
        import traceback

        complain("an error inside the supervisor:")
        for line in traceback.format_exc().splitlines():
            complain(line)

    def kill_what_is_left(self) -> None:
        """Kill what the services left running outside of their process groups."""
        if not self.owns_processes:
            return
        give_up_at = time.monotonic() + UNKILLABLE_S
        while time.monotonic() < give_up_at:
            self.reap(time.monotonic())
            left = set(descendants(os.getpid())) - self.tools.pids
            if not left:
                return
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except (ProcessLookupError, PermissionError):
                    pass
            self.reap(time.monotonic(), wait_s=0.05)

    def finish(self) -> int:
        """What comes after the last service: artifacts, final state, last event."""
        self.tools.kill()
        self.kill_what_is_left()
        try:
            self.collect_artifacts()
        except (OSError, Refused) as error:
            complain("the artifacts cannot be collected: {}".format(error))
        except Exception as error:  # noqa: BLE001 - what became of the artifacts never changes how the job ended
            self.explain(error)
        self.take_signals(time.monotonic())
        outcome = self.outcome
        assert outcome is not None
        self.is_final = True
        self.finished_at = time.time()
        for service in self.services:
            if not service.has_ended:
                service.status = "stopped" if service.launches else "skipped"
            self.record.index_log(service)
        for _ in range(3):
            if self.record.state(self.state(time.monotonic())):
                break
            time.sleep(0.2)
        self.record.event("finished", cause=outcome.cause, exit_code=outcome.exit_code, job_status=outcome.job_status)
        self.record.tell_job("{}, exit status {}".format(outcome.job_status, outcome.exit_code))
        return outcome.exit_code

    # -- writing down

    def collect_artifacts(self) -> None:
        """Copy the declared artifacts when the policy asks for them."""
        rules = self.description.get("artifacts")
        assert self.outcome is not None
        is_success = self.outcome.cause == "completed"
        if not rules or rules.get("collect", "always") not in ("always", "on_success" if is_success else "on_failure"):
            return
        give_up_at = time.monotonic() + float(self.description.get("artifacts_deadline_s") or 60)

        def may_go_on() -> bool:
            now = time.monotonic()
            self.take_signals(now)
            self.write_what_is_due(now)
            return now < (give_up_at if self.deadline is None else min(give_up_at, self.deadline))

        found = ArtifactCollector(self.folder, rules.get("bundles") or {}, may_go_on).collect()
        self.record.manifest(rules.get("collect", "always"), is_success, found)

    def write_what_is_due(self, now: float) -> None:
        """State after a transition and at each heartbeat, the logs' time index at its interval."""
        if now >= self.index_at:
            self.index_at = now + self.log_index_s
            for service in self.services:
                self.record.index_log(service)
        if self.record.is_stale or now >= self.write_at:
            is_written = self.record.state(self.state(now))
            self.write_at = now + (self.heartbeat_s if is_written else min(1.0, self.heartbeat_s))

    def state(self, now: float) -> Json:
        """The whole of state.json."""
        at = time.time()
        outcome = self.outcome if self.is_final else None
        log_folder = os.path.join(self.folder.path, "logs")
        return {
            "schema_version": SCHEMA_VERSION,
            "backend": "slurm" if self.is_slurm else "local",
            "runtime_backend": self.description.get("backend"),
            "job_id": self.job_id,
            "job_name": self.description.get("name"),
            "submission_token": self.record.token,
            "job_status": outcome.job_status if outcome else "RUNNING",
            "job_exit_code": outcome.exit_code if outcome else None,
            "cause": outcome.cause if outcome else None,
            "supervisor_pid": os.getpid(),
            "supervisor_start_ticks": self.ticks,
            "host": socket.gethostname(),
            "attempt": self.record.attempt,
            "is_resume": self.record.attempt > 0,
            "resume_dir": None,
            "started_at": self.started_at,
            "updated_at": at,
            "heartbeat_at": at,
            "finished_at": self.finished_at,
            "services": [service.as_json(now, log_folder, self.allocation) for service in self.services],
        }

    def end_probe(self, service: Service) -> None:
        """It is not asked any more."""
        if service.probe is not None:
            service.probe.close()
            service.probe = None


# --------------------------------------------------------------------------------------------------- start


def restart_count(environment: Dict[str, str]) -> int:
    """How often Slurm has put this job back into the queue."""
    text = environment.get("SLURM_RESTART_COUNT", "0")
    return int(text) if text.isdigit() else 0


def kill_wait_s(environment: Dict[str, str], configurations: Iterable[str] = SLURM_CONFIGURATIONS) -> float:
    """Seconds between Slurm's TERM and its KILL: HPC_COMPOSE_KILL_WAIT_S, else the site's KillWait as this node knows it.

    Read from the file, because the controller is not to be asked by every job.  Source: slurm.conf(5), KillWait.
    """
    try:
        return float(environment["HPC_COMPOSE_KILL_WAIT_S"])
    except (KeyError, ValueError):
        pass
    for path in (environment.get("SLURM_CONF", ""),) + tuple(configurations):
        try:
            with open(path, "rb") as file:
                found = KILL_WAIT_LINE.search(file.read(READ_LIMIT))
        except (OSError, ValueError):
            continue
        return float(found.group(1)) if found else KILL_WAIT_S
    return KILL_WAIT_S


def own_job_id(environment: Dict[str, str]) -> Tuple[str, str]:
    """The job's id as a folder name, and the id that holds the claim (that of the array for its tasks).

    Raises: Refused: this is no job.
    """
    array, task = environment.get("SLURM_ARRAY_JOB_ID"), environment.get("SLURM_ARRAY_TASK_ID")
    holder = array if array and task else environment.get("SLURM_JOB_ID", "")
    job_id = "{}_{}".format(array, task) if array and task else holder
    if not holder or not JOB_ID_FORM.fullmatch(job_id):
        raise Refused("SLURM_JOB_ID holds no job id: this script is run by sbatch, or by hpcc on this machine")
    return job_id, holder


def main(script: str, description: Json, arguments: List[str]) -> int:
    """Run the job that `description` tells of, with `[claim-only] [claim:TOKEN]`; the result is the exit status."""
    os.umask(0o077)
    environment = dict(os.environ)
    try:
        return _run(script, description, list(arguments), environment)
    except Refused as error:
        complain(str(error))
        return EXIT_ENVIRONMENT
    except OSError as error:
        complain("the job cannot run: {}".format(error))
        return EXIT_ENVIRONMENT


def _run(script: str, description: Json, arguments: List[str], environment: Dict[str, str]) -> int:
    if description.get("format") != DESCRIPTION_FORMAT:
        raise Refused("the job description has format {}, not {}".format(description.get("format"), DESCRIPTION_FORMAT))
    is_claim_only = arguments[:1] == ["claim-only"]
    words = arguments[1:] if is_claim_only else arguments
    if len(words) > 1 or not all(word.startswith("claim:") for word in words):
        raise Refused("only claim:TOKEN may follow the script, not {}".format(" ".join(words)))
    token = words[0][len("claim:") :] if words else ""
    if words and not TOKEN_FORM.fullmatch(token):
        raise Refused("{} is no submission token".format(token))
    job_id, holder = own_job_id(environment)
    submit_dir = os.path.abspath(environment.get("SLURM_SUBMIT_DIR") or os.getcwd())
    answer = claim(submit_dir, token, holder) if token else "ours"
    if answer == "twin":
        return EXIT_TWIN if is_claim_only else 0
    if is_claim_only and answer == "ours":
        return 0
    root = os.path.join(submit_dir, description.get("runtime_root") or "")
    if not description.get("runtime_root"):
        root = os.path.join(submit_dir, ".hpc-compose")
        os.close(open_folder(root))
    folder = open_job_folder(root, job_id, token or None, restart_count(environment))
    supervisor = Supervisor(script, description, environment, folder, job_id, token)
    if answer == "cancelled":
        return _end_cancelled(supervisor)
    if token:
        supervisor.record.event("claimed", token=token)
    return supervisor.run()


def _end_cancelled(supervisor: Supervisor) -> int:
    """The job was cancelled before it began: nothing starts, and it is said why."""
    supervisor.description = dict(supervisor.description, artifacts=None)
    supervisor.decide("cancelled", EXIT_CANCELLED, message="cancelled before its first service started")
    return supervisor.finish()
