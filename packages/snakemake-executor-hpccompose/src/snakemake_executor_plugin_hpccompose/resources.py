"""What a rule asks for: every resource name that this executor understands, read into one typed request.

The names are those of snakemake-executor-plugin-slurm, so profiles and Snakefiles need no change. Numbers may come as numbers or as
text. 0 asks for nothing; a negative figure is an error, except for `cpus_per_task`, `cpus_per_gpu` and `tasks_per_gpu`, where it means
that Slurm shall not be told.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from compose_core import sbatch_options
from snakemake_executor_plugin_hpccompose.durations import minutes_of
from snakemake_executor_plugin_hpccompose.errors import RuleError
from snakemake_executor_plugin_hpccompose.rule_facts import RuleFacts

_WORDS = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]*")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_GRES = re.compile(r"[A-Za-z0-9_./-]+(?::[A-Za-z0-9_.-]+)?(?::[0-9]+[KMGTkmgt]?)?")
_MEMORY = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([KMGTP]?)(i?)B?", re.IGNORECASE)
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})
_CLUSTERS = ("clusters", "cluster", "slurm_cluster")

_INSTEAD: Mapping[str, str] = {
    "--account": "slurm_account", "-A": "slurm_account",
    "--partition": "slurm_partition", "-p": "slurm_partition",
    "--qos": "qos", "-q": "qos",
    "--reservation": "reservation",
    "--time": "runtime", "-t": "runtime",
    "--mem": "mem_mb", "--mem-per-cpu": "mem_mb_per_cpu",
    "--cpus-per-task": "cpus_per_task", "-c": "cpus_per_task",
    "--cpus-per-gpu": "cpus_per_gpu",
    "--nodes": "nodes", "-N": "nodes",
    "--ntasks": "tasks", "-n": "tasks",
    "--ntasks-per-node": "tasks_per_node",
    "--ntasks-per-gpu": "tasks_per_gpu",
    "--gpus": "gpu", "-G": "gpu",
    "--gres": "gres",
    "--constraint": "constraint", "-C": "constraint",
    "--clusters": "clusters", "--cluster": "clusters", "-M": "clusters",
    "--requeue": "requeue", "--no-requeue": "requeue",
}  # fmt: skip
"""Options of sbatch that a resource stands for."""
_OURS: Mapping[str, str] = {
    "--job-name": "the executor names jobs", "-J": "the executor names jobs",
    "--output": "the executor keeps logs by rule", "-o": "the executor keeps logs by rule",
    "--error": "the executor keeps logs by rule", "-e": "the executor keeps logs by rule",
    "--export": "jobs get the environment of Snakemake",
    "--chdir": "jobs run in the folder of the workflow", "-D": "jobs run in the folder of the workflow",
    "--comment": "it carries what a job is found again by",
    "--array": "the executor makes arrays of jobs of the same shape", "-a": "the executor makes arrays of jobs of the same shape",
    "--wrap": "the script of the job is made from the rule",
    "--parsable": "the executor decides how sbatch answers",
    "--wait": "sbatch would not return", "-W": "sbatch would not return",
    "--dependency": "Snakemake decides when a job may start", "-d": "Snakemake decides when a job may start",
    "--test-only": "nothing would be submitted",
    "--batch": "the job's script runs on its first node",
    "--quiet": "the executor decides how sbatch answers", "-Q": "the executor decides how sbatch answers",
    "--open-mode": "a job that is put back into the queue goes on in its log",
    "--help": "no job would come of it", "-h": "no job would come of it",
    "--usage": "no job would come of it",
    "--version": "no job would come of it", "-V": "no job would come of it",
}  # fmt: skip

_WHERE = ("slurm_partition", "slurm_account", "qos", "reservation", "constraint", *_CLUSTERS)
_HOW_MUCH = ("runtime", "mem_mb", "mem_mib", "mem", "mem_mb_per_cpu", "nodes", "gpu", "gpu_model", "gres")
_CPUS = ("threads", "cpus_per_task", "cpus_per_gpu", "tasks", "tasks_per_node", "tasks_per_gpu", "mpi")
_HOW = ("requeue", "slurm_requeue", "slurm_extra", "compose", "compose_main", "needs", "pack")
NAMES = frozenset((*_WHERE, *_HOW_MUCH, *_CPUS, *_HOW))
"""Every resource that is read here; others are Snakemake's own business."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What one job asks for, without what its services add."""

    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    reservation: str | None = None
    constraint: str | None = None
    clusters: str | None = None
    runtime_min: int | None = None
    mem_mb: int | None = None
    """On each node."""
    mem_mb_per_cpu: int | None = None
    """Wins over `mem_mb`."""
    threads: int = 1
    cpus_per_task: int | None = None
    """None: Slurm is not told."""
    cpus_per_gpu: int | None = None
    nodes: int | None = None
    tasks: int | None = None
    tasks_per_node: int | None = None
    gpus: int | None = None
    gpu_model: str | None = None
    gres: str | None = None
    mpi: str | None = None
    """The launcher that the rule's own command calls."""
    requeue: bool | None = None
    extra: tuple[str, ...] = ()
    """Further options of sbatch, each with its value."""
    compose: str | None = None
    compose_main: str | None = None
    needs: tuple[str, ...] = ()
    pack: int | None = None

    @property
    def gpu_count(self) -> int:
        """GPUs, whichever way they are asked for."""
        return self.gpus or gres_gpus(self.gres)[0]

    @property
    def gpu_kind(self) -> str | None:
        """The model, if one is asked for."""
        return self.gpu_model or gres_gpus(self.gres)[1]


def request_of(facts: RuleFacts) -> Request:
    """The request of a job.

    Raises: RuleError: a resource has a value that it cannot have.
    """
    read = _Reader(facts)
    gpus, gpu_model, gres = read.gpus()
    return Request(
        partition=read.word("slurm_partition"),
        account=_first(read.word("slurm_account")),
        qos=read.word("qos"),
        reservation=read.word("reservation"),
        constraint=read.word("constraint"),
        clusters=read.clusters(),
        runtime_min=read.runtime(),
        mem_mb=read.memory(),
        mem_mb_per_cpu=read.count("mem_mb_per_cpu"),
        threads=read.threads(),
        cpus_per_task=read.cpus_per_task(has_gpus=bool(gpus) or "gpu" in (gres or "")),
        cpus_per_gpu=read.cpus_per_gpu(has_gpus=bool(gpus) or "gpu" in (gres or "")),
        nodes=read.count("nodes"),
        tasks=read.tasks(gpus),
        tasks_per_node=read.count("tasks_per_node"),
        gpus=gpus,
        gpu_model=gpu_model,
        gres=gres,
        mpi=read.mpi(),
        requeue=read.flag("requeue", "slurm_requeue"),
        extra=read.extra(),
        compose=read.word("compose"),
        compose_main=read.word("compose_main"),
        needs=tuple(word for word in re.split(r"[,\s]+", read.word("needs") or "") if word),
        pack=read.count("pack"),
    )


def gres_gpus(gres: str | None) -> tuple[int, str | None]:
    """How many GPUs a text such as `gpu:a100:2` asks for, and of which model."""
    for item in (gres or "").split(","):
        name, *rest = item.strip().split(":")
        if name != "gpu":
            continue
        count = int(rest[-1]) if rest and rest[-1].isdecimal() else 1
        model = next((word for word in rest if not word.isdecimal()), None)
        return count, model
    return 0, None


def _first(accounts: str | None) -> str | None:
    """Of several accounts, the first counts."""
    words = re.split(r"[,\s]+", accounts.strip()) if accounts else []
    return words[0] if words and words[0] else None


class _Reader:
    """Reads resources of one job, and names rule and resource in every error."""

    def __init__(self, facts: RuleFacts) -> None:
        self._facts = facts
        self._resources = facts.resources

    def error(self, name: str, expected: str, *, remedy: str = "") -> RuleError:
        shown = repr(str(self._resources.get(name)))[:80]
        what = f"the resource {name} has to be {expected}; {shown} was found."
        return RuleError(self._facts.title, what, remedy=remedy)

    def word(self, name: str) -> str | None:
        """Text on one line; None where there is none. Quotes around all of it, as profiles often have them, are taken off."""
        value = self._resources.get(name)
        if value is None:
            return None
        text = unquoted(str(value).strip())
        if not _WORDS.fullmatch(text):
            raise self.error(name, "text on one line, without control characters")
        return text or None

    def integer(self, name: str) -> int | None:
        """A whole number of either sign; None where there is none."""
        text = self.word(name)
        if text is None:
            return None
        try:
            return int(text)
        except ValueError:
            raise self.error(name, "a whole number") from None

    def count(self, name: str) -> int | None:
        """At least 1; 0 asks for nothing."""
        value = self.integer(name)
        if value is not None and value < 0:
            raise self.error(name, "0 or more")
        return value or None

    def flag(self, *names: str) -> bool | None:
        """True or false in the words that profiles use; the first name that is given counts."""
        for name in names:
            text = (self.word(name) or "").lower()
            if text in _TRUE:
                return True
            if text in _FALSE:
                return False
            if text:
                raise self.error(name, "true or false")
        return None

    def runtime(self) -> int | None:
        """Minutes, from a number of them or from text such as 2h, 1d12h or 1-00:30:00."""
        text = self.word("runtime")
        if text is None:
            return None
        try:
            return minutes_of(text) or None
        except ValueError:
            raise self.error("runtime", "a number of minutes, or a time such as 90m, 2h or 1-12:00:00") from None

    def memory(self) -> int | None:
        """`mem_mb`, else `mem_mib`, else `mem` with its unit, in the megabytes that Slurm counts in."""
        if (given := self.count("mem_mb")) is not None:
            return given
        if (given := self.count("mem_mib")) is not None:
            return given
        text = self.word("mem")
        if text is None:
            return None
        match = _MEMORY.fullmatch(text)
        if match is None:
            raise self.error("mem", "a size such as 4GB or 512MiB")
        factor = {"": 1 / 1e6, "K": 1e-3, "M": 1.0, "G": 1e3, "T": 1e6, "P": 1e9}[match[2].upper()]
        return max(1, round(float(match[1]) * (factor if match[2] else 1)))

    def threads(self) -> int:
        """Those of the rule; where it has one, those of a resource `threads`."""
        if self._facts.threads > 1:
            return self._facts.threads
        return self.count("threads") or 1

    def cpus_per_task(self, *, has_gpus: bool) -> int | None:
        """As asked for, else the threads; None: Slurm is not told."""
        asked = self.integer("cpus_per_task")
        if asked is not None:
            return max(1, asked) if asked >= 0 else None
        if has_gpus and self.integer("cpus_per_gpu") is not None:
            return None
        return self.threads()

    def cpus_per_gpu(self, *, has_gpus: bool) -> int | None:
        """Only for jobs with GPUs, and where `cpus_per_task` does not say it."""
        asked = self.integer("cpus_per_gpu")
        if asked is None or asked <= 0 or not has_gpus or self.integer("cpus_per_task") is not None:
            return None
        return asked

    def tasks(self, gpus: int | None) -> int | None:
        """`tasks`, else so many for each GPU; an MPI job has to say one of the ways."""
        tasks = self.count("tasks")
        if tasks is None and gpus and (per_gpu := self.integer("tasks_per_gpu") or 0) > 1:
            tasks = gpus * per_gpu
        return tasks

    def mpi(self) -> str | None:
        """The launcher; the command of the rule calls it."""
        launcher = self.word("mpi")
        if launcher and not (self.count("tasks") or self.count("tasks_per_node") or self.count("nodes")):
            what = "the rule has the resource mpi, but says nothing of its tasks."
            raise RuleError(self._facts.title, what, remedy="Set tasks, or tasks_per_node.")
        return launcher

    def gpus(self) -> tuple[int | None, str | None, str | None]:
        """Count, model and generic resources."""
        gpus, model, gres = self.count("gpu"), self.word("gpu_model"), self.word("gres")
        if gres and not all(_GRES.fullmatch(item.strip()) for item in gres.split(",")):
            raise self.error("gres", "like gpu:2 or gpu:a100:2", remedy="Several are separated by commas.")
        if model and not _NAME.fullmatch(model):
            raise self.error("gpu_model", "the name of a model, such as a100")
        if model and not gpus:
            what = f"the resource gpu_model={model} says of which kind GPUs are, but the rule asks for none."
            raise RuleError(self._facts.title, what, remedy="Set gpu to their number.")
        if gpus and gres_gpus(gres)[0]:
            what = "the rule asks for GPUs by gpu and by gres."
            raise RuleError(self._facts.title, what, remedy="Keep one of both.")
        return gpus, model, gres

    def clusters(self) -> str | None:
        """One or several clusters; three names mean the same."""
        given = {name: text for name in _CLUSTERS if (text := self.word(name))}
        if len(set(given.values())) > 1:
            what = f"the resources {' and '.join(given)} name different clusters."
            raise RuleError(self._facts.title, what, remedy="Keep one of them.")
        return next(iter(given.values()), None)

    def extra(self) -> tuple[str, ...]:
        """The options of `slurm_extra`, each with its value, as lines of the job's script hold them."""
        text = self.word("slurm_extra")
        if text is None:
            return ()
        try:
            words = shlex.split(text)
        except ValueError:
            raise self.error("slurm_extra", "words as on a command line, with closed quotes") from None
        options = joined_options(words)
        for option in sbatch_options(options):
            self._check_extra(option.option, option.text)
        return options

    def _check_extra(self, option: str | None, text: str) -> None:
        if option is None:
            what = f"slurm_extra holds {text!r}, which belongs to no option."
            raise RuleError(self._facts.title, what, remedy="Write --option=value.")
        if option in _INSTEAD:
            what = f"slurm_extra cannot hold {option}: the executor sets it."
            raise RuleError(self._facts.title, what, remedy=f"Use the resource {_INSTEAD[option]}.")
        if option in _OURS:
            what = f"slurm_extra cannot hold {option}: {_OURS[option]}."
            raise RuleError(self._facts.title, what, remedy="Remove it.")


def unquoted(text: str) -> str:
    """The text without quotes that enclose all of it."""
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "'\"" and text[0] not in text[1:-1]:
        return text[1:-1].strip()
    return text


def joined_options(words: list[str]) -> tuple[str, ...]:
    """Words of a command line as options with their values, each quoted as sbatch reads it behind `#SBATCH`."""
    options: list[str] = []
    for word in words:
        if word.startswith("-") or not options:
            options.append(_directive_word(word))
        else:
            options[-1] += f" {_directive_word(word)}"
    return tuple(options)


def _directive_word(word: str) -> str:
    return shlex.quote(word).replace("\\", "\\\\")
