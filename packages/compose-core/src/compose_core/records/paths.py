"""Every path that hpc-compose writes or reads, and nothing else knows them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

from compose_core.frozen import Frozen
from compose_core.job_state import parse_job_id
from compose_core.records.our_path import OurPath
from compose_core.records.token import parse_token
from compose_core.units import service_token

METADATA_FOLDER = ".hpc-compose"
ATTEMPTS_FOLDER = "attempts"
LATEST_NAMES = {"main": "latest.json", "canary": "latest-canary.json"}
"""Kinds of jobs of whose newest one a copy is kept."""
_BUNDLE = re.compile(r"[A-Za-z0-9_-]{1,64}")


def earlier_name(job_id: str, token: str) -> str:
    """The name kept by an earlier job whose id was given again: `1234~01ARYZ6S`."""
    return f"{parse_job_id(job_id)}~{parse_token(token)[:8]}"


def is_job_record(name: str) -> bool:
    """The file name in `jobs/` is that of a job's record; those of trials (`12_3.json`) stand behind that of their array."""
    return name.endswith(".json") and "_" not in name and not name.startswith(".")


class ProjectPaths(Frozen):
    """What lies beside a compose file."""

    project_dir: Path

    def __post_init__(self) -> None:
        if not self.project_dir.is_absolute():
            raise ValueError(f"{self.project_dir} is not absolute")

    @property
    def metadata_root(self) -> OurPath:
        """`.hpc-compose`."""
        return OurPath(self.project_dir) / METADATA_FOLDER

    @property
    def submissions(self) -> OurPath:
        """The folder with one folder per submission."""
        return self.metadata_root / "submissions"

    @property
    def unresolved(self) -> OurPath:
        """The folder with one empty file per submission whose outcome is not settled: found without reading all of them."""
        return self.metadata_root / "unresolved"

    @property
    def jobs(self) -> OurPath:
        """The folder of job records."""
        return self.metadata_root / "jobs"

    @property
    def job_index(self) -> OurPath:
        """What is known of the jobs that ended, so that a list of them need not read all their files."""
        return self.metadata_root / "jobs-index.json"

    @property
    def run_keys(self) -> OurPath:
        """The folder of run keys."""
        return self.metadata_root / "run-keys"

    @property
    def removals(self) -> OurPath:
        """The folder with one file per job whose files are being removed."""
        return self.metadata_root / "removals"

    @property
    def removal_lock(self) -> OurPath:
        """Held while files of jobs are removed."""
        return self.metadata_root / "removals.lock"

    @property
    def monitors(self) -> OurPath:
        """The folder with one file per monitor: what it has seen and told."""
        return self.metadata_root / "monitors"

    @property
    def latest(self) -> OurPath:
        """A copy of the newest record of kind main."""
        return self.metadata_root / "latest.json"

    def latest_of(self, kind: str) -> OurPath | None:
        """The copy of the newest record of this kind; None for kinds that have none."""
        name = LATEST_NAMES.get(kind)
        return self.metadata_root / name if name is not None else None

    @property
    def sweeps(self) -> OurPath:
        """The folder with one folder per sweep."""
        return self.metadata_root / "sweeps"

    @property
    def latest_sweep(self) -> OurPath:
        """A copy of the newest sweep's manifest."""
        return self.sweeps / "latest.json"

    def sweep(self, sweep_id: str) -> SweepPaths:
        """What belongs to one sweep.

        Raises: ValueError: it is no id of a sweep.
        """
        return SweepPaths(self.sweeps / parse_sweep_id(sweep_id))

    def submission(self, token: str) -> SubmissionPaths:
        """What belongs to one submission."""
        return SubmissionPaths(self.submissions / parse_token(token))

    def unresolved_mark(self, token: str) -> OurPath:
        """There while the submission is not settled."""
        return self.unresolved / parse_token(token)

    def removal(self, token: str) -> OurPath:
        """There while the files of this submission are being removed."""
        return self.removals / f"{parse_token(token)}.json"

    def job_record(self, job_id: str) -> OurPath:
        """The record of a job."""
        return self.jobs / f"{parse_job_id(job_id)}.json"

    def earlier_job_record(self, job_id: str, token: str) -> OurPath:
        """The record of an earlier job with the same id."""
        return self.jobs / f"{earlier_name(job_id, token)}.json"

    def run_key(self, key: str, *, after: str | None = None) -> OurPath:
        """The token behind a run key; `after` is a token of that key whose submission came to nothing."""
        digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
        return self.run_keys / (f"{digest}~{parse_token(after)}.json" if after else f"{digest}.json")


class SubmissionPaths(Frozen):
    """What belongs to one submission."""

    folder: OurPath

    @property
    def intent(self) -> OurPath:
        """What is about to be submitted."""
        return self.folder / "intent.json"

    @property
    def script(self) -> OurPath:
        """The script as submitted."""
        return self.folder / "job.sbatch"

    @property
    def outcome(self) -> OurPath:
        """How it ended; written once."""
        return self.folder / "outcome.json"

    @property
    def absence(self) -> OurPath:
        """Since when the scheduler answers that it has no such job."""
        return self.folder / "absence.json"

    @property
    def cancel_requested(self) -> OurPath:
        """The job must end before its first service starts."""
        return self.folder / "cancel_requested"

    @property
    def claim(self) -> OurPath:
        """The one job that may run for this token."""
        return self.folder / "claim"

    @property
    def vanished(self) -> OurPath:
        """Since when the queue does not know the job that it had."""
        return self.folder / "vanished.json"

    @property
    def ending(self) -> OurPath:
        """How the scheduler said that the job ended."""
        return self.folder / "ending.json"

    def of_task(self, task: int) -> SubmissionPaths:
        """What is remembered of one task of an array: `vanished` and `ending` of its own."""
        return SubmissionPaths(self.folder / "tasks" / str(int(task)))

    def handover(self, attempt: int) -> OurPath:
        """Made before the script is handed to the scheduler for the n-th time; one client can make it."""
        return self.folder / f"submitting.{attempt}"


_SWEEP_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}")


def parse_sweep_id(text: str) -> str:
    """The text, which is the name of a folder.

    Raises: ValueError: it is no id of a sweep.
    """
    if not _SWEEP_ID.fullmatch(text) or text == "latest":
        raise ValueError(f"{text[:100]!r} is no sweep id: letters, digits, _ and - are allowed, at most 80")
    return text


class SweepPaths(Frozen):
    """What belongs to one sweep."""

    folder: OurPath

    @property
    def manifest(self) -> OurPath:
        """Trials and groups; follows from the journal."""
        return self.folder / "sweep.json"

    @property
    def journal(self) -> OurPath:
        """One line per thing that happened."""
        return self.folder / "trials.jsonl"

    @property
    def lock(self) -> OurPath:
        """Held while trials are submitted or ended."""
        return self.folder / "lock"

    def tasks(self, group: str) -> OurPath:
        """What is known of the tasks of a group before it is submitted."""
        return self.folder / "groups" / f"{_sweep_part(group)}.json"

    def script(self, trial_id: str, version: int = 1) -> OurPath:
        """The script of a trial; a later version stands beside the first."""
        return self.folder / f"{_sweep_part(trial_id)}{'' if version == 1 else f'~{int(version)}'}.sbatch"

    def programs(self, sha256: str) -> OurPath:
        """The programs of the node, which the scripts of the trials share."""
        return self.folder / f"programs-{_sweep_part(sha256[:16])}.txt"


def _sweep_part(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_]{1,64}", name):
        raise ValueError(f"{name[:100]!r} is no name within a sweep")
    return name


class JobPaths(Frozen):
    """What a job writes into its folder."""

    job_dir: Path
    attempt: int | None = None
    """None: the job folder itself; with `x-slurm.resume`, each attempt has a folder in it."""

    def __post_init__(self) -> None:
        if not self.job_dir.is_absolute() or not self.job_dir.name:
            raise ValueError(f"{self.job_dir} is not an absolute path")

    @property
    def folder(self) -> OurPath:
        """The job folder, or the attempt's in it."""
        return self.job_folder if self.attempt is None else self.attempts / str(self.attempt)

    @property
    def attempts(self) -> OurPath:
        """The folder with one folder per attempt."""
        return self.job_folder / ATTEMPTS_FOLDER

    @property
    def job_folder(self) -> OurPath:
        """The job folder."""
        above = self.job_dir.parent
        if above.name == METADATA_FOLDER:  # the metadata folder itself is ours too
            return OurPath(above.parent) / METADATA_FOLDER / self.job_dir.name
        return OurPath(above) / self.job_dir.name

    @property
    def state(self) -> OurPath:
        """How the job is now."""
        return self.folder / "state.json"

    @property
    def end(self) -> OurPath:
        """The end marker."""
        return self.folder / "end.json"

    @property
    def events(self) -> OurPath:
        """One line per transition."""
        return self.folder / "events.jsonl"

    @property
    def logs(self) -> OurPath:
        """The folder of service logs."""
        return self.folder / "logs"

    @property
    def artifacts(self) -> OurPath:
        """The folder with manifest and payload."""
        return self.folder / "artifacts"

    @property
    def manifest(self) -> OurPath:
        """What was collected."""
        return self.artifacts / "manifest.json"

    @property
    def payload(self) -> OurPath:
        """The collected files, at their place below the job folder."""
        return self.artifacts / "payload"

    @property
    def metrics(self) -> OurPath:
        """The folder of sampler files."""
        return self.folder / "metrics"

    @property
    def metrics_meta(self) -> OurPath:
        """How the collectors do."""
        return self.metrics / "meta.json"

    @property
    def trial_metrics(self) -> OurPath:
        """What a trial of a sweep tells of its progress."""
        return self.folder / "trial.jsonl"

    @property
    def nodes(self) -> OurPath:
        """Host names of the allocation, one a line."""
        return self.folder / "allocation" / "nodes.txt"

    def log(self, service: str) -> OurPath:
        """Raw output of a service."""
        return self.logs / f"{service_token(service)}.log"

    def log_index(self, service: str) -> OurPath:
        """Times of a service's log."""
        return self.logs / f"{service_token(service)}.idx.jsonl"

    def exits(self, service: str) -> OurPath:
        """One line per exit of a service."""
        return self.exits_folder / f"{service_token(service)}.jsonl"

    @property
    def exits_folder(self) -> OurPath:
        """The folder with the exits of each service."""
        return self.folder / "service-exits"


class StatePaths(Frozen):
    """What lies in the user's state folder, `~/.local/state/hpc-compose` unless XDG_STATE_HOME says otherwise."""

    state_dir: Path

    @property
    def folder(self) -> OurPath:
        """The state folder."""
        return OurPath(self.state_dir.parent) / self.state_dir.name

    @property
    def journal(self) -> OurPath:
        """One line per submission, of all projects."""
        return self.folder / "journal.jsonl"

    @property
    def monitors(self) -> OurPath:
        """The folder with one file per monitor of jobs of several projects."""
        return self.folder / "monitors"

    def scheduler_answers(self, which: Iterable[str]) -> OurPath:
        """The folder of what one scheduler answered lately on one host; `which` tells it from others."""
        digest = hashlib.sha256("\0".join(which).encode("utf-8", "surrogateescape")).hexdigest()
        return self.folder / "scheduler" / digest[:16]


class CachePaths(Frozen):
    """What lies in the image cache, `x-slurm.cache_dir`."""

    cache_dir: Path

    @property
    def folder(self) -> OurPath:
        """The cache: the user's folder, so a link to it is followed."""
        return OurPath(self.cache_dir)

    @property
    def base(self) -> OurPath:
        """Images as they were imported."""
        return self.folder / "base"

    @property
    def prepared(self) -> OurPath:
        """Customised images."""
        return self.folder / "prepared"

    @property
    def building(self) -> OurPath:
        """One folder for each build that goes on."""
        return self.folder / "building"

    @property
    def digests(self) -> OurPath:
        """What is known of the content of local image files."""
        return self.folder / "digests"

    def image(self, path: str) -> OurPath:
        """A cached image by the path that the plan gave it."""
        kind, name = path.removeprefix(f"{self.cache_dir}/").split("/", 1)
        return self.folder / kind / name

    def digest(self, path: str) -> OurPath:
        """What is known of the content of this local image file."""
        return self.digests / f"{hashlib.sha256(path.encode('utf-8', 'surrogatepass')).hexdigest()}.json"

    def runtime(self, job_id: str) -> OurPath:
        """The folders that Enroot uses in this job."""
        return self.folder / "runtime" / parse_job_id(job_id)


def image_record(image: OurPath) -> OurPath:
    """What is known of a cached image; written after it."""
    return image.folder / f"{image.name}.json"


def image_use(image: OurPath) -> OurPath:
    """An empty file whose time is that of the image's latest use."""
    return image.folder / f"{image.name}.used"


def image_lease(image: OurPath) -> OurPath:
    """There while somebody makes the image."""
    return image.folder / f"{image.name}.lease"


class ExportPaths(Frozen):
    """Where exported artifacts go."""

    export_dir: Path

    @property
    def folder(self) -> OurPath:
        """The export root, where the default bundle goes: the user's folder, so a link to it is followed."""
        return OurPath(self.export_dir)

    def bundle(self, name: str) -> OurPath:
        """The folder of a named bundle; the default one lies in the export root."""
        return self.folder if name == "default" else self.folder / "bundles" / _bundle_name(name)

    def provenance(self, name: str) -> OurPath:
        """Where the files of a bundle come from."""
        return self.folder / "_hpc-compose" / "bundles" / f"{_bundle_name(name)}.json"

    def tarball(self, name: str) -> OurPath:
        """The bundle as one file."""
        return self.folder / f"{_bundle_name(name)}.tar.gz"

    @property
    def lock(self) -> OurPath:
        """Held while an export goes on."""
        return self.folder / ".hpc-compose-export.lock"


def _bundle_name(name: str) -> str:
    if not _BUNDLE.fullmatch(name):
        raise ValueError(f"{name!r} is not a bundle name of letters, digits, _ and -")
    return name
