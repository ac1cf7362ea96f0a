"""Artifacts that are brought to the worker: whole, checked, and nowhere else."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_hpccompose import fetching
from airflow_provider_hpccompose.doors import LocalDoor
from airflow_provider_hpccompose.exceptions import HpcComposeError, HpcComposeFinalError, HpcComposeSpecError
from airflow_provider_hpccompose.fetching import fetch_bundles
from compose_core import UsageError

pytestmark = pytest.mark.adapters


class Cluster:
    """Files of another machine; every answer is counted."""

    def __init__(self, files: Mapping[str, bytes], **entries: Any) -> None:
        self.files = {f"/there/{path}": data for path, data in files.items()}
        rows = [
            {"relative_path": path, "entry_type": "file", "size_bytes": len(data), "sha256": sha(data)}
            for path, data in files.items()
        ]
        self.files["/there.json"] = json.dumps({"files": [*rows, *entries.get("more", [])]}).encode()
        self.calls: list[str] = []

    def call(self, verb: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        self.calls.append(verb)
        if verb == "get":
            return self._part(arguments)
        assert sum(part["count"] for part in arguments["parts"]) <= 8 * 1024 * 1024
        return {"parts": [self._part(part) for part in arguments["parts"]]}

    def _part(self, part: Mapping[str, Any]) -> dict[str, Any]:
        data = self.files[part["path"]]
        piece = data[part["offset"] : part["offset"] + part["count"]]
        return {"size": len(data), "data": base64.b64encode(piece).decode()}


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def fetch(cluster: Cluster, dest: Path | str, most_bytes: int = 10**9) -> dict[str, Any]:
    """The one bundle, brought to the folder."""
    bundles = {"model": {"uri": "/there", "manifest": "/there.json"}}
    fetched: dict[str, Any] = fetch_bundles(cluster, bundles, str(dest), most_bytes=most_bytes)["model"]["fetched"]
    return fetched


def test_many_small_files_and_a_large_one_come_in_few_messages(tmp_path: Path) -> None:
    """A message is a program that starts on the login node."""
    large = bytes(range(256)) * 60_000
    files = {f"logs/{number}.txt": f"{number}\n".encode() for number in range(700)}
    cluster = Cluster({**files, "weights.bin": large, "empty": b""})
    told = fetch(cluster, tmp_path / "here")
    assert told == {
        "uri": str(tmp_path / "here/model"),
        "files": 702,
        "bytes": sum(map(len, files.values())) + len(large),
    }
    assert cluster.calls == ["get", *["get-parts"] * 5]
    assert (tmp_path / "here/model/weights.bin").read_bytes() == large
    assert (tmp_path / "here/model/logs/699.txt").read_text() == "699\n"
    assert (tmp_path / "here/model/empty").read_bytes() == b""
    assert [path.name for path in (tmp_path / "here").rglob(".fetching*")] == []
    assert (tmp_path / "here/model/weights.bin").stat().st_mode & 0o777 == 0o600


def test_what_is_here_already_is_not_fetched_again(tmp_path: Path) -> None:
    """A retry goes on where the try before ended; a file that was changed here is fetched anew."""
    cluster = Cluster({"a": b"one", "b": b"two"})
    fetch(cluster, tmp_path)
    (tmp_path / "model/b").write_bytes(b"owt")
    cluster.calls.clear()
    fetch(cluster, tmp_path)
    assert cluster.calls == ["get", "get-parts"]
    assert (tmp_path / "model/b").read_bytes() == b"two"
    cluster.calls.clear()
    fetch(cluster, tmp_path)
    assert cluster.calls == ["get"]


def test_a_file_that_is_not_what_its_checksum_says_is_none(tmp_path: Path) -> None:
    """It was written while it was fetched, or the way changed it."""
    cluster = Cluster({"a": b"one"})
    cluster.files["/there/a"] = b"two"
    with pytest.raises(HpcComposeError, match="a did not arrive as the manifest of its export says"):
        fetch(cluster, tmp_path)
    assert list((tmp_path / "model").iterdir()) == []


@pytest.mark.parametrize("path", ["../a", "/etc/passwd", "x/../../a", "x//a", "./a", "x/a\0"])
def test_a_path_that_leads_elsewhere_is_refused(tmp_path: Path, path: str) -> None:
    """Whatever the other side says."""
    with pytest.raises(HpcComposeFinalError, match="leads out of the folder"):
        fetch(Cluster({path: b"one"}), tmp_path / "here")
    assert [found for found in tmp_path.rglob("*") if found.is_file()] == []


def test_a_link_on_the_way_is_not_followed_and_links_are_left_there(tmp_path: Path) -> None:
    """Somebody else may write to the folder, too."""
    link = {"relative_path": "last", "entry_type": "link", "link_target": "a", "size_bytes": 0, "sha256": None}
    told = fetch(Cluster({"a": b"one"}, more=[link]), tmp_path / "here")
    assert told["left_out"] == ["last"]
    (tmp_path / "here/model/x").symlink_to(tmp_path)
    with pytest.raises(HpcComposeFinalError, match="is a link"):
        fetch(Cluster({"x/a": b"one"}), tmp_path / "here")
    (tmp_path / "here/model/b").symlink_to(tmp_path / "outside")
    fetch(Cluster({"b": b"two"}), tmp_path / "here")
    assert not (tmp_path / "outside").exists()
    assert (tmp_path / "here/model/b").read_bytes() == b"two"


def test_too_much_is_refused_before_anything_is_fetched(tmp_path: Path) -> None:
    """With what to do about it."""
    cluster = Cluster({"a": b"four"})
    with pytest.raises(
        HpcComposeFinalError, match="have 4 bytes, and at most 3 are fetched: allow more by `fetch_limit_bytes`"
    ):
        fetch(cluster, tmp_path / "here", most_bytes=3)
    assert cluster.calls == ["get"]
    with pytest.raises(HpcComposeSpecError, match="absolute path"):
        fetch(cluster, "here")


def test_a_folder_that_cannot_be_written_is_told_by_name(tmp_path: Path) -> None:
    """The disk of the worker is nobody's spec."""
    (tmp_path / "file").write_text("")
    with pytest.raises(HpcComposeError, match=r"cannot be written to .*file/model on the worker"):
        fetch(Cluster({"a": b"one"}), tmp_path / "file")


def test_the_far_side_limits_what_goes_into_one_message(tmp_path: Path) -> None:
    """Its answer is kept in memory on both sides."""
    door = LocalDoor(tmp_path, engine="local")
    (tmp_path / "a").write_bytes(b"one")
    part = {"path": str(tmp_path / "a"), "offset": 1, "count": 8}
    assert [base64.b64decode(one["data"]) for one in door.call("get-parts", {"parts": [part]})["parts"]] == [b"ne"]
    with pytest.raises(UsageError, match="at once"):
        door.call("get-parts", {"parts": [{**part, "count": 8 * 1024 * 1024}, part]})
    assert fetching._PART_BYTES + fetching._PARTS_PER_CALL <= 8 * 1024 * 1024
