"""What all collectors have in common: a sample is a conversation with programs, taken once per interval."""

import time
from typing import Any, Dict, Generator, List, Optional

from compose_core.sampler.probe import Answer, Probe
from compose_core.sampler.report import Reporter, now_s
from compose_core.supervisor.files import Json

Conversation = Generator[List[str], Answer, Any]
"""Yields the program to ask, gets its answer."""
CPU_SHARE = 0.05
"""Programs that are asked may use this much of a core; dearer ones are asked less often."""
STUCK_NOTE = "an earlier {} still hangs and cannot be killed"


class Collector:
    """Takes a sample when it is due. A program that hangs delays its own collector and nothing else."""

    name = ""

    def __init__(self, settings: Json, reporter: Reporter, environment: Dict[str, str]) -> None:
        self.interval_s = float(settings["interval_s"])
        self.every_s = self.interval_s
        self.reporter = reporter
        self.probe = Probe(environment)
        self.next_at = time.monotonic()
        self.state = "ok"
        self.note = ""
        self.samples = 0
        """How many conversations have ended."""
        self._conversation: Optional[Conversation] = None
        self._argv: List[str] = []
        self._cpu_s = 0.0
        self._at = 0.0

    def sample(self, at: float) -> Conversation:
        """One sample taken at that time; sets `state` and `note`."""
        raise NotImplementedError

    @property
    def is_idle(self) -> bool:
        """No sample is being taken."""
        return self._conversation is None

    @property
    def wake_at(self) -> float:
        """When it has to be looked after."""
        return self.next_at if self._conversation is None else self.probe.next_at

    def advance(self, now: float) -> None:
        """Begin the sample that is due, and go on with the one that is being taken."""
        answer = self.probe.poll()
        if self._conversation is not None:
            if answer is not None:
                self._cpu_s += answer.cpu_s
                self._go_on(answer)
        elif now >= self.next_at:
            self._begin(now)

    def _begin(self, now: float) -> None:
        self.next_at += self.every_s * ((now - self.next_at) // self.every_s + 1)  # what was missed stays missed
        self._at, self._cpu_s = now_s(), 0.0
        if self.probe.is_busy:
            self.state, self.note = "failed", STUCK_NOTE.format(self._argv[0])
            self._end()
            return
        self._conversation = self.sample(self._at)
        self._go_on(None)

    def _go_on(self, answer: Optional[Answer]) -> None:
        """Hand the answer over, and start the next program until one runs."""
        assert self._conversation is not None
        try:
            while True:
                self._argv = self._conversation.send(answer)  # type: ignore[arg-type]  # the first one is None
                if self.probe.is_busy:
                    answer = Answer(127, "", STUCK_NOTE.format(self._argv[0]))
                    continue
                try:
                    self.probe.start(self._argv)
                    return
                except OSError as error:
                    answer = Answer(127, "", str(error))
        except StopIteration:
            self._end()
        except BrokenPipeError:
            raise
        except Exception as error:  # noqa: BLE001 - an answer that nobody foresaw must not end the other collectors
            self.state, self.note = "failed", "{}: {!r}".format(" ".join(self._argv) or self.name, error)
            self._end()

    def _end(self) -> None:
        """Tell how it went; a dear answer is asked for less often."""
        self._conversation = None
        self.samples += 1
        wanted_s = max(self.interval_s, self._cpu_s / CPU_SHARE)
        if wanted_s > 1.2 * self.every_s or wanted_s < self.every_s / 2:
            self.next_at += wanted_s - self.every_s
            self.every_s = wanted_s
        self.reporter.state(self.name, self._at, self.state, self.note, self.every_s)
