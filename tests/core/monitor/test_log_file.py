"""A batch stands in its log once, wherever the writer was killed."""

from __future__ import annotations

from pathlib import Path

import pytest

from compose_core.errors import RecordError
from compose_core.monitor.log_file import LogFile

BATCH = b"[1] one\nline\n[2] two\n"


@pytest.mark.parametrize("before", [b"", b"an older line\n"])
def test_whatever_part_was_written_the_rest_is_added(tmp_path: Path, before: bytes) -> None:
    """From nothing to everything."""
    for written in range(len(BATCH) + 1):
        log = LogFile(tmp_path / f"log-{written}")
        log.path.write_bytes(before + BATCH[:written])
        log.complete(BATCH, since=len(before))
        log.complete(BATCH, since=len(before))
        assert log.path.read_bytes() == before + BATCH


def test_lines_of_others_between_hide_nothing_and_repeat_nothing(tmp_path: Path) -> None:
    """Two monitors may share a log."""
    log = LogFile(tmp_path / "log")
    log.path.write_bytes(b"other\n" + BATCH + b"another\n")
    log.complete(BATCH, since=0)
    assert log.path.read_bytes() == b"other\n" + BATCH + b"another\n"
    log.path.write_bytes(b"torn by anoth")
    log.complete(BATCH, since=0)
    assert log.path.read_bytes() == b"torn by anoth\n" + BATCH


def test_a_log_that_was_rotated_away_gets_the_batch(tmp_path: Path) -> None:
    """It is shorter than it was."""
    log = LogFile(tmp_path / "log")
    log.path.write_bytes(b"new\n")
    log.complete(BATCH, since=4000)
    assert log.path.read_bytes() == b"new\n" + BATCH


def test_a_log_is_readable_by_its_owner_alone_and_a_bad_place_is_told(tmp_path: Path) -> None:
    """0600 where we make it."""
    log = LogFile(tmp_path / "log")
    assert log.size() == 0
    log.complete(BATCH, since=0)
    assert log.path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(RecordError, match="cannot be written"):
        LogFile(tmp_path / "no" / "log").complete(BATCH, since=0)
