"""Likely causes of a failure, and what in a log or a state points to each: a table that anybody can extend."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownCause:
    """One row of the table of causes."""

    name: str
    """A word for programs; it stays the same."""
    title: str
    """What happened, in one sentence."""
    patterns: tuple[str, ...] = ()
    """Regular expressions, one of which a line of a log holds."""
    states: tuple[str, ...] = ()
    """States of the job that say it."""
    causes: tuple[str, ...] = ()
    """Causes of its end, in the supervisor's words, that say it."""
    reasons: tuple[str, ...] = ()
    """Slurm's reasons that say it."""
    codes: tuple[int, ...] = ()
    """Exit codes of the failing service that say it."""
    advice: str
    """What to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LikelyCause:
    """A cause that fits, with what speaks for it."""

    name: str
    title: str
    evidence: tuple[str, ...]
    advice: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Symptoms:
    """What is known of a job that a cause can be found in."""

    state: str
    cause: str | None = None
    reason: str = ""
    exit_code: int | None = None
    """Of the service that failed first, else of the job."""
    texts: Sequence[tuple[str, Sequence[str]]] = ()
    """Name and last lines of each log, the most telling one first."""


KNOWN_CAUSES: tuple[KnownCause, ...] = (
    KnownCause(
        name="out_of_memory",
        title="it needed more memory than it had asked for",
        patterns=(
            r"oom[-_ ]kill|Out Of Memory|out-of-memory handler|Detected \d+ oom",
            r"\bMemoryError\b|std::bad_alloc|Cannot allocate memory|java\.lang\.OutOfMemoryError",
            r"Exceeded (?:job|step) memory limit",
        ),
        states=("OUT_OF_MEMORY",),
        reasons=("OutOfMemory",),
        advice="Raise x-slurm.mem of the job or the service; `hpcc stats` shows how much it took.",
    ),
    KnownCause(
        name="time_limit",
        title="it reached its time limit",
        patterns=(r"DUE TO TIME LIMIT", r"its time limit was reached"),
        states=("TIMEOUT", "DEADLINE"),
        causes=("time_limit",),
        reasons=("TimeLimit",),
        advice="Raise x-slurm.time, or go on from a checkpoint with x-slurm.resume and x-slurm.signal.",
    ),
    KnownCause(
        name="node_failed",
        title="a node of the job failed",
        patterns=(r"DUE TO NODE FAILURE", r"Node failure on \S+"),
        states=("NODE_FAIL", "BOOT_FAIL"),
        causes=("node_failed",),
        reasons=("NodeDown", "NodeFail"),
        advice="Submit it again; with x-slurm.requeue Slurm does that by itself. Tell the administrators when one node fails often.",
    ),
    KnownCause(
        name="preempted",
        title="a job with a higher priority took its place",
        patterns=(r"DUE TO PREEMPTION",),
        states=("PREEMPTED",),
        causes=("preempted",),
        advice="x-slurm.requeue brings it back into the queue, x-slurm.resume lets it go on; another partition may not preempt.",
    ),
    KnownCause(
        name="cancelled",
        title="somebody cancelled it",
        patterns=(r"CANCELLED AT \S+ \*\*\*$",),
        states=("CANCELLED",),
        causes=("cancelled",),
        advice="Submit it again if that was not meant.",
    ),
    KnownCause(
        name="readiness_never_met",
        title="a service did not become ready in time",
        patterns=(r"not ready in time: ",),
        causes=("readiness_failed",),
        advice="Look whether it listens where `readiness` looks (port, host, path, log pattern), or raise readiness.timeout_seconds.",
    ),
    KnownCause(
        name="dependency_failed",
        title="a service that others wait for failed",
        causes=("dependency_failed",),
        advice="Look at the log of the service that failed first.",
    ),
    KnownCause(
        name="crash_loop",
        title="a service failed again and again until its restarts were used up",
        causes=("restarts_exhausted", "window_exhausted"),
        advice="Look at why it fails; more restarts only help when the cause goes away by itself (failure_policy).",
    ),
    KnownCause(
        name="assertion_failed",
        title="what `assert` asks for does not hold",
        causes=("assertion_failed",),
        advice="The lines `assert` of `hpcc status` say what is missing.",
    ),
    KnownCause(
        name="dependency_never_satisfied",
        title="a job that it waits for ended otherwise than asked",
        reasons=("DependencyNeverSatisfied",),
        advice="Cancel it and submit it again without x-slurm.after_job, or after that job has succeeded.",
    ),
    KnownCause(
        name="log_or_folder_missing",
        title="Slurm could not start the script: its log's folder or its working folder is not there on the node",
        patterns=(r"couldn't chdir to", r"Could not open stdout file"),
        reasons=("JobLaunchFailure",),
        codes=(53,),
        advice="Put the project and x-slurm.output on a file system that the nodes share (`hpcc preflight`).",
    ),
    KnownCause(
        name="supervisor_error",
        title="the program that starts the services could not do its work",
        causes=("supervisor_error",),
        advice="The batch log says why: `hpcc debug` shows its end.",
    ),
    KnownCause(
        name="no_python_on_node",
        title="the node has no Python 3.6 or newer for the supervisor",
        patterns=(r"hpc-compose: no python3 on ",),
        advice="Load one in x-slurm.setup or x-slurm.modules, or set HPC_COMPOSE_PYTHON.",
    ),
    KnownCause(
        name="image_not_found",
        title="a container image is not there",
        patterns=(
            r"pyxis: .*(?:failed to import|couldn't|could not).*image|pyxis: failed to create container",
            r"\[ERROR\] (?:URL|No such file or directory|Could not process).*",
            r"manifest (?:unknown|for .* not found)|requested access to the resource is denied|repository does not exist",
            r"FATAL:.*(?:could not open image|image.*no such file|while loading)",
        ),
        advice="Check the name, run `hpcc prepare`, and see that x-slurm.cache_dir is shared with the nodes.",
    ),
    KnownCause(
        name="cuda_out_of_memory",
        title="the GPU has not enough memory",
        patterns=(r"CUDA out of memory|CUDA_ERROR_OUT_OF_MEMORY|cudaErrorMemoryAllocation|HIP out of memory",),
        advice="Take a smaller batch or model, more GPUs, or GPUs with more memory; see who else uses the GPU.",
    ),
    KnownCause(
        name="no_gpu",
        title="the program found no GPU",
        patterns=(
            r"no CUDA-capable device|CUDA_ERROR_NO_DEVICE|No CUDA GPUs are available|cudaErrorNoDevice",
            r"Found no NVIDIA driver|NVIDIA-SMI has failed|libcuda\.so\.1: cannot open|no ROCm-capable device",
        ),
        advice="Ask for one: x-slurm.gpus of the job, gres of the service; the image needs the right CUDA version.",
    ),
    KnownCause(
        name="wrong_gpu_kind",
        title="the program was not built for this kind of GPU, or for this driver",
        patterns=(
            r"no kernel image is available for execution|CUDA driver version is insufficient|forward compatibility was attempted",
        ),
        advice="Take an image that fits the GPUs and the driver of the nodes, or ask for other GPUs.",
    ),
    KnownCause(
        name="nccl",
        title="the processes of a distributed program did not find each other or lost each other",
        patterns=(
            r"NCCL (?:WARN|error)|ncclSystemError|ncclUnhandledCudaError|ncclRemoteError|ProcessGroupNCCL.*(?:timeout|timed out)",
            r"c10d.*(?:timed? ?out|failed to connect)|RendezvousTimeoutError",
        ),
        advice="Check MASTER_ADDR and MASTER_PORT, the network interface (NCCL_SOCKET_IFNAME), and the log of every rank.",
    ),
    KnownCause(
        name="port_in_use",
        title="a port was taken already: nodes are shared, and so are their ports",
        patterns=(r"[Aa]ddress already in use|EADDRINUSE|[Pp]ort \d+ (?:is )?(?:already )?in use|bind\(\).*failed",),
        advice="Ask for a free one with x-slurm.ports and use @{service.port.NAME}.",
    ),
    KnownCause(
        name="command_not_found",
        title="a command was not found",
        patterns=(r"command not found|: not found$|executable file not found|execve\(\): .*No such file or directory",),
        codes=(127,),
        advice="Check its name and PATH in the image or on the node; load modules in x-slurm.setup.",
    ),
    KnownCause(
        name="python_import",
        title="a Python module is missing",
        patterns=(r"ModuleNotFoundError: .*|ImportError: .*",),
        advice="Install it in the image (x-runtime.prepare) or in the environment that the command uses.",
    ),
    KnownCause(
        name="shared_library",
        title="a shared library is missing or too old",
        patterns=(r"error while loading shared libraries|version `GLIBC\S*' not found|GLIBCXX_\S+' not found",),
        advice="Load the module that has it, or use the image that the program was built in.",
    ),
    KnownCause(
        name="wrong_machine",
        title="the program was built for another kind of machine",
        patterns=(r"[Ee]xec format error|[Ii]llegal instruction",),
        advice="Take an image or a build for the nodes' architecture; a script needs its #! line.",
    ),
    KnownCause(
        name="permission_denied",
        title="the permission for a file is missing",
        patterns=(r"[Pp]ermission denied|EACCES|Operation not permitted",),
        codes=(126,),
        advice="Look at the file's owner and mode as the job sees it, also inside the container; make scripts executable.",
    ),
    KnownCause(
        name="read_only",
        title="the program wrote where nothing can be written",
        patterns=(r"Read-only file system|EROFS",),
        advice="Write to a mounted folder or to /hpc-compose/job; images are read-only.",
    ),
    KnownCause(
        name="disk_full",
        title="there was no room left on a file system",
        patterns=(r"No space left on device|ENOSPC|[Dd]isk quota exceeded|EDQUOT",),
        advice="Free some space (`df`, `quota`), or write elsewhere.",
    ),
    KnownCause(
        name="no_such_file",
        title="a file or folder is not there",
        patterns=(r"No such file or directory|FileNotFoundError|can't open file|cannot open .*: No such file",),
        advice="Check the path as the job sees it: relative paths start in working_dir, and only shared folders exist on the nodes.",
    ),
    KnownCause(
        name="connection_refused",
        title="another service or host did not answer",
        patterns=(
            r"[Cc]onnection refused|ECONNREFUSED|Name or service not known|Temporary failure in name resolution",
        ),
        advice="Let it wait with depends_on and readiness; services reach each other by HPC_COMPOSE_<SERVICE>_HOST. "
        "Compute nodes often have no way to the internet.",
    ),
    KnownCause(
        name="step_refused",
        title="Slurm could not start a step of the job",
        patterns=(
            r"srun: error: Unable to create step|Requested node configuration is not available"
            r"|More processors requested than permitted|Invalid generic resource",
        ),
        advice="The service asks for more than the job has: compare them with `hpcc plan`.",
    ),
    KnownCause(
        name="crash",
        title="the program crashed",
        patterns=(r"[Ss]egmentation fault|Bus error|core dumped|SIGSEGV",),
        codes=(139, 134, 135, 136),
        advice="Look at the last lines of its log; libraries that do not fit together are the usual cause.",
    ),
    KnownCause(
        name="killed",
        title="the program was killed",
        patterns=(r"^Killed$|\bKilled\b.*\d+$",),
        codes=(137,),
        advice="Lack of memory is the usual cause where nobody cancelled it: see `hpcc stats` and raise x-slurm.mem.",
    ),
    KnownCause(
        name="python_error",
        title="a Python program ended with an error",
        patterns=(r"^[\w.]*(?:Error|Exception)(?:: .*)?$",),
        advice="The lines above it in the log say where.",
    ),
)
"""The most telling first: of two that fit, the upper one is named first."""

_MOST_LINES = 2
_LONGEST_EVIDENCE = 240
_COMPILED = [(cause, [re.compile(pattern) for pattern in cause.patterns]) for cause in KNOWN_CAUSES]


def likely_causes(symptoms: Symptoms) -> tuple[LikelyCause, ...]:
    """The causes that fit, the most telling first, each with what speaks for it.

    One that nothing speaks for but what a more telling one explains is left out.
    """
    found = []
    explained: set[str] = set()
    for cause, patterns in _COMPILED:
        evidence = (*_from_state(cause, symptoms), *_from_texts(patterns, symptoms.texts))
        if not explained.issuperset(evidence):
            explained.update(evidence)
            found.append(LikelyCause(name=cause.name, title=cause.title, evidence=evidence, advice=cause.advice))
    return tuple(found)


def _from_state(cause: KnownCause, symptoms: Symptoms) -> Iterable[str]:
    if symptoms.state in cause.states:
        yield f"the job's state is {symptoms.state}"
    if symptoms.cause in cause.causes:
        yield f"the job ended for this cause: {symptoms.cause}"
    reason = symptoms.reason.partition(",")[0].strip()
    if reason and reason in cause.reasons:
        yield f"Slurm's reason is {reason}"
    if symptoms.exit_code in cause.codes:
        yield f"exit code {symptoms.exit_code}"


def _from_texts(patterns: Sequence[re.Pattern[str]], texts: Sequence[tuple[str, Sequence[str]]]) -> Iterable[str]:
    """The last lines that hold one of the patterns, with the name of their log."""
    for name, lines in texts:
        matching = [line for line in lines if any(pattern.search(line) for pattern in patterns)]
        for line in dict.fromkeys(matching[-_MOST_LINES:]):
            yield f"{name}: {line.strip()[:_LONGEST_EVIDENCE]}"
