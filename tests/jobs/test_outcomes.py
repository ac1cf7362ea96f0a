"""How jobs end: real processes on both engines."""

from __future__ import annotations

from pathlib import Path

from tests.jobs.project import Project


def test_hello_completes_and_its_output_is_logged(project: Project) -> None:
    """The smallest job there is."""
    project.write("""
        name: hello
        runtime: {backend: host}
        services:
          app:
            command: echo hello from the job
    """)
    report = project.up()
    assert (report["state"], report["exit_code"]) == ("COMPLETED", 0)
    assert project.log(report["job_id"], "app") == "hello from the job\n"
    assert project.state(report["job_id"])["job_status"] == "COMPLETED"


def test_a_client_starts_when_its_server_answers_and_the_sidecar_does_not_keep_the_job(project: Project) -> None:
    """HTTP gate, free port, sidecar stopped at the end without making a failure of it."""
    project.write("""
        runtime: {backend: host}
        x-slurm: {stop_grace_seconds: 5}
        services:
          server:
            script: |
              sleep 0.5
              exec python3 -u -m http.server "$HPC_COMPOSE_SERVER_PORT_HTTP"
            readiness: {type: http, url: "http://@{server.host}:@{server.port.http}/", timeout_seconds: 30}
            x-slurm: {lifecycle: sidecar, ports: [http]}
          client:
            command:
              - python3
              - -c
              - "import sys, urllib.request as r; print(r.urlopen(sys.argv[1]).status)"
              - "http://@{server.host}:@{server.port.http}/"
            depends_on: {server: {condition: service_healthy}}
    """)
    report = project.up()
    job = report["job_id"]
    assert report["state"] == "COMPLETED"
    assert project.log(job, "client") == "200\n"
    assert project.service(job, "server")["status"] == "stopped"
    ready, started = project.events(job, "ready")[0], project.events(job, "started")[1]
    assert (ready["service"], started["service"]) == ("server", "client")
    assert ready["at"] <= started["at"]


def test_a_failing_service_fails_the_job_with_its_own_exit_code(project: Project) -> None:
    """17 stays 17, and the others are stopped."""
    project.write("""
        runtime: {backend: host}
        services:
          other: {command: sleep 100}
          broken: {command: "sleep 0.3; echo no >&2; exit 17"}
    """)
    report = project.up(code=1)
    job = report["job_id"]
    assert (report["state"], report["exit_code"]) == ("FAILED", 17)
    assert report["cause"] == "service_failed"
    assert project.service(job, "broken")["last_exit_code"] == 17
    assert "17" in project.service(job, "broken")["failure_reason"]
    assert project.service(job, "other")["status"] == "stopped"


def test_a_service_that_fails_twice_is_restarted_until_it_ends_well(project: Project) -> None:
    """The counters say how often."""
    project.write("""
        runtime: {backend: host}
        services:
          flaky:
            script: |
              echo try >> "$HPC_COMPOSE_JOB_DIR/tries"
              test "$(wc -l < "$HPC_COMPOSE_JOB_DIR/tries")" -ge 3
            x-slurm: {failure_policy: {mode: restart_on_failure, max_restarts: 5, backoff_seconds: 1}}
    """)
    report = project.up()
    service = project.service(report["job_id"], "flaky")
    assert report["state"] == "COMPLETED"
    assert (service["restart_count"], service["restart_failures_in_window"]) == (2, 2)
    assert [event["restart_count"] for event in project.events(report["job_id"], "restarted")] == [1, 2]


def test_a_crash_loop_is_ended_by_the_rolling_window(project: Project) -> None:
    """Long before the lifetime cap."""
    project.write("""
        runtime: {backend: host}
        services:
          loop:
            command: exit 9
            x-slurm:
              failure_policy:
                {mode: restart_on_failure, max_restarts: 50, backoff_seconds: 1, max_restarts_in_window: 2}
    """)
    report = project.up(code=1)
    assert (report["state"], report["exit_code"], report["cause"]) == ("FAILED", 9, "window_exhausted")
    assert project.service(report["job_id"], "loop")["restart_count"] == 2
    assert project.events(report["job_id"], "window_exhausted")


def test_an_ignored_failure_is_recorded_and_the_job_completes(project: Project) -> None:
    """23 is there to be read."""
    project.write("""
        runtime: {backend: host}
        services:
          optional: {command: exit 23, x-slurm: {failure_policy: {mode: ignore}}}
          work: {command: sleep 0.5}
    """)
    report = project.up()
    assert report["state"] == "COMPLETED"
    assert project.service(report["job_id"], "optional")["last_exit_code"] == 23


def test_three_stages_run_one_after_the_other(project: Project) -> None:
    """Each starts when the one before it has completed."""
    project.write("""
        runtime: {backend: host}
        services:
          load:
            command: sleep 0.2; echo load >> "$HPC_COMPOSE_JOB_DIR/order"
            depends_on: {transform: {condition: service_completed_successfully}}
          extract:
            command: sleep 0.2; echo extract >> "$HPC_COMPOSE_JOB_DIR/order"
          transform:
            command: sleep 0.2; echo transform >> "$HPC_COMPOSE_JOB_DIR/order"
            depends_on: {extract: {condition: service_completed_successfully}}
    """)
    report = project.up()
    assert (project.job_dir(report["job_id"]) / "order").read_text().split() == ["extract", "transform", "load"]


def test_readiness_that_never_comes_fails_the_job_and_says_which_probe(project: Project) -> None:
    """The process lives, but nothing answers."""
    project.write("""
        runtime: {backend: host}
        x-slurm: {stop_grace_seconds: 2}
        services:
          deaf:
            command: sleep 100
            readiness: {type: log, pattern: "^ready$$", timeout_seconds: 1}
    """)
    report = project.up(code=1)
    assert (report["state"], report["cause"]) == ("FAILED", "readiness_failed")
    assert "log" in project.service(report["job_id"], "deaf")["failure_reason"]


def test_the_step_gets_the_cpus_it_asked_for(project: Project) -> None:
    """Never one CPU silently: what `nproc` says (it heeds OMP_NUM_THREADS), and what Slurm gave the step."""
    project.write("""
        runtime: {backend: host}
        x-slurm: {cpus_per_task: 2}
        services:
          count: {command: 'nproc; echo "step ${SLURM_CPUS_PER_TASK-}"'}
    """)
    report = project.up()
    assert project.log(report["job_id"], "count").splitlines() == ["2", "step 2"]


def test_setup_lines_run_once_and_reach_every_service(project: Project) -> None:
    """Before the first service starts."""
    project.write("""
        runtime: {backend: host}
        x-slurm:
          setup:
            - echo setup >> setup-runs
            - export GREETING="hello there"
        services:
          a: {command: 'echo "$GREETING"'}
          b: {command: 'echo "$GREETING"'}
    """)
    report = project.up()
    assert [project.log(report["job_id"], name) for name in "ab"] == ["hello there\n"] * 2
    assert (project.folder / "setup-runs").read_text() == "setup\n"


def test_hostile_values_reach_the_program_as_they_are(project: Project) -> None:
    """Quotes, dollars, backticks and newlines are text."""
    project.write(r"""
        runtime: {backend: host}
        services:
          "odd.name":
            command: [printf, '<%s>', "a'b", '$$(touch pwned)', '`id`', "two\nlines", '"', '--', '*']
            environment: {ODD: "$$(touch pwned) 'x' \"y\""}
    """)
    report = project.up()
    log = project.job_dir(report["job_id"]) / "logs" / "odd_x2e_name.log"
    assert log.read_text() == """<a'b><$(touch pwned)><`id`><two\nlines><"><--><*>"""
    assert not (project.folder / "pwned").exists()


def test_the_folder_of_the_batch_log_is_made(project: Project) -> None:
    """Slurm fails a job whose log folder is missing, and says nothing."""
    project.write("""
        name: team/job
        runtime: {backend: host}
        x-slurm: {output: "logs/%x-%j.out", error: "errors/%j.err"}
        services:
          app: {command: echo hello}
    """)
    report = project.up()
    assert report["state"] == "COMPLETED"
    assert "COMPLETED" in Path(report["batch_log"]).read_text()
    assert project.log(report["job_id"], "app") == "hello\n"


def test_a_setup_that_ends_the_script_never_looks_like_success(project: Project) -> None:
    """No service has run, whatever the status says; the batch log tells which line it was."""
    project.write("""
        runtime: {backend: host}
        x-slurm: {setup: ["echo before", "exit 0"]}
        services: {app: {command: echo hello}}
    """)
    report = project.up(code=1)
    assert report["state"] == "FAILED"
    assert "setup ended with status 0 before a service started, at: exit 0" in Path(report["batch_log"]).read_text()


def test_a_failing_setup_line_fails_the_job_and_is_named(project: Project) -> None:
    """Unset variables are no failure: what activates an environment seldom minds them."""
    project.write("""
        runtime: {backend: host}
        x-slurm: {setup: ['echo "$NEVER_SET"', "test -d /no/such/folder"]}
        services: {app: {command: echo hello}}
    """)
    report = project.up(code=1)
    assert report["state"] == "FAILED"
    assert "setup ended with status 1 before a service started, at: test -d /no/such/folder" in (
        Path(report["batch_log"]).read_text()
    )
