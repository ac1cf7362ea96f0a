"""Every format reads what it wrote, forgives what is new, and refuses what is not its own."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compose_core.errors import RecordError
from compose_core.job_state import JobState
from compose_core.records.absence import Absence
from compose_core.records.claim import Claim
from compose_core.records.end_marker import EndMarker
from compose_core.records.ending import Ending
from compose_core.records.format import Format
from compose_core.records.handover import Handover
from compose_core.records.intent import Intent
from compose_core.records.job_record import JobFacts, JobRecord
from compose_core.records.manifest import Manifest
from compose_core.records.our_path import OurPath
from compose_core.records.outcome import Outcome
from compose_core.records.run_key import RunKey
from compose_core.records.state import ServiceState, StateFile

TOKEN = "01ARYZ6S41TSV4RRFFQ69G5FAV"
FACTS = JobFacts(
    backend="slurm",
    submission_token=TOKEN,
    name="hello",
    compose_file="/p/compose.yaml",
    submit_dir="/p",
    script_path="/p/s",
    script_sha256="0" * 64,
    spec_sha256="0" * 64,
    cache_dir="/c",
    runtime_root="/p/.hpc-compose",
    batch_log="slurm-%j.out",
)
EXAMPLES: list[Format] = [
    FACTS,
    JobRecord(**FACTS.model_dump(), job_id="7", submitted_at=1.5, job_dir="/p/.hpc-compose/7"),
    Intent(
        token=TOKEN,
        engine="slurm",
        name="hello",
        compose_file="/p/compose.yaml",
        project_dir="/p",
        spec_sha256="0",
        script_sha256="0",
        created_at=1.0,
        host="h",
        boot_id="b",
        pid=3,
        user="ada",
        facts=FACTS,
    ),
    Outcome(token=TOKEN, outcome="submitted", job_id="7", at=1.0),
    Handover(token=TOKEN, attempt=1, at=1.0, host="h", boot_id="b", pid=3),
    Claim(token=TOKEN, job_id="7"),
    RunKey(run_key="k", token=TOKEN, created_at=1.0),
    Absence(token=TOKEN, first_at=1.0, last_at=2.0),
    Ending(token=TOKEN, state=JobState.FAILED, source="squeue", seen_at=1.0),
    EndMarker(submission_token=TOKEN, job_id="7", cause="completed", at=1.0),
    StateFile(job_id="7", job_status="RUNNING", services=(ServiceState(service_name="a", status="ready"),)),
    Manifest(job_id="7"),
]


@pytest.fixture
def path(tmp_path: Path) -> OurPath:
    return OurPath(tmp_path) / "file.json"


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: type(example).__name__)
def test_what_is_written_is_read_again(example: Format, path: OurPath) -> None:
    """Field by field."""
    example.replace(path)
    assert type(example).read(path) == example
    assert json.loads(path.path.read_text())["schema_version"] == 1


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: type(example).__name__)
def test_new_fields_are_ignored_and_a_new_version_is_refused(example: Format, path: OurPath) -> None:
    """A later release may add; it says so when it changes."""
    path.path.write_text(json.dumps({**example.as_json(), "news": [1]}))
    assert type(example).read(path) == example
    path.path.write_text(json.dumps({**example.as_json(), "schema_version": 2}))
    with pytest.raises(RecordError, match="schema_version 2") as caught:
        type(example).read(path)
    assert "newer" in caught.value.remedy


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: type(example).__name__)
def test_a_hostile_file_is_a_record_error_with_its_path(example: Format, path: OurPath) -> None:
    """Whatever is in it."""
    fields = example.as_json()
    spoiled: list[object] = [{**fields, name: {"no": ["such", "value"]}} for name in fields if name != "schema_version"]
    for content in (*spoiled, [], 7, {"schema_version": "x"}):
        path.path.write_text(json.dumps(content))
        with contextlib.suppress(RecordError):  # a field that takes any value is read
            type(example).read(path)
    path.path.write_text("[]")
    with pytest.raises(RecordError) as caught:
        type(example).read(path)
    assert str(path) in caught.value.message
    assert caught.value.remedy
    path.path.write_bytes(b"\xff" * 10)
    with pytest.raises(RecordError):
        type(example).read(path)


@pytest.mark.parametrize("text", ['{"job_id": "../7"}', '{"job_id": ""}', '{"job_id": "7\\n"}'])
def test_a_job_id_that_is_none_is_refused(text: str, path: OurPath) -> None:
    """It becomes part of a path."""
    path.path.write_text(json.dumps({**EXAMPLES[5].as_json(), **json.loads(text)}))
    with pytest.raises(RecordError, match="job_id"):
        Claim.read(path)


def test_infinite_times_are_refused(path: OurPath) -> None:
    """JSON can spell them as numbers."""
    path.path.write_text(json.dumps(EXAMPLES[9].as_json()).replace('"at": 1.0', '"at": 1e999'))
    with pytest.raises(RecordError, match="finite"):
        EndMarker.read(path)


def test_an_absent_file_is_none(path: OurPath) -> None:
    """Also in an absent folder."""
    assert Claim.read(path) is None
    assert Claim.read(path.folder / "no" / "where") is None


def test_of_two_creators_one_succeeds(path: OurPath) -> None:
    """The first stays."""
    assert Claim(token=TOKEN, job_id="7").create(path)
    assert not Claim(token=TOKEN, job_id="8").create(path)
    claim = Claim.read(path)
    assert claim is not None
    assert claim.job_id == "7"


@given(st.binary(max_size=400))
def test_any_bytes_are_a_state_or_a_record_error(data: bytes) -> None:
    """Never a traceback of another kind."""
    with contextlib.suppress(RecordError):
        StateFile.parse(data, OurPath(Path("/p")) / "state.json")
