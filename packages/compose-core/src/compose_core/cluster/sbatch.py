"""`sbatch`: hand a script over once, and read what became of it.

The answer is believed only when it is plain: an id on the last line, or a refusal that is known to come without a job.
Everything else is ambiguous, because sbatch repeats its request inside and may fail after the job was taken.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from compose_core.cluster.engine import Accepted, Ambiguous, RefusalKind, Refused, SubmitAnswer
from compose_core.cluster.runner import Finished
from compose_core.cluster.token_mark import claim_argument, comment_of
from compose_core.errors import UsageError
from compose_core.job_state import JobId

_ID_LINE = re.compile(r"([1-9][0-9]*)(?:;(\S+))?", re.ASCII)

_REFUSED_OPTIONS = {
    "--wait": "it would hold the command until the job ends",
    "-W": "it would hold the command until the job ends",
    "--test-only": "no job would come of it",
    "--wrap": "the script is given already",
    "--help": "no job would come of it",
    "-h": "no job would come of it",
    "--usage": "no job would come of it",
    "--version": "no job would come of it",
    "-V": "no job would come of it",
}


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What one kind of message means."""

    pattern: re.Pattern[str]
    kind: RefusalKind
    remedy: str


def _verdict(pattern: str, kind: RefusalKind, remedy: str) -> _Verdict:
    return _Verdict(re.compile(pattern, re.IGNORECASE), kind, remedy)


_LOST_ANSWER = re.compile(
    r"Socket timed out|Zero Bytes were transmitted|Connection reset|Connection timed out|Unexpected message received"
    r"|Transport endpoint is not connected|Broken pipe|Message receive failure|Header lengths are longer",
    re.IGNORECASE,
)
"""The request may have arrived although the answer did not. Looked for first: such a line overrules any other."""

_VERDICTS = (
    _verdict(
        r"Unable to contact slurm controller|Slurm backup controller in standby",
        "unreachable",
        "The controller does not answer: try again later; `scontrol ping` shows when it is back.",
    ),
    _verdict(
        r"Could not establish a configuration source|Unable to establish configuration source|failed to fetch config"
        r"|Unable to process configuration file",
        "unconfigured",
        "Slurm is installed here, but finds no configuration: check SLURM_CONF, or choose the local engine (--engine local).",
    ),
    _verdict(
        r"Protocol authentication error|Invalid authentication credential|munge",
        "unreachable",
        "The authentication service does not work on this host: ask the site's staff, or use another login node.",
    ),
    _verdict(
        r"(?:QOS|Assoc)\w*MaxSubmit|(?:QOS|Assoc)\w*MaxJobs|AssocGrpSubmitJobsLimit|QOSGrpSubmitJobsLimit",
        "limit",
        "You have as many jobs as the site allows: wait for some to end, or cancel some.",
    ),
    _verdict(
        r"(?:QOS|Assoc)\w*(?:MaxWall|MaxNode|MaxCpu|MaxTRES|MaxGRES|MaxMem|MinCpu|MinGRES|MinTRES)\w*",
        "permanent",
        "The job asks for more than your account or QOS allows: lower x-slurm.time, nodes, cpus, mem or gpus, or use another QOS.",
    ),
    _verdict(
        r"Job violates accounting/QOS policy",
        "limit",
        "A limit of your account or QOS is reached: wait for jobs to end, or ask for less time or fewer resources.",
    ),
    _verdict(
        r"Resource temporarily unavailable|temporarily unable to accept job|Required partition not available"
        r"|Job submission disabled|rate limit",
        "limit",
        "The scheduler takes no more jobs right now: try again later.",
    ),
    _verdict(
        r"invalid partition", "permanent", "Set x-slurm.partition to one of those that `sinfo --summarize` lists."
    ),
    _verdict(
        r"Invalid account|account or account/partition combination|Unable to find account",
        "permanent",
        "Set x-slurm.account to one of yours: `sacctmgr show associations user=$USER` lists them.",
    ),
    _verdict(r"invalid qos", "permanent", "Set x-slurm.qos to one that your account may use."),
    _verdict(
        r"Invalid (?:feature|constraint)",
        "permanent",
        "Set x-slurm.constraint to features that `sinfo --format=%f` lists.",
    ),
    _verdict(
        r"Invalid generic resource|Invalid Trackable RESource|Invalid GRES",
        "permanent",
        "Ask for GPUs that the partition has: `sinfo --format='%P %G'` lists them.",
    ),
    _verdict(
        r"Requested node configuration is not available|More processors requested than permitted"
        r"|Node count specification invalid|Memory specification can not be satisfied|Invalid node name|CPU count"
        r"|Unable to satisfy cpu bind request|Requested nodes",
        "permanent",
        "No node of that partition has what the job asks for: lower nodes, cpus, mem or gpus, or take another partition.",
    ),
    _verdict(r"time limit", "permanent", "Set x-slurm.time to a time that the partition allows; `sinfo` shows it."),
    _verdict(
        r"Invalid job array|array specification", "permanent", "Make the array smaller: the site has a MaxArraySize."
    ),
    _verdict(r"dependency", "permanent", "Check x-slurm.after_job and dependency: the job named there has to exist."),
    _verdict(
        r"reservation", "permanent", "Check x-slurm.reservation: `scontrol show reservation` lists those you may use."
    ),
    _verdict(r"license", "permanent", "Check x-slurm.licenses: `scontrol show licenses` lists them."),
    _verdict(
        r"Access/permission denied|User's group not permitted|not permitted to use this partition|Invalid user id",
        "permanent",
        "You may not use that partition, account or reservation: take another one, or ask the site's staff.",
    ),
    _verdict(
        r"DOS line breaks|does not look like a batch script|Batch script is empty|NULL character"
        r"|Pathname of a file, directory or other parameter too long|Invalid directive found",
        "permanent",
        "The scheduler refuses the script's text: look at `hpcc render`, and at x-slurm.submit_args and setup.",
    ),
    _verdict(
        r"unrecognized option|invalid option|requires an argument|Invalid --|Invalid argument|Invalid numeric value"
        r"|Unable to open file|invalid .* specification|Invalid time|fatal: ",
        "permanent",
        "sbatch does not accept one of the options: look at x-slurm and its submit_args.",
    ),
    _verdict(
        r"submission failed: (?:Unspecified error|Incompatible versions|Invalid job credential)",
        "permanent",
        "The site's own checks refuse the job: its message is above.",
    ),
)


def sbatch_argv(program: str, token: str, script: Path, extra_args: Sequence[str] = ()) -> list[str]:
    """The call that submits `script` under `token`.

    The comment comes last, so nothing in `extra_args` replaces it; a comment given there is kept behind the token.
    Output is appended because a requeued job starts over with the same file.

    Raises: ValueError: no token.  UsageError: an extra option with which no job would come of it, or not at once.
    """
    options, user_comment = _without_comment(extra_args)
    return [
        program,
        "--parsable",
        "--open-mode=append",
        *options,
        f"--comment={comment_of(token, user_comment)}",
        str(script),
        claim_argument(token),
    ]


def parse_sbatch(answer: Finished) -> SubmitAnswer:
    """What the end of sbatch says: an id, a refusal that is known, or nothing that can be relied on.

    Lines before the last one (a message of the day, a wrapper's chatter) and notices on stderr are tolerated.
    """
    lines = [line.strip() for line in answer.stdout.splitlines() if line.strip()]
    match = _ID_LINE.fullmatch(lines[-1]) if lines else None
    said = answer.stderr.strip()
    if answer.rc == 0 and match:
        return Accepted(job_id=JobId(match[1]), cluster=match[2], notice=said)
    if answer.rc == 0:
        return Ambiguous(message=f"sbatch succeeded but printed no job id: {_shown(answer)}")
    if answer.rc < 0 or match:
        return Ambiguous(message=f"sbatch ended with status {answer.rc}: {_shown(answer)}")
    return _refusal(answer)


def _refusal(answer: Finished) -> SubmitAnswer:
    text = f"{answer.stderr}\n{answer.stdout}"
    if _LOST_ANSWER.search(text):
        return Ambiguous(message=f"sbatch got no answer from the controller: {_shown(answer)}")
    for verdict in _VERDICTS:
        if verdict.pattern.search(text):
            return Refused(kind=verdict.kind, message=_shown(answer), remedy=verdict.remedy)
    return Ambiguous(message=f"sbatch ended with status {answer.rc}: {_shown(answer)}")


def _shown(answer: Finished) -> str:
    """The program's last words, short enough for one line of an error."""
    lines = [line.strip() for line in f"{answer.stdout}\n{answer.stderr}".splitlines() if line.strip()]
    return " / ".join(lines[-3:])[:500] or "it said nothing"


def _without_comment(extra_args: Sequence[str]) -> tuple[list[str], str]:
    options: list[str] = []
    comment = ""
    arguments = iter(extra_args)
    for argument in arguments:
        name = argument.split("=", 1)[0]
        if name in _REFUSED_OPTIONS:
            raise UsageError(
                f"the sbatch option {name} cannot be used: {_REFUSED_OPTIONS[name]}",
                remedy="Remove it from x-slurm.submit_args.",
                code="sbatch-option",
            )
        if name == "--comment":
            comment = argument.partition("=")[2] if "=" in argument else next(arguments, "")
        else:
            options.append(argument)
    return options, comment
