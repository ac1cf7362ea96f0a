from __future__ import annotations

from compose_core.cluster.sstat import parse_sstat, sstat_argv
from compose_core.job_state import JobId


def test_all_steps_are_asked_for_and_read() -> None:
    argv = sstat_argv(JobId("41"))
    assert "--allsteps" in argv
    assert not any(word.startswith("--delimiter") for word in argv)
    text = "41.batch|1|00:00:01|5420K|cpu=00:00:01,mem=5420K\nnoise\n"
    (step,) = parse_sstat(text)
    assert (step.step_id, step.tasks, step.average_cpu, step.max_rss) == ("41.batch", 1, "00:00:01", "5420K")


def test_an_ended_job_has_no_steps() -> None:
    assert parse_sstat("") == ()
