"""What the tests of the distributions start from: everything built once per run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.distributions.built import Built, build_all


@pytest.fixture(scope="session")
def built(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Built]:
    """Folder below packages/ to its sdist and wheel."""
    return build_all(repository, tmp_path_factory.mktemp("dist"))
