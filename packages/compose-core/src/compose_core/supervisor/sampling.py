"""The metrics sampler: one step over all nodes, whose rows this program alone writes down."""

import hashlib
import json
import os
import signal
import subprocess
import time
from typing import Any, Callable, Dict, List, Optional

from compose_core.supervisor.files import SCHEMA_VERSION, Json, json_line
from compose_core.supervisor.host import send
from compose_core.supervisor.record import Record
from compose_core.supervisor.steps import Tool, Tools
from compose_core.supervisor.talk import Refused

SAMPLER_BEGIN = "\n: <<'HPC_COMPOSE_SAMPLER'\n"
SAMPLER_END = "\nHPC_COMPOSE_SAMPLER\n"
METRICS_FILES = ("gpu.jsonl", "gpu_processes.jsonl", "slurm.jsonl", "cpu.jsonl")
FLUSH_S = 0.5
FLUSH_BYTES = 256 * 1024
META_S = 15.0
SILENT_S = 30.0
"""A node is called silent when nothing came from it for this long, or for three intervals if that is longer."""
LAST_SAMPLE_S = 6.0
KILL_AFTER_S = 1.0
SAMPLER_LINE_LIMIT = 65536
REASON_LENGTH = 500
LOCAL_NOTE = "the local engine has no steps"


def sampler_program(programs: str, settings: Json) -> bytes:
    """What the sampler reads: the length of a program, then the program, which ends with its own call.

    `programs` is the job's script, or the file that the trials of a sweep share.

    Raises: Refused: it holds none, or it is damaged.
    """
    with open(programs, encoding="utf-8") as stream:
        heading, _, rest = stream.read().rpartition(SAMPLER_BEGIN)
    source = rest.partition(SAMPLER_END)[0] + "\n"
    if not heading or hashlib.sha256(source.encode()).hexdigest() not in heading.rpartition("\n")[2]:
        raise Refused("the script holds no sampler that matches its SHA-256")
    call = "\nimport json\n\nrun_sampler(json.loads({!r}))\n".format(json.dumps(settings, ensure_ascii=True))
    program = (source + call).encode()
    return "{}\n".format(len(program)).encode() + program


class NodeSamples:
    """What one node told of one collector."""

    def __init__(self) -> None:
        self.sampled_at: Optional[float] = None
        self.heard_at = 0.0
        """By the clock of this program."""
        self.state = "ok"
        self.note = ""
        self.every_s = 0.0


class CollectorSamples:
    """One collector on all nodes."""

    def __init__(self, name: str, expected: int, absent: str) -> None:
        self.name = name
        self.expected = expected
        self.absent = absent
        """Why there is no such thing on this engine, which is no failure."""
        self.nodes: Dict[str, NodeSamples] = {}
        self.is_reported = False

    def take(self, message: Json, now: float) -> bool:
        """Heed what a node says; True when it says something new."""
        node = self.nodes.setdefault(str(message["node"]), NodeSamples())
        before = (node.state, node.note, node.sampled_at is None)
        node.state, node.note, node.every_s = str(message["state"]), str(message["note"]), float(message["every_s"])
        node.heard_at = now
        if node.state in ("ok", "degraded"):
            node.sampled_at = float(message["at"])
        return before != (node.state, node.note, node.sampled_at is None)

    def observed(self, now: float) -> List[str]:
        """The nodes that deliver."""
        return [
            name
            for name, node in self.nodes.items()
            if node.state in ("ok", "degraded") and now - node.heard_at < max(SILENT_S, 3 * node.every_s)
        ]

    def reason(self, now: float, is_early: bool, failure: str) -> str:
        """Why something is missing, in words; empty when nothing is."""
        if self.absent:
            return ""
        observed = self.observed(now)
        told = ["{}: {}".format(name, node.note) for name, node in self.nodes.items() if node.state != "ok"]
        told += ["{} is silent".format(name) for name, node in self.nodes.items() if self._is_silent(name, now)]
        missing = self.expected - len(self.nodes)
        if missing > 0 and not is_early:
            told.append("nothing came from {} of {} nodes".format(missing, self.expected))
        if failure:
            told.insert(0, failure)
        elif not told and not is_early and len(observed) < self.expected:
            told.append("{} of {} nodes deliver".format(len(observed), self.expected))
        return "; ".join(told)[:REASON_LENGTH]

    def _is_silent(self, name: str, now: float) -> bool:
        return self.nodes[name].state == "ok" and name not in self.observed(now)

    def as_json(self, now: float, scope: str, reason: str) -> Json:
        """Its object in meta.json."""
        times = [node.sampled_at for node in self.nodes.values() if node.sampled_at is not None]
        notes = [self.absent] if self.absent else sorted({node.note for node in self.nodes.values() if node.note})
        slow = max([node.every_s for node in self.nodes.values()] or [0.0])
        return {
            "name": self.name,
            "enabled": True,
            "available": bool(times),
            "note": "; ".join(notes)[:REASON_LENGTH],
            "sampled_every_s": slow or None,
            "last_sampled_at": max(times) if times else None,
            "coverage": {
                "scope": scope if self.nodes else "unknown",
                "expected_nodes": self.expected,
                "observed_nodes": len(self.observed(now)),
                "degraded": bool(reason),
                "reason": reason or None,
            },
        }


class SamplerProcess(Tool):
    """The process of the sampler's step: fed the program, read from until it ends."""

    def __init__(self, argv: List[str], environment: Dict[str, str], log: int, take: Callable[[bytes], None]) -> None:
        self.then = lambda _status, _output: None
        self.kill_at = float("inf")
        self._take = take
        self.process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=environment,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        assert self.process.stdin is not None
        self.pipe = self.process.stdout.fileno()
        self._input = self.process.stdin.fileno()
        for descriptor in (self.pipe, self._input):
            os.set_blocking(descriptor, False)
        self.has_ended = False

    def feed(self, data: bytes) -> bytes:
        """What of the program could not be written yet."""
        try:
            return data[os.write(self._input, data) :]
        except BlockingIOError:
            return data
        except BrokenPipeError:
            return b""  # it has ended, which is told when it is reaped

    def end_input(self) -> None:
        """That is how it is told to take its last sample."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.close()
        except OSError:
            pass  # it has gone already

    def read(self) -> None:
        """Take what it tells."""
        try:
            while True:
                data = os.read(self.pipe, SAMPLER_LINE_LIMIT)
                if not data:
                    return
                self._take(data)
        except BlockingIOError:
            pass

    def ended(self, status: int) -> None:
        """It is over."""
        self.read()
        self.end_input()
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.process.returncode = status
        self.has_ended = True
        self.then(status, "")


class Sampling:
    """Starts the sampler, writes down what it tells, ends it. Whatever goes wrong here costs samples, never the job."""

    def __init__(self, script: str, description: Json, job_id: str, tools: Tools, record: Record) -> None:
        self._script = script
        self._programs = str(description.get("programs") or script)
        self._rules: Json = description.get("metrics") or {}
        self._job_id = job_id
        self._tools = tools
        self._record = record
        self._process: Optional[SamplerProcess] = None
        self._unsent = b""
        self._partial = b""
        self._rows: Dict[str, List[bytes]] = {}
        self._row_bytes = 0
        self._flush_at = self._meta_at = float("inf")
        self._collectors: Dict[str, CollectorSamples] = {}
        self._began = 0.0
        self._failure = ""
        self._is_ending = False
        self._killed_at: Optional[float] = None
        self._has_failed = False

    @property
    def is_running(self) -> bool:
        """Its process is there."""
        return self._process is not None and not self._process.has_ended

    @property
    def next_at(self) -> float:
        """When it has to be looked after."""
        feed_at = time.monotonic() + 0.05 if self._unsent else float("inf")
        return min(self._flush_at, self._meta_at, feed_at)

    def start(self, environment: Dict[str, str], nodes: int, is_slurm: bool) -> None:
        """Start it when the job asks for metrics."""
        if self._rules:
            self._safely(lambda: self._start(environment, nodes, is_slurm))

    def advance(self, now: float, must_end: bool) -> None:
        """What is due; the sampler is the first to end when Slurm leaves little time for all the rest."""
        if must_end:
            self._kill(now)
        if self._unsent or now >= min(self._flush_at, self._meta_at):
            self._safely(lambda: self._advance(now))

    def end(self, now: float) -> None:
        """Ask for the last sample, for which there is little time."""
        if self._process is not None and self.is_running and not self._is_ending:
            self._is_ending = True
            self._unsent = b""
            self._process.kill_at = now + LAST_SAMPLE_S
            self._safely(self._process.end_input)

    def write_last(self) -> None:
        """What has not been written yet, and how it all went."""
        if self._collectors:
            self._safely(lambda: self._write(time.monotonic()))

    def _start(self, environment: Dict[str, str], nodes: int, is_slurm: bool) -> None:
        names = list(self._rules["collectors"])
        for name in names:
            is_absent = name == "slurm" and not is_slurm
            expected = 0 if is_absent else 1 if name == "slurm" else nodes
            self._collectors[name] = CollectorSamples(name, expected, LOCAL_NOTE if is_absent else "")
        self._began = time.monotonic()
        settings = {
            "job_id": self._job_id,
            "is_slurm": is_slurm,
            "interval_s": self._rules["interval_s"],
            "collectors": names,
            "metrics_folder": os.path.join(self._record.folder.path, "metrics"),
        }
        self._unsent = sampler_program(self._programs, settings)
        log = self._record.folder.open("metrics", "sampler.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            os.set_blocking(log, True)
            self._process = SamplerProcess(["bash", self._script, "sampler"], environment, log, self._take)
        finally:
            os.close(log)
        self._process.then = self._ended
        self._tools.add(self._process)
        self._write(self._began)

    def _kill(self, now: float) -> None:
        """TERM, which ends the tasks of an srun at once, and KILL a little later."""
        if self._process is not None and self.is_running and self._killed_at is None:
            self._is_ending, self._killed_at, self._unsent = True, now, b""
            send(self._process.process.pid, signal.SIGTERM)
            self._process.kill_at = min(self._process.kill_at, now + KILL_AFTER_S)

    def _advance(self, now: float) -> None:
        if self._unsent and self._process is not None:
            self._unsent = self._process.feed(self._unsent)
        if now >= self._flush_at:
            self._flush()
        if now >= self._meta_at:
            self._write(now)

    def _ended(self, status: int, _output: str) -> None:
        self._unsent = b""
        if not self._is_ending:
            self._failure = "the sampler ended with {}, see metrics/sampler.log".format(status)
            self._safely(lambda: self._write(time.monotonic()))

    def _take(self, data: bytes) -> None:
        lines = (self._partial + data).split(b"\n")
        self._partial = lines.pop()[-SAMPLER_LINE_LIMIT:]
        for line in lines:
            self._take_line(line)
        if self._row_bytes >= FLUSH_BYTES:
            self._safely(self._flush)

    def _take_line(self, line: bytes) -> None:
        """One row or state; what is neither is srun's or a library's and means nothing here."""
        now = time.monotonic()
        try:
            message = json.loads(line.decode("ascii"))
            if message.get("to") in METRICS_FILES and isinstance(message["row"], dict):
                self._rows.setdefault(message["to"], []).append(json_line(message["row"]))
                self._row_bytes += len(line)
                self._flush_at = min(self._flush_at, now + FLUSH_S)
            elif message.get("collector") in self._collectors:
                if self._collectors[message["collector"]].take(message, now):
                    self._meta_at = min(self._meta_at, now + FLUSH_S)
        except (ValueError, KeyError, TypeError, AttributeError):
            return

    def _flush(self) -> None:
        """One write for each file."""
        rows, self._rows, self._row_bytes, self._flush_at = self._rows, {}, 0, float("inf")
        for name, lines in rows.items():
            self._record.metrics(name, b"".join(lines))

    def _write(self, now: float) -> None:
        """The rows that wait, meta.json, and once for each collector that samples are missing."""
        self._flush()
        self._meta_at = now + META_S if self.is_running else float("inf")
        is_early = now - self._began < SILENT_S
        described = []
        for collector in self._collectors.values():
            reason = collector.reason(now, is_early, self._failure)
            described.append(
                collector.as_json(now, "batch_node" if collector.name == "slurm" else "allocation", reason)
            )
            if reason and not collector.is_reported:
                collector.is_reported = True
                self._record.event("metrics_degraded", collector=collector.name, message=reason)
                self._record.tell_job("metrics of {}: {}".format(collector.name, reason))
        self._record.metrics_meta(
            {
                "schema_version": SCHEMA_VERSION,
                "sampler_pid": self._process.process.pid if self._process is not None else None,
                "interval_seconds": self._rules["interval_s"],
                "updated_at": time.time(),
                "collectors": described,
            }
        )

    def _safely(self, action: Callable[[], Any]) -> None:
        """Do it; an error is told once, and the job goes on without samples."""
        try:
            action()
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not reach the services
            if not self._has_failed:
                self._has_failed = True
                what = str(error) if isinstance(error, (OSError, Refused)) else repr(error)
                self._failure = self._failure or what
                self._record.event("metrics_degraded", collector=None, message=what)
                self._record.tell_job("metrics: {}".format(what))
