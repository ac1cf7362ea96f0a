"""Where everything lies."""

from __future__ import annotations

from pathlib import Path

import pytest

from compose_core.records.our_path import OurPath
from compose_core.records.paths import ExportPaths, JobPaths, ProjectPaths, StatePaths, earlier_name

TOKEN = "01ARYZ6S41TSV4RRFFQ69G5FAV"


def test_the_project_holds_metadata_beside_the_compose_file() -> None:
    """As docs/files.md says."""
    paths = ProjectPaths(Path("/p"))
    submission = paths.submission(TOKEN)
    assert [
        str(path)
        for path in (
            paths.latest,
            paths.job_record("1234_7"),
            paths.earlier_job_record("12", TOKEN),
            paths.unresolved_mark(TOKEN),
            submission.intent,
            submission.script,
            submission.claim,
            submission.handover(2),
        )
    ] == [
        "/p/.hpc-compose/latest.json",
        "/p/.hpc-compose/jobs/1234_7.json",
        "/p/.hpc-compose/jobs/12~01ARYZ6S.json",
        f"/p/.hpc-compose/unresolved/{TOKEN}",
        f"/p/.hpc-compose/submissions/{TOKEN}/intent.json",
        f"/p/.hpc-compose/submissions/{TOKEN}/job.sbatch",
        f"/p/.hpc-compose/submissions/{TOKEN}/claim",
        f"/p/.hpc-compose/submissions/{TOKEN}/submitting.2",
    ]


def test_a_job_folder_holds_one_log_per_service() -> None:
    """Names that are no file names are escaped."""
    paths = JobPaths(Path("/p/.hpc-compose/7"))
    assert str(paths.log("my.app")) == "/p/.hpc-compose/7/logs/my_x2e_app.log"
    assert str(paths.log_index("../x")) == "/p/.hpc-compose/7/logs/_x2e__x2e__x2f_x.idx.jsonl"
    assert str(paths.exits("a")) == "/p/.hpc-compose/7/service-exits/a.jsonl"


def test_the_metadata_folder_is_ours_for_jobs_too() -> None:
    """A link in its place is refused; another runtime root is the user's choice."""
    assert JobPaths(Path("/p/.hpc-compose/7")).folder == OurPath(Path("/p"), (".hpc-compose", "7"))
    assert JobPaths(Path("/scratch/ada/7")).folder == OurPath(Path("/scratch/ada"), ("7",))


@pytest.mark.parametrize("job_id", ["", "..", "1/2", "../1", "abc", "1\n"])
def test_no_other_text_becomes_a_record_path(job_id: str) -> None:
    """Job ids come from programs and users."""
    with pytest.raises(ValueError, match="job id"):
        ProjectPaths(Path("/p")).job_record(job_id)
    with pytest.raises(ValueError, match="job id"):
        earlier_name(job_id, TOKEN)


@pytest.mark.parametrize("path", ["p", "."])
def test_a_relative_folder_is_refused(path: str) -> None:
    """It would mean something else after a change of folder."""
    with pytest.raises(ValueError, match="absolute"):
        ProjectPaths(Path(path))
    with pytest.raises(ValueError, match="absolute"):
        JobPaths(Path(path))


def test_run_keys_become_digests() -> None:
    """Any text is a key, and none is a path."""
    paths = ProjectPaths(Path("/p"))
    first, second = paths.run_key("../../etc/passwd"), paths.run_key("\ud800")
    assert len(first.name) == len(second.name) == 64 + len(".json")
    assert paths.run_key("k", after=TOKEN).name.endswith(f"~{TOKEN}.json")


def test_bundles_have_places_of_their_own() -> None:
    """The default one is the export folder itself."""
    paths = ExportPaths(Path("/out"))
    assert [
        str(path)
        for path in (paths.bundle("default"), paths.bundle("logs"), paths.provenance("logs"), paths.tarball("logs"))
    ] == [
        "/out",
        "/out/bundles/logs",
        "/out/_hpc-compose/bundles/logs.json",
        "/out/logs.tar.gz",
    ]
    with pytest.raises(ValueError, match="bundle name"):
        paths.bundle("../x")


def test_the_journal_lies_in_the_state_folder() -> None:
    """One for all projects."""
    assert str(StatePaths(Path("/home/ada/.local/state/hpc-compose")).journal) == (
        "/home/ada/.local/state/hpc-compose/journal.jsonl"
    )
