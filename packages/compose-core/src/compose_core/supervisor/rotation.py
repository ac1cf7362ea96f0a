"""The services' logs: files that the services write themselves, or rotated files behind pipes.

A service holds its log open for as long as it runs, so only somebody who stands between both can begin a new file without
losing a byte. Where logs are rotated, a thread copies what comes out of each service's pipe.
"""

import array
import collections
import fcntl
import os
import select
import termios
import threading
import time
from typing import Callable, Deque, Dict, List, Optional, Set, Tuple

from compose_core.supervisor.files import READ_LIMIT, JobFolder, Json, json_object_lines
from compose_core.supervisor.readiness import LogTail
from compose_core.supervisor.record import Record
from compose_core.supervisor.service import Service
from compose_core.supervisor.talk import Refused, complain

SET_PIPE_SIZE = 1031
"""F_SETPIPE_SZ of fcntl(2), which Python names from 3.10 on."""
SETTLE_LOG_S = 0.5
"""How long the loop waits for what a service wrote right before its end."""


class RotatedLog:
    """The pipe that a service writes to, and the newest of the files that its output goes to."""

    def __init__(self, folder: JobFolder, service: Service, max_bytes: int, keep: int) -> None:
        self._folder = folder
        self._service = service
        self._max_bytes = max_bytes
        self._keep = keep
        self._tail: Optional[LogTail] = None
        self._complaints: Set[Tuple[str, Optional[int]]] = set()
        self.lock = threading.Lock()
        """Held while bytes are neither in the pipe nor in the file, and while files change their names."""
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.reader, False)
        try:
            fcntl.fcntl(self.reader, SET_PIPE_SIZE, READ_LIMIT)
        except OSError:
            pass  # what a pipe holds by default will do
        self._file = folder.open("logs", service.log_name, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._size = os.fstat(self._file).st_size
        self._limit = max_bytes
        self._is_line_start = True
        self._began = self._known_begin()
        service.log_bytes = self._began + self._size

    def pump(self) -> List[int]:
        """Copy what is in the pipe; gives the sizes of the files that became full."""
        with self.lock:
            try:
                data = os.read(self.reader, READ_LIMIT)
            except BlockingIOError:
                return []
            return self._write(data)

    def pending(self) -> int:
        """Bytes that are not in the file yet."""
        if not self.lock.acquire(timeout=SETTLE_LOG_S):
            return 1  # it is being written, to a file system that hangs
        try:
            count = array.array("i", [0])
            fcntl.ioctl(self.reader, termios.FIONREAD, count)
            return count[0]
        finally:
            self.lock.release()

    def follow(self) -> LogTail:
        """What the log gains from now on, over rotations."""
        with self.lock:
            descriptor = self._folder.open("logs", self._service.log_name, os.O_RDONLY | os.O_CREAT)
            self._tail = LogTail(descriptor, self._size)
            return self._tail

    def _write(self, data: bytes) -> List[int]:
        full = []
        while data:
            piece = self._fitting(data)
            try:
                self._append(piece)
            except OSError as error:  # it would have been the service's own; later output may find room again
                self._complain("output is lost", error)
            data = data[len(piece) :]
            if data:
                size = self._size
                try:
                    self._rotate()
                    full.append(size)
                except (OSError, Refused) as error:
                    self._limit = self._size + self._max_bytes
                    self._complain("the file goes on", error)
        self._service.log_bytes = self._began + self._size
        return full

    def _fitting(self, data: bytes) -> bytes:
        """What still goes into the file: whole lines, unless one has begun in it or is longer than a file."""
        room = max(0, self._limit - self._size)
        if len(data) <= room:
            return data
        lines = data[: data.rfind(b"\n", 0, room) + 1]
        if lines or (self._size and self._is_line_start):
            return lines
        return data[:room]

    def _append(self, piece: bytes) -> None:
        view = memoryview(piece)
        while view:
            count = os.write(self._file, view)
            self._size += count
            view = view[count:]
        self._is_line_start = piece.endswith(b"\n")

    def _rotate(self) -> None:
        """The file becomes the first of the kept ones; its place is taken by an empty one."""
        name, logs = self._service.log_name, self._folder.folder("logs")
        temporary = ".{}.new".format(name)
        fresh = self._folder.open("logs", temporary, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_TRUNC)
        try:
            self._note_begin(fresh, self._began + self._size)
            for number in range(self._keep - 1, 0, -1):
                _rename(logs, "{}.{}".format(name, number), "{}.{}".format(name, number + 1))
            _rename(logs, name, name + ".1")
            os.rename(temporary, name, src_dir_fd=logs, dst_dir_fd=logs)
        except (OSError, Refused):
            os.close(fresh)
            raise
        full, self._file = self._file, fresh
        self._began += self._size
        self._size, self._limit, self._service.log_begin = 0, self._max_bytes, 0
        try:
            os.close(full)
        except OSError as error:  # some file servers tell only now that they kept less than they took
            self._complain("output is lost", error)
        if self._tail is not None and not self._tail.is_closed:
            self._tail.go_on_in(self._folder.open("logs", name, os.O_RDONLY))

    def _complain(self, what: str, error: Exception) -> None:
        complaint = (what, getattr(error, "errno", None))
        if complaint not in self._complaints:
            self._complaints.add(complaint)
            complain("the log of {} cannot be written, {}: {}".format(self._service.name, what, error))

    def _note_begin(self, descriptor: int, begin: int) -> None:
        """The time index tells with which byte of all the output a file begins, by the file's inode number."""
        row = {"at": round(time.time(), 3), "offset": begin, "file": os.fstat(descriptor).st_ino}
        self._folder.append("logs", self._service.token + ".idx.jsonl", row)

    def _known_begin(self) -> int:
        """What an earlier attempt noted of the file that goes on now."""
        inode, begin = os.fstat(self._file).st_ino, 0
        for row in json_object_lines(self._service.token + ".idx.jsonl", self._folder.folder("logs")):
            if row.get("file") == inode and isinstance(row.get("offset"), int):
                begin = row["offset"]
        return begin


class ServiceLogs:
    """Where the output of services and of their hooks goes."""

    def __init__(self, folder: JobFolder, rules: Optional[Json], wake: Callable[[], None]) -> None:
        self._folder = folder
        self._rules = rules
        self._wake = wake
        self._rotated: Dict[str, RotatedLog] = {}
        self._full: Deque[Tuple[Service, int]] = collections.deque()
        self._thread: Optional[threading.Thread] = None
        self._bell, self._bell_rope = -1, -1

    def open(self, services: List[Service]) -> None:
        """Every log is there from now on; where logs are rotated, the copying begins."""
        for service in services:
            if self._rules:
                log = RotatedLog(self._folder, service, int(self._rules["max_bytes"]), int(self._rules["keep"]))
                self._rotated[service.name] = log
            else:
                os.close(self.writer(service))
        if self._rotated:
            self._bell, self._bell_rope = os.pipe()
            self._thread = threading.Thread(target=self._copy, args=({s.name: s for s in services},), daemon=True)
            self._thread.start()

    def writer(self, service: Service) -> int:
        """A descriptor that output may be written to; the caller closes it."""
        if service.name in self._rotated:
            return os.dup(self._rotated[service.name].writer)
        log = self._folder.open("logs", service.log_name, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.set_blocking(log, True)
        return log

    def begin(self, service: Service) -> None:
        """What its log gets from now on is of a new run."""
        self.settle(service)
        log = self._folder.open("logs", service.log_name, os.O_RDONLY | os.O_CREAT)
        service.log_begin = os.fstat(log).st_size
        os.close(log)

    def follow(self, service: Service) -> LogTail:
        """What the log gains from now on."""
        if service.name in self._rotated:
            return self._rotated[service.name].follow()
        log = self._folder.open("logs", service.log_name, os.O_RDONLY | os.O_CREAT)
        return LogTail(log, os.fstat(log).st_size)

    def settle(self, service: Service) -> None:
        """What the service wrote before it ended is in its file."""
        log = self._rotated.get(service.name)
        give_up_at = time.monotonic() + SETTLE_LOG_S
        while log is not None and self._thread is not None and log.pending() and time.monotonic() < give_up_at:
            time.sleep(0.002)

    def tell(self, record: Record) -> None:
        """Write down which logs were rotated; the state of the job is not older for it."""
        while self._full:
            service, size = self._full.popleft()
            was_stale = record.is_stale
            record.event("log_rotated", service.name, bytes=size)
            record.is_stale = was_stale

    def close(self) -> None:
        """Copy what is left; no output comes any more."""
        thread, self._thread = self._thread, None
        if thread is not None:
            os.close(self._bell_rope)
            thread.join(SETTLE_LOG_S * 4)

    def _copy(self, services: Dict[str, Service]) -> None:
        by_reader = {log.reader: services[name] for name, log in self._rotated.items()}
        poll = select.poll()
        for descriptor in (self._bell, *by_reader):
            poll.register(descriptor, select.POLLIN)
        is_last = False
        while not is_last:
            ready = {descriptor for descriptor, _ in poll.poll()}
            is_last = self._bell in ready
            for descriptor, service in by_reader.items():
                if descriptor in ready or is_last:
                    self._pump(service, until_empty=is_last)

    def _pump(self, service: Service, until_empty: bool) -> None:
        log = self._rotated[service.name]
        while True:
            full = log.pump()
            if full:
                self._full.extend((service, size) for size in full)
                self._wake()
            if not until_empty or not log.pending():
                return


def _rename(folder: int, old: str, new: str) -> None:
    try:
        os.rename(old, new, src_dir_fd=folder, dst_dir_fd=folder)
    except FileNotFoundError:
        pass  # there are not so many yet
