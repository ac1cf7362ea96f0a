"""The sdists and wheels of the workspace, built as for a release, and what can be read from them."""

from __future__ import annotations

import email.message
import email.parser
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

FOLDERS = {
    "compose-core": "compose_core",
    "snakemake-executor-hpccompose": "snakemake_executor_plugin_hpccompose",
    "airflow-provider-hpccompose": "airflow_provider_hpccompose",
}
"""Folder below packages/ to the name of its module, which begins the names of its files."""


@dataclass(frozen=True)
class Built:
    """One distribution as an index would offer it."""

    folder: str
    module: str
    sdist: Path
    wheel: Path
    """Built from the sdist."""

    def wheel_files(self) -> dict[str, bytes]:
        """The files of the wheel by path."""
        return files_of(self.wheel)

    def sdist_files(self) -> dict[str, bytes]:
        """The files of the sdist by path below its folder."""
        with tarfile.open(self.sdist) as archive:
            members = [member for member in archive.getmembers() if member.isfile()]
            return {m.name.partition("/")[2]: archive.extractfile(m).read() for m in members}  # type: ignore[union-attr]

    def metadata(self) -> email.message.Message:
        """What the index shows of it."""
        (text,) = (data for path, data in self.wheel_files().items() if path.endswith(".dist-info/METADATA"))
        return email.parser.BytesParser().parsebytes(text)


def files_of(wheel: Path) -> dict[str, bytes]:
    """The files of a wheel by path."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def build_all(repository: Path, into: Path) -> dict[str, Built]:
    """Each of `FOLDERS`, first as sdist, and from that as wheel."""
    return {folder: _built(repository / "packages" / folder, module, into) for folder, module in FOLDERS.items()}


def build(source: Path, into: Path, *what: str) -> None:
    """Run the build front end with the backend of this environment; without `what` the wheel is made from the sdist."""
    done = subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", into, *what, source],
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _built(source: Path, module: str, into: Path) -> Built:
    build(source, into)
    (sdist,), (wheel,) = into.glob(f"{module}-*.tar.gz"), into.glob(f"{module}-*.whl")
    return Built(source.name, module, sdist, wheel)
