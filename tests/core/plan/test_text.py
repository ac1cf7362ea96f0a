"""What is fixed at plan time and what the node fills in."""

from __future__ import annotations

from compose_core.plan.model import Literally, Variable, shown
from compose_core.plan.text import service_text


def test_a_port_placeholder_becomes_the_variable_that_the_supervisor_sets() -> None:
    """`@{web.port.http}` is known when the service starts."""
    assert service_text("http://@{web.host}:@{web.port.http}/", "pyxis") == (
        Literally("http://"),
        Variable("HPC_COMPOSE_WEB_HOST"),
        Literally(":"),
        Variable("HPC_COMPOSE_WEB_PORT_HTTP"),
        Literally("/"),
    )


def test_the_job_mount_means_the_real_folder_on_the_host_backend() -> None:
    """There is no container in which it could be mounted."""
    assert shown(service_text("--out=/hpc-compose/job/x", "host")) == "--out=${HPC_COMPOSE_JOB_DIR}/x"
    assert shown(service_text("--out=/hpc-compose/job/x", "pyxis")) == "--out=/hpc-compose/job/x"


def test_a_longer_name_that_starts_like_the_job_mount_is_left_alone() -> None:
    """`/hpc-compose/jobs` is another folder."""
    assert shown(service_text("/hpc-compose/jobs", "host")) == "/hpc-compose/jobs"


def test_a_dollar_sign_is_only_text() -> None:
    """Interpolation is over when planning starts."""
    assert service_text("$HOME ${x}", "host") == (Literally("$HOME ${x}"),)
