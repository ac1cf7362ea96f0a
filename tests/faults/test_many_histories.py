"""Random lives of jobs on a fake Slurm, by the thousand: no end is told wrongly or too early, and every end is told at last."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from compose_core.records import format as record_format
from compose_core.records.job_record import JobRecord
from compose_core.records.our_path import OurPath
from compose_core.records.paths import JobPaths, earlier_name
from compose_core.testing import FakeJob
from compose_core.tracking import job_files, observe
from tests.core.tracking.test_histories import CAUSES, History
from tests.core.tracking.world import World
from tests.faults.profile import sized
from tests.faults.table import Tell, measured

_PARTS = 10
_STEPS = 14


class Memory:
    """The files of all worlds, without a disk: a disk that fails has tests of its own."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def read(self, path: OurPath, *, max_bytes: int) -> bytes | None:
        return self.files.get(str(path))

    def replace(self, path: OurPath, data: bytes) -> None:
        self.files[str(path)] = data

    def create(self, path: OurPath, data: bytes) -> bool:
        return self.files.setdefault(str(path), data) is data

    def remove(self, path: OurPath) -> None:
        self.files.pop(str(path), None)

    def set_aside(self, folder: Path, new: Path) -> None:
        """The folder gets another name."""
        for path in [path for path in self.files if path.startswith(f"{folder}/")]:
            self.files[path.replace(str(folder), str(new), 1)] = self.files.pop(path)


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Memory:
    """What the status engine reads and writes instead of files."""
    memory = Memory()
    monkeypatch.setattr(record_format, "read_file", memory.read)
    monkeypatch.setattr(record_format, "replace_file", memory.replace)
    monkeypatch.setattr(record_format, "create_file", memory.create)
    monkeypatch.setattr(observe, "remove_file", memory.remove)
    monkeypatch.setattr(observe, "file_exists", lambda _path: True)
    monkeypatch.setattr(job_files, "of_newest_attempt", lambda paths: paths)
    return memory


class MemoryWorld(World):
    """A project without a disk."""

    memory: Memory

    def write(self, path: Path, content: object) -> None:
        self.memory.files[str(path)] = json.dumps(content).encode()


class WilderHistory(History):
    """Ids come again and clocks are set, on top of what happens in every history."""

    def __init__(self, folder: Path, seed: int, memory: Memory) -> None:
        self.memory = memory

        def make_world(folder: Path) -> World:
            MemoryWorld.memory = memory
            return MemoryWorld(folder)

        super().__init__(folder, seed, make_world)

    def began(self, job: FakeJob) -> None:
        """The supervisor finds the folder of an earlier job with its id, and sets it aside."""
        record = self.record_of(job)
        if record is not None:
            self._set_aside(record.job_paths, record.submission_token)
        super().began(job)

    def _set_aside(self, paths: JobPaths, token: str) -> None:
        data = self.memory.files.get(str(paths.state))
        earlier = json.loads(data)["submission_token"] if data else token
        if earlier != token:
            new = paths.job_dir.parent / earlier_name(paths.job_dir.name, earlier)
            self.memory.set_aside(paths.job_dir, new)

    def reuse_an_id(self) -> None:
        """The controller counts from the number of an ended job again."""
        ended = [job for job, _ in self.jobs if job.is_over]
        live = {job.number for job, _ in self.jobs if not job.is_over}
        free = [job.number for job in ended if job.number not in live]
        if free:
            number = self.chance.choice(free)
            if all(number + more not in live for more in range(6)):
                self.cluster.next_job_id = number
                self.submit()

    def set_the_clock(self) -> None:
        """Of the login node alone; no time passes."""
        self.cluster.clock.jump(self.chance.choice([-90.0, -20.0, 25.0, 90.0]))

    def forget(self) -> None:
        """The controller forgets an ended job before its time."""
        for job, _ in self.jobs:
            if job.is_over:
                job.forgotten = True
                return

    def true_ends(self, job: FakeJob, record: JobRecord) -> set[str]:
        """Of a job whose id was given again, queue and accounting show the later one: only its files can tell."""
        ends = super().true_ends(job, record)
        later = [other for other, _ in self.jobs if other.number == job.number and other is not job]
        tells_itself = self.files_of(job) != "none" and job.state in CAUSES and job.started_at is not None
        return ends | {"LOST"} if ends and later and not tells_itself else ends

    def step(self) -> None:
        wild = self.chance.random()
        if wild < 0.1:
            self.reuse_an_id()
        elif wild < 0.2:
            self.set_the_clock()
        elif wild < 0.25:
            self.forget()
        super().step()


@pytest.mark.parametrize("part", range(_PARTS))
def test_no_history_has_a_wrong_or_early_end(tmp_path: Path, memory: Memory, tell: Tell, part: int) -> None:
    """Seeded, so a failure comes again."""
    with measured(tell, "histories of a fake cluster: wrong, early or missing ends") as figure:
        for seed in range(part, sized(short=40, full=10_000), _PARTS):
            with figure.trial(f"seed {seed}"):
                folder = tmp_path / str(seed)
                folder.mkdir()
                history = WilderHistory(folder, seed, memory)
                history.submit()
                for _ in range(_STEPS):
                    history.step()
                history.come_to_an_end()
            memory.files.clear()
