from __future__ import annotations

import pytest

from compose_core.cluster.job_environment import job_environment, looks_secret, tool_environment


@pytest.mark.parametrize(
    "name",
    [
        "SLURM_JOB_ID", "SLURM_EXPORT_ENV", "SBATCH_PARTITION", "SRUN_CPUS_PER_TASK", "PMI_RANK", "PMIX_RANK",
        "OMPI_COMM_WORLD_SIZE", "HPC_COMPOSE_JOB_DIR", "HPC_COMPOSE_SUBMISSION_TOKEN", "HPC_COMPOSE_WEB_PORT_HTTP",
        "BASH_ENV", "ENV", "SHELLOPTS", "BASH_FUNC_module%%", "PYXIS_CONTAINER_IMAGE", "SLURM_TIME_FORMAT",
    ],
)  # fmt: skip
def test_what_describes_an_outer_job_or_changes_bash_is_left_out(name: str) -> None:
    assert job_environment({name: "x", "PATH": "/bin"}) == {"PATH": "/bin"}


@pytest.mark.parametrize(
    "name",
    [
        "HF_TOKEN", "GITHUB_TOKEN", "AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "OPENAI_API_KEY", "WANDB_API_KEY",
        "PGPASSWORD", "MYSQL_PWD", "DB_PASSWD", "SSH_AUTH_SOCK", "SSH_PRIVATE_KEY", "GOOGLE_APPLICATION_CREDENTIALS",
        "SESSION_COOKIE", "DBUS_SESSION_BUS_ADDRESS", "BEARER", "api_key", "MyOpenaiApiKey", "SLURM_JWT",
    ],
)  # fmt: skip
def test_what_looks_secret_is_left_out(name: str) -> None:
    assert looks_secret(name)
    assert job_environment({name: "x"}) == {}


@pytest.mark.parametrize(
    "name",
    [
        "PATH", "HOME", "PWD", "OLDPWD", "LANG", "TOKENIZERS_PARALLELISM", "GIT_AUTHOR_NAME", "MONKEY", "KEYBOARD",
        "OMP_NUM_THREADS", "SLURM_CONF", "SLURM_CLUSTERS", "LD_LIBRARY_PATH", "MODULEPATH", "HPC_COMPOSE_PYTHON",
    ],
)  # fmt: skip
def test_what_a_user_set_for_the_job_is_inherited(name: str) -> None:
    assert job_environment({name: "x"}) == {name: "x"}


def test_what_the_jobs_secrets_come_from_is_kept_by_name() -> None:
    """And nothing of an outer job, whatever is asked for."""
    environment = {"HF_TOKEN": "x", "OTHER_TOKEN": "y", "SLURM_JOB_ID": "1"}
    assert job_environment(environment, ["HF_TOKEN", "SLURM_JOB_ID"]) == {"HF_TOKEN": "x"}


def test_the_given_environment_is_not_changed() -> None:
    environment = {"SLURM_JOB_ID": "1", "A": "b"}
    job_environment(environment)
    assert environment == {"SLURM_JOB_ID": "1", "A": "b"}


@pytest.mark.parametrize(
    "name", ["SQUEUE_PARTITION", "SQUEUE_FORMAT", "SACCT_FORMAT", "SCANCEL_INTERACTIVE", "SINFO_FORMAT"]
)
def test_nothing_filters_or_reformats_what_the_scheduler_is_asked(name: str) -> None:
    """SQUEUE_PARTITION would hide jobs, and a hidden job reads as one that is gone."""
    assert name not in tool_environment({name: "x"})


def test_the_scheduler_is_asked_for_epoch_seconds_in_utc_and_whole_task_lists() -> None:
    asked = tool_environment({"TZ": "Europe/Berlin", "SLURM_TIME_FORMAT": "relative", "SLURM_CONF": "/etc/s.conf"})
    assert asked["SLURM_TIME_FORMAT"] == "%s"
    assert asked["TZ"] == "UTC"
    assert asked["SLURM_BITSTR_LEN"] == "0"
    assert asked["SLURM_CONF"] == "/etc/s.conf"
