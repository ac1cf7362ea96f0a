"""Rotation of real jobs' logs, on both engines."""

from __future__ import annotations

from tests.jobs.project import Project

LINES = 40_000
"""Of 100 bytes each: four megabytes."""


def test_a_log_is_rotated_and_read_as_one(project: Project) -> None:
    """The follower that `up` is misses nothing; readiness is met by a line after several rotations; the disk is bounded."""
    project.write(f"""
        runtime: {{backend: host}}
        x-slurm: {{logs: {{max_size: 1M, keep: 2}}}}
        services:
          app:
            script: |
              awk 'BEGIN {{ for (i = 1; i <= {LINES}; i++) {{ printf "%099d\\n", i; if (i % 1000 == 0) system("sleep 0.02") }} }}'
              echo up
              sleep 1
              exit 3
            readiness: {{type: log, pattern: ^up$$}}
            assert: {{exit_code: 3}}
            x-slurm: {{hooks: [{{on: ready, script: echo hooked}}]}}
    """)
    done = project.hpcc("up", code=0)
    numbers = [int(line[6:]) for line in done.stdout.splitlines() if line.startswith("[app] 0")]
    assert numbers == list(range(1, LINES + 1))
    (job,) = (path.parent.name for path in project.folder.glob(".hpc-compose/*/state.json"))
    logs = project.job_dir(job) / "logs"
    sizes = {path.name: path.stat().st_size for path in logs.glob("app.log*")}
    assert sorted(sizes) == ["app.log", "app.log.1", "app.log.2"]
    assert max(sizes.values()) <= 2**20
    assert len(project.events(job, "log_rotated")) == 3
    shown = [line["text"] for line in project.json("logs", "--lines", "15000", "--job-id", job)["lines"]]
    own = [line for line in shown if not line.startswith("srun: ")]
    assert [int(line) for line in own[:-2]] == list(range(LINES - len(own) + 3, LINES + 1))
    assert own[-2:] == ["up", "hooked"]
