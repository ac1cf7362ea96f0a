from __future__ import annotations

from compose_core.cluster.sstat import parse_sstat, sstat_argv
from compose_core.job_state import JobId


def test_all_steps_of_all_jobs_are_asked_for_and_read() -> None:
    argv = sstat_argv([JobId("41"), JobId("42")])
    assert {"--allsteps", "--noconvert", "--jobs=41,42"} <= set(argv)
    assert not any(word.startswith("--delimiter") for word in argv)
    text = "41.0|2|00:00:01|5420|6000|cpu=00:00:01,mem=5420|cpu=00:00:03,mem=10840\nnoise\n"
    answer = parse_sstat(text)
    (step,) = answer.steps
    assert (step.job_id, step.step, step.ntasks, step.ave_cpu_s) == ("41", "0", 2, 1)
    assert (step.ave_rss_bytes, step.max_rss_bytes) == (5420, 6000)
    assert dict(step.tres_usage_in_tot) == {"cpu": 3, "mem": 10840}
    assert answer.malformed == 1


def test_an_ended_job_has_no_steps() -> None:
    assert parse_sstat("").steps == ()
