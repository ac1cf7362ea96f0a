"""What the last words of a program suggest to whoever reads them."""

from __future__ import annotations

import pytest

from compose_core.cluster.long_program import LongRun
from compose_core.prepare.building import remedy_for

LOGIN, NAME, NETWORK, SPACE = "credentials", "name and tag", "reaches it", "Free space"


@pytest.mark.parametrize(
    ("line", "remedy"),
    [
        ("[ERROR] URL https://registry.example/v2/ returned error code: 401 Unauthorized", LOGIN),
        ("curl: (22) The requested URL returned error: 403", LOGIN),
        ("requested access to the resource is denied", LOGIN),
        ("reading manifest 9 in 127.0.0.1:40167/prepare/app: manifest unknown: manifest unknown", NAME),
        ("reading manifest 9 in registry:5403/team/app-401: manifest unknown", NAME),
        ("[ERROR] URL https://registry.example:14010/v2/403/app returned error code: 404 Not Found", NAME),
        ("dial tcp 127.0.0.1:40403: connect: connection refused", NETWORK),
        ("write /cache/base/404-app.sqsh: no space left on device", SPACE),
    ],
)
def test_a_number_in_a_reference_is_no_answer_of_the_registry(line: str, remedy: str) -> None:
    assert remedy in remedy_for(LongRun(argv=("enroot", "import"), rc=1, last_lines=(line,)))
