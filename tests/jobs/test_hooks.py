"""Hooks, prologues and epilogues in real jobs, on both engines."""

from __future__ import annotations

from tests.jobs.project import Project


def own_lines(project: Project, job: str, service: str) -> list[str]:
    """The service's log without what srun says of a failure."""
    return [line for line in project.log(job, service).splitlines() if not line.startswith("srun: ")]


def test_hooks_tell_of_restarts_and_of_the_end(project: Project) -> None:
    """They see the service's environment, the job folder, and the figures of the moment; a failing one changes nothing."""
    project.write("""
        runtime: {backend: host}
        services:
          app:
            script: |
              echo try >> "$HPC_COMPOSE_JOB_DIR/tries"
              test "$(wc -l < "$HPC_COMPOSE_JOB_DIR/tries")" -ge 2
            environment: {MARK: "it's $$5"}
            x-slurm:
              failure_policy: {mode: restart_on_failure, max_restarts: 5, backoff_seconds: 1}
              hooks:
                - on: restart
                  script: |
                    printf '%s|%s|%s|%s of %s|%s\\n' "$HPC_COMPOSE_HOOK_PHASE" "$HPC_COMPOSE_SERVICE_NAME" "$MARK" \\
                      "$HPC_COMPOSE_RESTART_COUNT" "$HPC_COMPOSE_MAX_RESTARTS" "$HPC_COMPOSE_SERVICE_EXIT_CODE"
                    exit 9
                - {on: exit, script: 'echo "$HPC_COMPOSE_SERVICE_EXIT_CODE" >> "$HPC_COMPOSE_JOB_DIR/exits"'}
    """)
    report = project.up()
    job = report["job_id"]
    assert report["state"] == "COMPLETED"
    assert own_lines(project, job, "app") == ["restart|app|it's $5|1 of 5|1"]
    assert (project.job_dir(job) / "exits").read_text() == "1\n0\n"
    assert sorted((row["on"], row["exit_code"], row["timed_out"]) for row in project.events(job, "hook")) == [
        ("exit", 0, False), ("exit", 0, False), ("restart", 9, False),
    ]  # fmt: skip


def test_the_lifetime_cap_and_readiness_have_hooks(project: Project) -> None:
    project.write("""
        runtime: {backend: host}
        services:
          app:
            command: "echo up; sleep 1; exit 4"
            readiness: {type: log, pattern: ^up$$}
            x-slurm:
              failure_policy: {mode: restart_on_failure, max_restarts: 1, backoff_seconds: 1}
              hooks:
                - {on: ready, script: echo hook ready}
                - {on: gave_up, script: "sleep 0.5; echo hook gave up"}
                - {on: window_exhausted, script: echo never}
    """)
    report = project.up(code=1)
    job = report["job_id"]
    assert (report["exit_code"], report["cause"]) == (4, "restarts_exhausted")
    assert own_lines(project, job, "app") == ["up", "hook ready", "up", "hook ready", "hook gave up"]


def test_prologue_and_epilogue_surround_each_launch(project: Project) -> None:
    """In the service's environment, with its exit status; the status of the job stays the service's."""
    project.write("""
        runtime: {backend: host}
        services:
          app:
            command: "echo run; exit 6"
            environment: {MARK: set}
            x-slurm:
              prologue: echo "$HPC_COMPOSE_HOOK_PHASE $MARK"
              epilogue: {script: 'echo "$HPC_COMPOSE_HOOK_PHASE $HPC_COMPOSE_SERVICE_EXIT_CODE"; exit 3'}
    """)
    report = project.up(code=1)
    job = report["job_id"]
    assert (report["exit_code"], report["cause"]) == (6, "service_failed")
    assert own_lines(project, job, "app") == [
        "prologue set", "run", "epilogue 6", "hpc-compose: the epilogue ended with 3",
    ]  # fmt: skip


def test_a_prologue_that_fails_keeps_its_service_from_starting(project: Project) -> None:
    """And counts as the service's exit; an epilogue's failure does, too."""
    project.write("""
        runtime: {backend: host}
        services:
          first: {command: echo never, x-slurm: {prologue: exit 5, failure_policy: {mode: ignore}}}
          second: {command: echo run, x-slurm: {epilogue: exit 8}}
    """)
    report = project.up(code=1)
    job = report["job_id"]
    assert (report["exit_code"], report["cause"]) == (8, "service_failed")
    assert project.service(job, "first")["last_exit_code"] == 5
    assert "never" not in project.log(job, "first")
    assert project.log(job, "second") == "run\nhpc-compose: the epilogue ended with 8\n"


def test_a_service_with_an_epilogue_still_ends_well_when_the_job_is_over(project: Project) -> None:
    """TERM reaches the service itself, then its epilogue runs."""
    project.write("""
        runtime: {backend: host}
        services:
          side:
            script: |
              trap 'echo bye; exit 0' TERM
              echo up
              while :; do sleep 0.1; done
            readiness: {type: log, pattern: ^up$$}
            x-slurm: {lifecycle: sidecar, prologue: echo before, epilogue: "sleep 0.3; echo after"}
          main: {command: "true", depends_on: {side: {condition: service_healthy}}}
    """)
    report = project.up()
    assert report["state"] == "COMPLETED"
    lines = project.log(report["job_id"], "side").splitlines()
    assert [line for line in lines if line in ("before", "up", "bye", "after")] == ["before", "up", "bye", "after"]
