"""The environment that a job inherits: the user's, without an outer job's variables, secrets and shell functions."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

KEPT = frozenset({"SLURM_CONF", "SLURM_CLUSTERS"})
"""They say which cluster is meant, so tools inside the job need them as the user's shell does."""

_OUTER_JOB_PREFIXES = (
    "SLURM_",
    "SLURMD_",
    "SLURMCTLD_",
    "SBATCH_",
    "SALLOC_",
    "SRUN_",
    "SCANCEL_",
    "SQUEUE_",
    "SACCT_",
    "SINFO_",
    "SCONTROL_",
    "SSTAT_",
    "SPANK_",
    "PYXIS_",
    "PMI_",
    "PMI2_",
    "PMIX_",
    "OMPI_",
    "OPAL_",
    "PRTE_",
    "HYDRA_",
    "MPI_LOCAL",
    "HPC_COMPOSE_",
    "BASH_FUNC_",
)
_OUTER_JOB_NAMES = frozenset({"BASH_ENV", "ENV", "SHELLOPTS", "BASHOPTS", "PS4", "ENVIRONMENT", "PROLOG_EPILOG_MARKER"})
"""`SHELLOPTS`, `BASHOPTS` and `BASH_ENV` change what bash does with the job script before its first line."""

_OURS = frozenset({"HPC_COMPOSE_PYTHON", "HPC_COMPOSE_KILL_WAIT_S"})
"""Settings of ours that a user exports for jobs; every other HPC_COMPOSE_ name describes an outer job."""

_SECRET_PARTS = re.compile(r"SECRET|PASSWORD|PASSWD|PASSPHRASE|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY|CREDENTIAL")
_SECRET_WORDS = frozenset({"TOKEN", "TOKENS", "AUTH", "COOKIE", "COOKIES", "SESSION", "BEARER", "JWT"})
"""Whole words only, so TOKENIZERS_PARALLELISM and GIT_AUTHOR_NAME stay."""


def looks_secret(name: str) -> bool:
    """The variable's name says that its value is a secret or opens one, such as HF_TOKEN or SSH_AUTH_SOCK."""
    upper = name.upper()
    words = set(re.split(r"[^A-Z0-9]+", upper))
    return bool(_SECRET_PARTS.search(upper)) or bool(words & _SECRET_WORDS) or upper.endswith("_PWD")


def belongs_to_outer_job(name: str) -> bool:
    """The variable describes the job, step or tool call that this process runs in, or changes what bash does."""
    if name in KEPT or name in _OURS:
        return False
    return name in _OUTER_JOB_NAMES or name.startswith(_OUTER_JOB_PREFIXES) or name.endswith("%%")


def job_environment(environment: Mapping[str, str], keep: Collection[str] = ()) -> dict[str, str]:
    """What a new job may inherit of `environment`; the names in `keep` also when they look secret."""
    return {
        name: value
        for name, value in environment.items()
        if not belongs_to_outer_job(name) and (name in keep or not looks_secret(name)) and "\0" not in value
    }


def tool_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment for asking the scheduler: nothing that filters or reformats its answer, times as epoch seconds.

    TZ is UTC, so a time without a zone means the same on every machine. Task lists of arrays are not cut.

    Source: squeue(1) and sacct(1), ENVIRONMENT VARIABLES: SQUEUE_PARTITION and friends hide jobs.
    """
    kept = {name: value for name, value in environment.items() if not belongs_to_outer_job(name) or name == "SLURM_JWT"}
    return {**kept, "LC_ALL": "C", "TZ": "UTC", "SLURM_TIME_FORMAT": "%s", "SLURM_BITSTR_LEN": "0"}
