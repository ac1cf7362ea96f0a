"""Each likely cause is found in text that the programs really print, and in nothing else."""

from __future__ import annotations

import pytest

from compose_core.insight.causes import KNOWN_CAUSES, Symptoms, likely_causes

CAPTURED = [
    (
        "out_of_memory",
        "slurmstepd: error: Detected 1 oom_kill event in StepId=12.0. Some of the step tasks have been OOM Killed.",
    ),
    ("out_of_memory", "MemoryError"),
    ("out_of_memory", "terminate called after throwing an instance of 'std::bad_alloc'"),
    ("out_of_memory", "java.lang.OutOfMemoryError: Java heap space"),
    ("time_limit", "slurmstepd: error: *** JOB 12 ON n1 CANCELLED AT 2026-11-21T10:00:00 DUE TO TIME LIMIT ***"),
    (
        "node_failed",
        "slurmstepd: error: *** JOB 12 ON n1 CANCELLED AT 2026-11-21T10:00:00 DUE TO NODE FAILURE, SEE SLURMCTLD LOG ***",
    ),
    ("preempted", "slurmstepd: error: *** JOB 12 ON n1 CANCELLED AT 2026-11-21T10:00:00 DUE TO PREEMPTION ***"),
    ("cancelled", "slurmstepd: error: *** STEP 12.0 ON n1 CANCELLED AT 2026-11-21T10:00:00 ***"),
    ("readiness_never_met", "not ready in time: tcp 127.0.0.1:5"),
    (
        "log_or_folder_missing",
        "slurmstepd: error: couldn't chdir to `/home/me/p': No such file or directory: going to /tmp instead",
    ),
    (
        "no_python_on_node",
        "hpc-compose: no python3 on n1; set HPC_COMPOSE_PYTHON to an interpreter of version 3.6 or newer",
    ),
    ("image_not_found", "pyxis: failed to import docker image"),
    (
        "image_not_found",
        "[ERROR] URL https://registry-1.docker.io/v2/library/nope/manifests/latest returned error code: 401 Unauthorized",
    ),
    ("image_not_found", "FATAL:   could not open image /c/x.sif: failed to retrieve path"),
    ("cuda_out_of_memory", "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB."),
    ("no_gpu", "RuntimeError: No CUDA GPUs are available"),
    ("no_gpu", "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver."),
    ("wrong_gpu_kind", "RuntimeError: CUDA error: no kernel image is available for execution on the device"),
    (
        "nccl",
        "torch.distributed.DistBackendError: NCCL error in: ProcessGroupNCCL.cpp:1691, unhandled system error, ncclSystemError",
    ),
    ("port_in_use", "OSError: [Errno 98] Address already in use"),
    ("port_in_use", "listen tcp :8080: bind: address already in use"),
    ("command_not_found", "bash: line 1: trainn: command not found"),
    ("command_not_found", "/bin/sh: 1: trainn: not found"),
    ("command_not_found", "slurmstepd: error: execve(): trainn: No such file or directory"),
    ("python_import", "ModuleNotFoundError: No module named 'torch'"),
    ("shared_library", "./a.out: error while loading shared libraries: libmpi.so.40: cannot open shared object file"),
    ("wrong_machine", "bash: ./tool: cannot execute binary file: Exec format error"),
    ("permission_denied", "bash: ./run.sh: Permission denied"),
    ("read_only", "touch: cannot touch '/x': Read-only file system"),
    ("disk_full", "OSError: [Errno 28] No space left on device"),
    ("no_such_file", "python3: can't open file '/p/train.py': [Errno 2] No such file or directory"),
    ("connection_refused", "curl: (7) Failed to connect to 127.0.0.1 port 80: Connection refused"),
    ("step_refused", "srun: error: Unable to create step for job 12: More processors requested than permitted"),
    ("crash", "Segmentation fault (core dumped)"),
    ("killed", "Killed"),
    ("python_error", "ValueError: shapes do not fit"),
]


@pytest.mark.parametrize(("name", "line"), CAPTURED)
def test_a_cause_is_found_in_what_programs_print(name: str, line: str) -> None:
    """The line itself is the evidence."""
    found = likely_causes(Symptoms(state="FAILED", texts=[("app", ["fine so far", line])]))
    assert name in [cause.name for cause in found], found
    assert any(line[:200] in text for cause in found for text in cause.evidence)


@pytest.mark.parametrize(("name", "line"), [pair for pair in CAPTURED if pair[0] != "python_error"])
def test_the_cause_that_a_line_is_about_is_named_first(name: str, line: str) -> None:
    """A general one that fits as well does not hide it."""
    assert likely_causes(Symptoms(state="FAILED", texts=[("app", [line])]))[0].name == name


@pytest.mark.parametrize(
    ("symptoms", "name"),
    [
        (Symptoms(state="OUT_OF_MEMORY"), "out_of_memory"),
        (Symptoms(state="TIMEOUT"), "time_limit"),
        (Symptoms(state="NODE_FAIL"), "node_failed"),
        (Symptoms(state="FAILED", cause="restarts_exhausted"), "crash_loop"),
        (Symptoms(state="FAILED", cause="readiness_failed"), "readiness_never_met"),
        (Symptoms(state="PENDING", reason="DependencyNeverSatisfied"), "dependency_never_satisfied"),
        (Symptoms(state="FAILED", reason="JobLaunchFailure", exit_code=53), "log_or_folder_missing"),
        (Symptoms(state="FAILED", exit_code=127), "command_not_found"),
        (Symptoms(state="FAILED", exit_code=126), "permission_denied"),
        (Symptoms(state="FAILED", exit_code=137), "killed"),
        (Symptoms(state="FAILED", exit_code=139), "crash"),
    ],
)
def test_a_cause_is_found_in_what_is_known_of_the_job(symptoms: Symptoms, name: str) -> None:
    """Without any log."""
    found = likely_causes(symptoms)
    assert [cause.name for cause in found] == [name]
    assert found[0].evidence
    assert found[0].advice


def test_nothing_is_guessed_where_nothing_speaks_for_it() -> None:
    """An ordinary failure has no likely cause."""
    assert likely_causes(Symptoms(state="FAILED", exit_code=3, texts=[("app", ["epoch 1: loss 0.3", "bye"])])) == ()


def test_a_general_cause_with_the_evidence_of_a_special_one_is_left_out() -> None:
    """`ModuleNotFoundError` is one finding, not two."""
    lines = ["Traceback (most recent call last):", "ModuleNotFoundError: No module named 'x'"]
    assert [cause.name for cause in likely_causes(Symptoms(state="FAILED", texts=[("app", lines)]))] == [
        "python_import"
    ]


def test_every_cause_has_a_name_of_its_own_and_is_tried_here() -> None:
    """A row without a test is a guess."""
    names = [cause.name for cause in KNOWN_CAUSES]
    assert len(set(names)) == len(names)
    by_state_alone = {cause.name for cause in KNOWN_CAUSES if not cause.patterns}
    assert set(names) - {name for name, _ in CAPTURED} == by_state_alone


def test_long_lines_of_a_hostile_log_cost_no_time() -> None:
    """Every expression is tried on lines that look like its beginning, over and over."""
    seeds = [line for _, line in CAPTURED] + ["bind() ", "pyxis: ", "NCCL error ", "Error: ", "[ERROR] URL "]
    lines = [(seed * 2000)[:2000] for seed in seeds]
    likely_causes(Symptoms(state="FAILED", texts=[("app", lines)]))
