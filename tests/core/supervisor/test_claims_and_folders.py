"""Which job may run for a token, and which folder is its own."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from compose_core.supervisor import claim
from tests.core.supervisor.world import OTHER_TOKEN, TOKEN, World, service

CANARY = service("canary", "touch ran")


def test_a_job_claims_its_token_before_anything_starts(world: World) -> None:
    body = f'[[ -s "{world.submission()}/claim" ]]'
    code, _ = world.run(service("look", body))
    claim = json.loads((world.submission() / "claim").read_text())
    assert code == 0
    assert (claim["token"], claim["job_id"], claim["schema_version"]) == (TOKEN, "41", 1)


def test_a_twin_ends_well_before_any_service_starts(world: World) -> None:
    world.run(service("first"))
    code, twin = world.run(CANARY, job_id="42")
    assert code == 0
    assert not (world.folder / "ran").exists()
    assert (world.submission() / "duplicate.42").exists()
    assert not twin.folder.exists()


def test_of_many_twins_one_runs(world: World) -> None:
    jobs = [world.start(service("one", "echo ran >> runs"), job_id=str(number)) for number in range(100, 108)]
    assert [job.wait() for job in jobs] == [0] * 8
    assert (world.folder / "runs").read_text() == "ran\n"
    assert len(list(world.submission().glob("duplicate.*"))) == 7
    assert list(world.submission().glob(".*tmp")) == []


def test_a_file_system_without_hard_links_has_one_owner_too(tmp_path: Path) -> None:
    """BeeGFS and the like: the claim is made by exclusive creation, and a later job never replaces it."""

    def no_links(*_arguments: object, **_options: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    folder = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        answers = [
            claim._claim_in(folder, str(tmp_path), TOKEN, job_id, link=no_links) for job_id in ("41", "42", "41")
        ]
    finally:
        os.close(folder)
    assert answers == ["ours", "twin", "ours"]
    assert json.loads((tmp_path / "claim").read_text())["job_id"] == "41"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["claim", "duplicate.42"]


def test_the_claim_alone_can_be_asked_for(world: World) -> None:
    """The script asks before its setup lines: 0 goes on, 10 is a twin."""
    claim_only = ("claim-only", f"claim:{TOKEN}")
    assert world.run(CANARY, arguments=claim_only)[0] == 0
    assert world.run(CANARY, arguments=claim_only, job_id="42")[0] == 10
    assert not (world.folder / "ran").exists()
    assert world.run(CANARY)[0] == 0
    assert (world.folder / "ran").exists()


def test_a_requeued_job_passes_its_own_claim(world: World) -> None:
    world.run(service("one", "echo first; exit 3"))
    code, job = world.run(
        service("one", "echo second; echo $HPC_COMPOSE_ATTEMPT $HPC_COMPOSE_IS_RESUME"),
        environment={"SLURM_RESTART_COUNT": "1"},
    )
    assert code == 0
    assert job.log("one") == "first\nsecond\n1 1\n"
    assert (job.state["attempt"], job.state["is_resume"], job.state["job_status"]) == (1, True, "COMPLETED")
    assert [row["attempt"] for row in job.lines("service-exits/one.jsonl")] == [0, 1]


def test_the_end_marker_of_an_earlier_attempt_is_gone_while_the_next_one_runs(world: World) -> None:
    world.run(service("one", "exit 3"))
    job = world.start(service("one", "exec sleep 60"), environment={"SLURM_RESTART_COUNT": "1"})
    job.until(lambda: job.state.get("attempt") == 1)
    assert job.end == {}


@pytest.mark.parametrize("arguments", [(f"claim:{TOKEN}",), ("claim-only", f"claim:{TOKEN}")])
def test_a_job_that_was_cancelled_before_it_began_starts_nothing(world: World, arguments: tuple[str, ...]) -> None:
    world.submission().mkdir(parents=True)
    (world.submission() / "cancel_requested").touch()
    code, job = world.run(CANARY, arguments=arguments)
    assert code == 143
    assert not (world.folder / "ran").exists()
    assert (job.state["job_status"], job.end["cause"]) == ("CANCELLED", "cancelled")
    assert job.service("canary")["status"] == "skipped"


def test_a_script_submitted_by_hand_needs_no_claim(world: World) -> None:
    code, job = world.run(CANARY, arguments=())
    assert code == 0
    assert job.state["submission_token"] is None
    assert not (world.metadata / "submissions").exists()


def test_a_folder_of_an_earlier_job_with_the_same_id_is_kept_aside(world: World) -> None:
    world.run(service("one", "echo old"))
    code, job = world.run(service("one", "echo new"), arguments=(f"claim:{OTHER_TOKEN}",))
    assert code == 0
    assert job.log("one") == "new\n"
    assert (world.metadata / f"41~{TOKEN[:8]}" / "logs/one.log").read_text() == "old\n"


def test_a_folder_of_an_earlier_job_without_a_token_is_kept_aside_too(world: World) -> None:
    for _ in range(2):
        world.run(service("one", "echo run"), arguments=())
    aside = [path.name for path in world.metadata.glob("41~*")]
    assert len(aside) == 1
    assert len(aside[0]) == len("41~") + 8


def test_an_array_task_has_a_folder_of_its_own_and_shares_the_claim(world: World) -> None:
    for task in ("3", "4"):
        code, _ = world.run(
            service("one", "echo $HPC_COMPOSE_JOB_ID"),
            job_id=f"5{task}",
            environment={"SLURM_ARRAY_JOB_ID": "50", "SLURM_ARRAY_TASK_ID": task},
        )
        assert code == 0
        assert (world.metadata / f"50_{task}" / "logs/one.log").read_text() == f"50_{task}\n"


def test_a_runtime_root_elsewhere_holds_the_job_folder(world: World, tmp_path: Path) -> None:
    code, job = world.run(service("one"), runtime_root=str(tmp_path / "scratch" / "jobs"))
    assert code == 0
    assert job.folder == tmp_path / "scratch" / "jobs" / "41"
    assert job.state["job_status"] == "COMPLETED"


def test_a_link_planted_as_a_log_is_refused(world: World, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    logs = world.metadata / "41" / "logs"
    logs.mkdir(parents=True)
    (logs / "one.log").symlink_to(victim)
    code, job = world.run(CANARY, service("one", "echo overwritten"))
    assert code == 1
    assert victim.read_text() == "untouched"
    assert not (world.folder / "ran").exists()
    assert "one.log is a symbolic link" in job.batch_log
    assert job.end["cause"] == "supervisor_error"
    assert "Traceback" not in job.batch_log


def test_a_job_folder_that_cannot_be_made_ready_is_told_of_in_one_line(world: World) -> None:
    """As on a full disk: it is nobody's bug, so there is no traceback."""
    (world.metadata / "41" / "end.json").mkdir(parents=True)
    code, job = world.run(CANARY)
    assert (code, job.state["cause"]) == (1, "supervisor_error")
    assert not (world.folder / "ran").exists()
    told = [line for line in job.batch_log.splitlines() if line.startswith("hpc-compose: the job cannot be made ready")]
    assert [str(job.folder) in line and "no service was started" in line for line in told] == [True]
    assert "Traceback" not in job.batch_log


@pytest.mark.parametrize("place", ["41", "41/logs", "41/allocation", "submissions", f"submissions/{TOKEN}"])
def test_a_link_planted_as_a_folder_is_refused(world: World, tmp_path: Path, place: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    planted = world.metadata / place
    planted.parent.mkdir(parents=True, exist_ok=True)
    planted.symlink_to(elsewhere)
    code, job = world.run(CANARY)
    assert code in {1, 3}
    assert list(elsewhere.iterdir()) == []
    assert not (world.folder / "ran").exists()
    assert "symbolic link" in job.batch_log


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_folder_of_somebody_else_is_refused(world: World) -> None:
    (world.metadata / "41").mkdir(parents=True)
    os.chown(world.metadata / "41", 4242, 4242)
    code, job = world.run(CANARY)
    assert code == 3
    assert "belongs to user id 4242" in job.batch_log
    assert not (world.folder / "ran").exists()


def test_a_pipe_planted_as_a_log_does_not_hang_the_job(world: World) -> None:
    logs = world.metadata / "41" / "logs"
    logs.mkdir(parents=True)
    os.mkfifo(logs / "one.log")
    code, job = world.run(service("one"))
    assert code == 1
    assert "no regular file" in job.batch_log


def test_outside_of_a_job_the_script_says_what_is_missing(world: World) -> None:
    code, job = world.run(CANARY, environment={"SLURM_JOB_ID": ""})
    assert code == 3
    assert "SLURM_JOB_ID" in job.batch_log


@pytest.mark.parametrize("argument", ["claim:../../etc", "claim:", "verbose", "step:none:extra"])
def test_an_argument_that_is_no_token_is_refused(world: World, argument: str) -> None:
    code, _ = world.run(CANARY, arguments=(argument,))
    assert code == 3
    assert not (world.folder / "ran").exists()


def test_a_job_whose_submission_was_removed_starts_nothing(world: World) -> None:
    """A late twin of a job that has run and was cleaned away must not run the work again."""
    world.hands_over = False
    code, job = world.run(CANARY)
    assert code == 3
    assert not (world.folder / "ran").exists()
    assert not world.submission().exists()
    assert "is gone" in job.batch_log


def test_an_unreadable_claim_lets_nobody_run(world: World) -> None:
    world.submission().mkdir(parents=True)
    (world.submission() / "claim").write_text("")
    code, job = world.run(CANARY)
    assert code == 3
    assert not (world.folder / "ran").exists()
    assert "claim cannot be read" in job.batch_log


@pytest.fixture
def small_disk(tmp_path: Path) -> Path:
    """A file system of 64 KiB; skipped where none can be mounted."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = shutil.which("mount")
    if os.geteuid() != 0 or mount is None:
        pytest.skip("only root can mount a small file system")
    if subprocess.run([mount, "-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs", str(folder)], check=False).returncode:
        pytest.skip("this machine does not let a file system be mounted")
    return folder


def test_a_full_disk_does_not_end_the_job(world: World, small_disk: Path) -> None:
    """State and events cannot be written while the disk is full; the job goes on and says so once."""
    try:
        fill = 'cat /dev/zero > "$HPC_COMPOSE_JOB_DIR/filler" 2>/dev/null; sleep 1; echo alive > proof'
        body = fill + '; rm "$HPC_COMPOSE_JOB_DIR/filler"; sleep 0.2'
        code, job = world.run(service("filler", body, policy="ignore"), runtime_root=str(small_disk), heartbeat_s=0.1)
        assert code == 0
        assert (world.folder / "proof").read_text() == "alive\n"
        assert job.state["job_status"] == "COMPLETED"
        assert job.batch_log.count("state.json cannot be written") == 1
    finally:
        subprocess.run(["umount", "-l", str(small_disk)], check=True)


def test_a_job_folder_that_vanishes_does_not_end_the_job(world: World) -> None:
    code, job = world.run(
        service("one", f'rm -rf "{world.metadata}/41"; sleep 0.3; echo alive > proof'), heartbeat_s=0.1
    )
    assert code == 0
    assert (world.folder / "proof").read_text() == "alive\n"
    assert "cannot be written" in job.batch_log
