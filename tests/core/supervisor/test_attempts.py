"""A folder per attempt, links to the newest one, and the shared folder that the next run goes on from."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.core.supervisor.world import OTHER_TOKEN, TOKEN, World, service

LINKS = ["allocation", "artifacts", "end.json", "events.jsonl", "logs", "metrics", "service-exits", "state.json"]
REPORT = "echo $HPC_COMPOSE_ATTEMPT $HPC_COMPOSE_IS_RESUME $HPC_COMPOSE_RESUME_DIR $HPC_COMPOSE_JOB_DIR"


def rules(path: Path) -> dict[str, Any]:
    """The part of a job description."""
    return {"path": str(path), "config_sha256": "d", "config": {"name": "test"}}


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """The resume folder, which nobody has made yet."""
    return tmp_path / "shared" / "run"


def test_each_attempt_has_a_folder_and_the_usual_names_lead_to_the_newest(world: World, shared: Path) -> None:
    for attempt in ("0", "1"):
        code, job = world.run(
            service("one", REPORT), environment={"SLURM_RESTART_COUNT": attempt}, resume=rules(shared)
        )
        assert code == 0
    job_dir = world.metadata / "41"
    assert job.log("one") == f"1 1 {shared} {job_dir}/attempts/1\n"
    assert (job_dir / "attempts/0/logs/one.log").read_text() == f"0 0 {shared} {job_dir}/attempts/0\n"
    assert sorted(path.name for path in job_dir.iterdir()) == sorted([*LINKS, "attempts"])
    assert {name: str((job_dir / name).readlink()) for name in LINKS} == {name: f"attempts/1/{name}" for name in LINKS}
    assert (job.state["attempt"], job.state["is_resume"], job.state["resume_dir"]) == (1, True, str(shared))
    assert [row["attempt"] for row in job.events("resumed")] == [1]
    earlier = json.loads((job_dir / "attempts/0/state.json").read_text())
    assert (earlier["attempt"], earlier["is_resume"], earlier["job_status"]) == (0, False, "COMPLETED")


def test_the_next_attempt_goes_on_from_the_checkpoint(world: World, shared: Path) -> None:
    body = 'cd "$HPC_COMPOSE_RESUME_DIR"; step=$(cat step 2>/dev/null || echo 0); echo "from $step"; echo 7 > step'
    world.run(service("one", body), resume=rules(shared))
    _, job = world.run(service("one", body), environment={"SLURM_RESTART_COUNT": "1"}, resume=rules(shared))
    assert job.log("one") == "from 7\n"


def test_a_later_job_with_the_same_folder_is_a_resume(world: World, shared: Path) -> None:
    world.run(service("one", "exit 3"), resume=rules(shared))
    code, job = world.run(
        service("one", REPORT), job_id="42", arguments=(f"claim:{OTHER_TOKEN}",), resume=rules(shared)
    )
    assert code == 0
    assert job.log("one").split()[:2] == ["0", "1"]
    assert (job.state["attempt"], job.state["is_resume"]) == (0, True)


def test_the_folder_is_made_and_says_who_was_there_last(world: World, shared: Path) -> None:
    world.run(service("one"), resume=rules(shared))
    note = shared / "_hpc-compose/latest.json"
    said = json.loads(note.read_text())
    assert said.pop("updated_at") > 0
    assert said == {
        "schema_version": 1,
        "job_id": "41",
        "submission_token": TOKEN,
        "attempt": 0,
        "name": "test",
        "job_dir": str(world.metadata / "41/attempts/0"),
        "config_sha256": "d",
        "config": {"name": "test"},
    }
    assert [path.stat().st_mode & 0o777 for path in (shared, note.parent, note)] == [0o700, 0o700, 0o600]
    assert [path.name for path in note.parent.iterdir()] == ["latest.json"]


def test_the_manifest_tells_the_attempt_and_the_folder(world: World, shared: Path) -> None:
    artifacts = {"collect": "always", "bundles": {"default": ["out"]}}
    for attempt in ("0", "1"):
        body = 'echo "$HPC_COMPOSE_ATTEMPT" > "$HPC_COMPOSE_JOB_DIR/out"'
        _, job = world.run(
            service("one", body),
            environment={"SLURM_RESTART_COUNT": attempt},
            resume=rules(shared),
            artifacts=artifacts,
        )
    manifest = job.manifest
    assert (manifest["attempt"], manifest["is_resume"], manifest["resume_dir"]) == (1, True, str(shared))
    payloads = [world.metadata / f"41/attempts/{attempt}/artifacts/payload/out" for attempt in (0, 1)]
    assert [payload.read_text() for payload in payloads] == ["0\n", "1\n"]


def test_an_attempt_that_runs_has_no_end_of_an_earlier_one(world: World, shared: Path) -> None:
    world.run(service("one", "exit 3"), resume=rules(shared))
    job = world.start(service("one", "exec sleep 60"), environment={"SLURM_RESTART_COUNT": "1"}, resume=rules(shared))
    job.until(lambda: job.state.get("attempt") == 1)
    assert job.end == {}
    assert not (world.metadata / "41/end.json").exists()
    assert (world.metadata / "41/attempts/0/end.json").exists()


def test_a_job_folder_of_another_job_with_attempts_is_kept_aside(world: World, shared: Path) -> None:
    world.run(service("one", "echo old"), resume=rules(shared))
    _, job = world.run(service("one", "echo new"), arguments=(f"claim:{OTHER_TOKEN}",), resume=rules(shared))
    assert job.log("one") == "new\n"
    assert (world.metadata / f"41~{TOKEN[:8]}" / "logs/one.log").read_text() == "old\n"


@pytest.mark.parametrize("place", ["attempts", "attempts/0", "attempts/0/logs"])
def test_a_link_planted_as_a_folder_of_attempts_is_refused(world: World, shared: Path, place: str) -> None:
    elsewhere = world.folder / "elsewhere"
    elsewhere.mkdir()
    planted = world.metadata / "41" / place
    planted.parent.mkdir(parents=True)
    planted.symlink_to(elsewhere)
    code, job = world.run(service("canary", "touch ran"), resume=rules(shared))
    assert code in {1, 3}
    assert list(elsewhere.iterdir()) == []
    assert not (world.folder / "ran").exists()
    assert "symbolic link" in job.batch_log


def test_a_link_planted_in_place_of_ours_is_replaced_and_not_followed(world: World, shared: Path) -> None:
    victim = world.folder / "victim"
    victim.write_text("untouched")
    (world.metadata / "41").mkdir(parents=True)
    for name in ("state.json", "logs"):
        (world.metadata / "41" / name).symlink_to(victim)
    code, _ = world.run(service("one"), resume=rules(shared))
    assert code == 0
    assert victim.read_text() == "untouched"
    assert str((world.metadata / "41/logs").readlink()) == "attempts/0/logs"


def test_a_folder_in_place_of_a_link_is_refused(world: World, shared: Path) -> None:
    (world.metadata / "41/logs").mkdir(parents=True)
    code, job = world.run(service("canary", "touch ran"), resume=rules(shared))
    assert code == 3
    assert "logs is a folder where a link to attempts/0/logs belongs" in job.batch_log
    assert not (world.folder / "ran").exists()


@pytest.mark.parametrize("place", ["_hpc-compose", "_hpc-compose/latest.json"])
def test_a_link_planted_in_the_resume_folder_is_refused(world: World, shared: Path, place: str) -> None:
    victim = world.folder / "victim"
    victim.write_text("untouched")
    (shared / place).parent.mkdir(parents=True)
    (shared / place).symlink_to(victim)
    code, job = world.run(service("canary", "touch ran"), resume=rules(shared))
    assert code == 3
    assert "symbolic link" in job.batch_log
    assert victim.read_text() == "untouched"
    assert not (world.folder / "ran").exists()


def test_a_pipe_in_the_resume_folder_does_not_hang_the_job(world: World, shared: Path) -> None:
    (shared / "_hpc-compose").mkdir(parents=True)
    os.mkfifo(shared / "_hpc-compose/latest.json")
    code, job = world.run(service("one"), resume=rules(shared))
    assert code == 3
    assert "no regular file" in job.batch_log


def test_a_link_to_the_resume_folder_is_the_users_business(world: World, shared: Path) -> None:
    shared.parent.mkdir()
    (shared.parent / "real").mkdir()
    shared.symlink_to("real")
    code, _ = world.run(service("one"), resume=rules(shared))
    assert code == 0
    assert (shared.parent / "real/_hpc-compose/latest.json").exists()


def test_a_file_in_place_of_the_resume_folder_is_refused(world: World, shared: Path) -> None:
    shared.parent.mkdir()
    shared.write_text("")
    code, job = world.run(service("canary", "touch ran"), resume=rules(shared))
    assert code == 3
    assert f"{shared} is no folder" in job.batch_log
    assert not (world.folder / "ran").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
@pytest.mark.parametrize("place", [".", "_hpc-compose", "_hpc-compose/latest.json"])
def test_what_belongs_to_somebody_else_is_refused(world: World, shared: Path, place: str) -> None:
    (shared / "_hpc-compose").mkdir(parents=True)
    (shared / "_hpc-compose/latest.json").write_text("{}")
    os.chown(shared / place, 4242, 4242)
    code, job = world.run(service("canary", "touch ran"), resume=rules(shared))
    assert code == 3
    assert "belongs to user id 4242" in job.batch_log
    assert not (world.folder / "ran").exists()


def test_a_place_where_no_folder_can_be_made_is_refused(world: World) -> None:
    code, job = world.run(service("canary", "touch ran"), resume=rules(Path("/proc/nowhere/run")))
    assert code == 3
    assert "x-slurm.resume: /proc/nowhere/run cannot be used on this node" in job.batch_log
    assert not (world.folder / "ran").exists()


def test_a_damaged_note_still_tells_that_somebody_was_there(world: World, shared: Path) -> None:
    (shared / "_hpc-compose").mkdir(parents=True)
    (shared / "_hpc-compose/latest.json").write_text('{"job_id": "4')
    _, job = world.run(service("one"), resume=rules(shared))
    assert job.state["is_resume"] is True
    assert json.loads((shared / "_hpc-compose/latest.json").read_text())["job_id"] == "41"


def test_a_job_that_was_cancelled_before_it_began_leaves_the_resume_folder_alone(world: World, shared: Path) -> None:
    world.submission().mkdir(parents=True)
    (world.submission() / "cancel_requested").touch()
    code, job = world.run(service("canary", "touch ran"), resume=rules(shared))
    assert code == 143
    assert job.end["cause"] == "cancelled"
    assert not shared.exists()


def test_a_task_of_an_array_is_a_resume_when_the_same_task_was_there(world: World, shared: Path) -> None:
    """Not when another task of the same array began a moment before it."""

    def resumed(array: str, task: str, token: str) -> bool:
        code, _ = world.run(
            service("one"),
            job_id=f"9{array}{task}",
            environment={"SLURM_ARRAY_JOB_ID": array, "SLURM_ARRAY_TASK_ID": task},
            arguments=(f"claim:{token}",),
            resume=rules(shared),
        )
        assert code == 0
        state = json.loads((world.metadata / f"{array}_{task}/state.json").read_text())
        return bool(state["is_resume"])

    assert [resumed("50", "0", TOKEN), resumed("50", "1", TOKEN)] == [False, False]
    assert [resumed("60", "1", OTHER_TOKEN), resumed("60", "2", OTHER_TOKEN)] == [True, False]
    assert json.loads((shared / "_hpc-compose/latest.json").read_text())["job_id"] == "60_2"
    assert json.loads((shared / "_hpc-compose/latest-0.json").read_text())["job_id"] == "50_0"


def test_many_jobs_may_note_themselves_at_once(world: World, shared: Path) -> None:
    """The last one stays, and it is whole."""
    jobs = []
    for number in range(100, 106):
        token = f"01J000000000000000000{number:05}"
        jobs.append(
            world.start(service("one"), job_id=str(number), arguments=(f"claim:{token}",), resume=rules(shared))
        )
    assert [job.wait() for job in jobs] == [0] * len(jobs)
    note = json.loads((shared / "_hpc-compose/latest.json").read_text())
    assert note["job_id"] in {str(number) for number in range(100, 106)}
    assert [path.name for path in (shared / "_hpc-compose").iterdir()] == ["latest.json"]
