"""What Slurm's tools print: the same assertions for the real ones and for the fake, so that the fake cannot drift."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from compose_core.records.token import new_token
from tests.conformance.worlds import UNKNOWN, Tools, World

TOKEN = new_token(1_800_000_000, b"conformant")
US = "\x1f"
SLEEP = "sleep 600"
FAILED = "sbatch: error: Batch job submission failed:"
UNAVAILABLE = f"{FAILED} Requested node configuration is not available\n"


# -- sbatch -------------------------------------------------------------------------------------------------------


def test_parsable_output_is_the_id_alone(tools: Tools) -> None:
    answer = tools.run("sbatch", "--parsable", "--hold", tools.script(SLEEP))
    assert answer.rc == 0
    assert answer.stdout.strip().isdigit()
    assert answer.stdout.endswith("\n")
    assert answer.stderr == ""


def test_without_parsable_it_is_a_sentence(tools: Tools) -> None:
    answer = tools.run("sbatch", "--hold", tools.script(SLEEP))
    assert answer.stdout.startswith("Submitted batch job ")


def test_a_named_cluster_comes_back_behind_the_id(tools: Tools) -> None:
    config = tools.run("scontrol", "show", "config").stdout
    name = next(line.split()[-1] for line in config.splitlines() if line.startswith("ClusterName "))
    answer = tools.run("sbatch", "--parsable", "--hold", f"--clusters={name}", tools.script(SLEEP))
    assert answer.stdout.strip().partition(";")[2] == name


def test_ids_count_up(tools: Tools) -> None:
    first, second = tools.submit(SLEEP, "--hold"), tools.submit(SLEEP, "--hold")
    assert int(second) == int(first) + 1


def test_an_unknown_dependency_is_accepted(tools: Tools) -> None:
    assert tools.submit("true", "--dependency=afterok:999999").isdigit()


@pytest.mark.parametrize(
    ("options", "rc", "stderr"),
    [
        (["--partition=nowhere"], 1, f"sbatch: error: invalid partition specified: nowhere\n{FAILED} Invalid partition name specified\n"),
        (["--frobnicate=1"], 255, "sbatch: unrecognized option '--frobnicate=1'\nTry \"sbatch --help\" for more information\n"),
        (["--time=soon"], 255, "sbatch: error: Invalid --time specification\n"),
        (["--cpus-per-task=0"], 1, 'sbatch: error: Invalid numeric value "0" for --cpus-per-task.\n'),
        (["--array=1-99999"], 1, f"{FAILED} Invalid job array specification\n"),
        (["--array=x"], 1, f"{FAILED} Invalid job array specification\n"),
        (["--dependency=soon"], 1, f"{FAILED} Job dependency problem\n"),
        (["--constraint=zzz"], 1, f"{FAILED} Invalid feature specification\n"),
        ([f"--job-name={'x' * 1100}"], 1, f"{FAILED} Pathname of a file, directory or other parameter too long\n"),
    ],
)  # fmt: skip
def test_a_refused_request_leaves_no_job(tools: Tools, options: list[str], rc: int, stderr: str) -> None:
    before = tools.run("squeue", "--me", "--noheader", "--states=all", "--format=%i").stdout
    answer = tools.run("sbatch", "--parsable", *options, tools.script(SLEEP))
    assert (answer.rc, answer.stdout, answer.stderr) == (rc, "", stderr)
    after = tools.run("squeue", "--me", "--noheader", "--states=all", "--format=%i").stdout
    assert set(after.split()) == set(before.split())


@pytest.mark.parametrize(
    ("option", "stderr"),
    [
        ("--gres=gpu:9", UNAVAILABLE),
        ("--mem=999G", f"sbatch: error: Memory specification can not be satisfied\n{UNAVAILABLE}"),
    ],
)
def test_what_no_node_has_is_refused_and_leaves_a_failed_job(tools: Tools, option: str, stderr: str) -> None:
    """An id is used up, and squeue shows a job that never was one: a refusal is known by its text alone."""
    before = set(tools.run("squeue", "--me", "--noheader", "--states=all", "--format=%i").stdout.split())
    answer = tools.run("sbatch", "--parsable", f"--comment=hpcc:v1:{TOKEN}", option, tools.script(SLEEP))
    assert (answer.rc, answer.stdout, answer.stderr) == (1, "", stderr)
    after = set(tools.run("squeue", "--me", "--noheader", "--states=all", "--format=%i").stdout.split())
    (left,) = after - before
    assert tools.cell(left, "%T|%r|%k") == f"FAILED|BadConstraints|hpcc:v1:{TOKEN}"


@pytest.mark.parametrize(
    ("text", "rc", "stderr"),
    [
        (b"", 1, "sbatch: error: Batch script is empty!\n"),
        (
            b"true\n",
            1,
            "sbatch: error: This does not look like a batch script.  The first\n"
            "sbatch: error: line must start with #! followed by the path to an interpreter.\n"
            "sbatch: error: For instance: #!/bin/sh\n",
        ),
        (
            b"#!/bin/sh\r\ntrue\r\n",
            1,
            "sbatch: error: Batch script contains DOS line breaks (\\r\\n)\n"
            "sbatch: error: instead of expected UNIX line breaks (\\n).\n",
        ),
        (
            b"#!/bin/sh\n\0\n",
            1,
            "sbatch: error: The Slurm controller does not allow scripts that\n"
            "sbatch: error: contain a NULL character '\\0'.\n",
        ),
        (
            b"#!/bin/sh\n#SBATCH --job-name=a name\n",
            255,
            "sbatch: error: Invalid directive found in batch script: name\n",
        ),
    ],
)
def test_a_refused_script(tools: Tools, text: bytes, rc: int, stderr: str) -> None:
    answer = tools.run("sbatch", "--parsable", tools.script(text))
    assert (answer.rc, answer.stdout, answer.stderr) == (rc, "", stderr)


def test_a_missing_script(tools: Tools) -> None:
    answer = tools.run("sbatch", "--parsable", "missing.sh")
    assert (answer.rc, answer.stderr) == (1, "sbatch: error: Unable to open file missing.sh\n")


def test_a_directive_after_the_first_command_is_ignored(tools: Tools) -> None:
    answer = tools.run(
        "sbatch", "--parsable", "--hold", tools.script("#SBATCH --job-name=early\ntrue\n#SBATCH --job-name=late")
    )
    assert tools.cell(answer.stdout.strip(), "%j") == "early"


def test_the_name_of_a_job_is_its_script_unless_given(tools: Tools) -> None:
    script = tools.script(SLEEP)
    job_id = tools.run("sbatch", "--parsable", "--hold", script).stdout.strip()
    assert tools.cell(job_id, "%j") == script.rpartition("/")[2]
    assert tools.cell(tools.submit(SLEEP, "--hold", "--job-name=a|b c"), "%j") == "a|b c"


# -- squeue -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ids", "rc", "stderr"),
    [
        (UNKNOWN, 1, "slurm_load_jobs error: Invalid job id specified\n"),
        (f"{UNKNOWN},999998", 0, ""),
        (f"{UNKNOWN},{UNKNOWN}", 0, ""),
        ("abc", 1, "squeue: error: Invalid job id: abc\n"),
    ],
)
def test_squeue_of_ids_that_it_does_not_know(tools: Tools, ids: str, rc: int, stderr: str) -> None:
    """One unknown id is an error, two are silence: neither says that a job has ended."""
    answer = tools.run("squeue", "--noheader", f"--jobs={ids}")
    assert (answer.rc, answer.stdout, answer.stderr) == (rc, "", stderr)


def test_an_unknown_id_beside_a_known_one_is_passed_over(tools: Tools) -> None:
    job_id = tools.submit(SLEEP, "--hold")
    answer = tools.run("squeue", "--noheader", "--states=all", "--format=%i", f"--jobs={job_id},{UNKNOWN}")
    assert (answer.rc, answer.stdout) == (0, f"{job_id}\n")


@pytest.mark.parametrize("words", [["--jobs="], ["-j", ""]])
def test_an_empty_list_of_ids_finds_nothing(tools: Tools, words: list[str]) -> None:
    tools.submit(SLEEP, "--hold")
    answer = tools.run("squeue", "--noheader", *words)
    assert (answer.rc, answer.stdout) == (0, "")


@pytest.mark.parametrize(
    ("options", "stderr"),
    [
        (["--bogus"], "squeue: unrecognized option '--bogus'\n"),
        (["-o"], "squeue: option requires an argument -- 'o'\n"),
    ],
)
def test_squeue_called_wrongly(tools: Tools, options: list[str], stderr: str) -> None:
    answer = tools.run("squeue", *options)
    assert (answer.rc, answer.stderr) == (1, f'{stderr}Try "squeue --help" for more information\n')


def test_a_running_job_in_all_fields(tools: Tools) -> None:
    comment = f"hpcc:v1:{TOKEN}:words | more"
    job_id = tools.submit(SLEEP, f"--comment={comment}", "--job-name=train", "--time=10")
    tools.wait_for(job_id, "RUNNING")
    layout = US.join(["%i", "%F", "%K", "%T", "%r", "%S", "%V", "%l", "%D", "%N", "%u", "%j", "%k"])
    row = tools.cell(job_id, layout).split(US)
    assert row[:4] == [job_id, job_id, "N/A", "RUNNING"]
    assert row[4] in ("None", "Prolog")  # the prolog runs in the first moment
    start, submit = row[5:7]
    assert start.isdigit()
    assert submit.isdigit()
    assert int(submit) <= int(start)
    assert row[7:9] == ["10:00", "1"]
    assert row[9].startswith("node")
    assert row[10:] == [tools.world.user, "train", comment]


def test_a_job_without_a_comment_has_null(tools: Tools) -> None:
    assert tools.cell(tools.submit(SLEEP, "--hold"), "%k") == "(null)"


def test_a_held_job(tools: Tools) -> None:
    job_id = tools.submit(SLEEP, "--hold")
    assert tools.cell(job_id, "%T|%r|%S|%N|%t") == "PENDING|JobHeldUser|N/A||PD"


@pytest.mark.parametrize(
    ("script", "state", "reason"),
    [("true", "COMPLETED", "None"), ("exit 17", "FAILED", "NonZeroExitCode")],
)
def test_an_ended_job_is_shown_only_when_all_states_are_asked_for(
    tools: Tools, script: str, state: str, reason: str
) -> None:
    job_id = tools.submit(script)
    tools.wait_for(job_id, state)
    assert tools.cell(job_id, "%T|%r") == f"{state}|{reason}"
    answer = tools.run("squeue", "--noheader", f"--jobs={job_id}")
    assert (answer.rc, answer.stdout) == (0, "")


def test_the_default_header(tools: Tools) -> None:
    header = "             JOBID PARTITION     NAME     USER ST       TIME  NODES NODELIST(REASON)"
    assert tools.run("squeue").stdout.splitlines()[0] == header


def test_width_in_a_format_cuts_and_pads(tools: Tools) -> None:
    job_id = tools.submit(SLEEP, "--hold")
    assert tools.cell(job_id, "%.8i|%5T|%.3j") == f"{job_id:>8}|PENDI|scr"


def test_steps_of_a_running_job(tools: Tools) -> None:
    job_id = tools.submit(SLEEP)
    tools.wait_for(job_id, "RUNNING")
    answer = tools.run("squeue", "--steps", "--noheader", f"--jobs={job_id}", f"--format=%i{US}%j")
    assert f"{job_id}.batch{US}batch" in answer.stdout.splitlines()


def test_tasks_that_wait_together_share_a_row(tools: Tools) -> None:
    job_id = tools.submit(SLEEP, "--hold", "--array=2-5%2")
    assert tools.cell(job_id, "%i|%A|%F|%K") == f"{job_id}_[2-5%2]|{job_id}|{job_id}|2-5%2"


def test_running_tasks_have_rows_of_their_own(tools: Tools) -> None:
    job_id = tools.submit(SLEEP, "--array=2-5%2")
    tools.wait_for(f"{job_id}_3", "RUNNING")
    tools.wait_for(f"{job_id}_2", "RUNNING")
    answer = tools.run("squeue", "--noheader", f"--jobs={job_id}", "--format=%i|%F|%K|%T|%r").stdout.splitlines()
    assert sorted(answer) == [
        f"{job_id}_2|{job_id}|2|RUNNING|None",
        f"{job_id}_3|{job_id}|3|RUNNING|None",
        f"{job_id}_[4-5%2]|{job_id}|4-5%2|PENDING|JobArrayTaskLimit",
    ]


def test_waiting_tasks_that_are_asked_for_stand_alone(tools: Tools) -> None:
    job_id = tools.submit(SLEEP, "--hold", "--array=2-5%2")
    layout = "--format=%i|%K"
    assert tools.cell(f"{job_id}_3", "%i|%K") == f"{job_id}_3|3"
    two = tools.run("squeue", "--noheader", layout, f"--jobs={job_id}_3,{job_id}_4")
    assert two.stdout == f"{job_id}_[3-4]|3-4\n"


def test_an_array_of_one_task_keeps_its_brackets(tools: Tools) -> None:
    job_id = tools.submit(SLEEP, "--hold", "--array=7")
    assert tools.cell(job_id, "%i|%K") == f"{job_id}_[7]|7"


def test_one_task_is_found_by_its_id(tools: Tools) -> None:
    job_id = tools.submit(SLEEP, "--array=0-1")
    tools.wait_for(f"{job_id}_1", "RUNNING")
    assert tools.cell(f"{job_id}_1", "%i|%K") == f"{job_id}_1|1"


# -- scontrol -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "stderr"),
    [
        (["show", "job", UNKNOWN], "slurm_load_jobs error: Invalid job id specified\n"),
        (["show", "job", "abc"], "scontrol_print_job error: Invalid job id specified\n"),
        (["requeue", UNKNOWN], f"Invalid job id specified for job {UNKNOWN}\n"),
    ],
)
def test_scontrol_of_a_job_that_is_not_there(tools: Tools, words: list[str], stderr: str) -> None:
    answer = tools.run("scontrol", *words)
    assert (answer.rc, answer.stdout, answer.stderr) == (1, "", stderr)


def test_scontrol_with_a_word_that_it_does_not_know(tools: Tools) -> None:
    answer = tools.run("scontrol", "bogus")
    assert (answer.rc, answer.stderr) == (1, "invalid keyword: bogus\n")


def test_a_controller_that_is_up_says_so(tools: Tools) -> None:
    answer = tools.run("scontrol", "ping")
    assert answer.rc == 0
    assert answer.stdout.startswith("Slurmctld(primary) at ")
    assert answer.stdout.endswith(" is UP\n")


def test_the_settings_that_matter(tools: Tools) -> None:
    config = tools.run("scontrol", "show", "config").stdout
    for name, unit in (("KillWait", " sec"), ("MinJobAge", " sec"), ("MessageTimeout", " sec"), ("MaxArraySize", "")):
        line = next(line for line in config.splitlines() if line.startswith(f"{name} "))
        assert line.partition(" = ")[2].removesuffix(unit).isdigit()


def test_a_job_shown_in_full(tools: Tools) -> None:
    job_id = tools.submit(SLEEP, "--hold", "--job-name=two words", "--comment=hello")
    lines = [line.strip() for line in tools.run("scontrol", "show", "job", job_id).stdout.splitlines()]
    assert lines[0] == f"JobId={job_id} JobName=two words"
    assert "JobState=PENDING Reason=JobHeldUser Dependency=(null)" in lines
    assert "Requeue=1 Restarts=0 BatchFlag=1 Reboot=0 ExitCode=0:0" in lines
    assert f"WorkDir={tools.world.folder}" in lines
    assert "Comment=hello" in lines


def test_a_requeued_job_keeps_its_id_and_waits(tools: Tools) -> None:
    job_id = tools.submit(SLEEP)
    tools.wait_for(job_id, "RUNNING")
    submitted = int(tools.cell(job_id, "%V"))
    tools.world.pass_time(1.1)
    assert tools.run("scontrol", "requeue", job_id).rc == 0
    tools.wait_for(job_id, "PENDING")
    assert tools.cell(job_id, "%r") == "BeginTime"
    assert int(tools.cell(job_id, "%V")) > submitted
    assert int(tools.cell(job_id, "%S")) > int(tools.cell(job_id, "%V"))
    assert "Requeue=1 Restarts=1 " in tools.run("scontrol", "show", "job", job_id).stdout


def test_a_job_that_may_not_be_requeued_is_not(tools: Tools) -> None:
    job_id = tools.submit(SLEEP, "--no-requeue")
    tools.wait_for(job_id, "RUNNING")
    answer = tools.run("scontrol", "requeue", job_id)
    assert (answer.rc, answer.stderr) == (1, f"Requested operation is presently disabled for job {job_id}\n")


def test_a_released_job_starts(tools: Tools) -> None:
    job_id = tools.submit(SLEEP, "--hold")
    assert tools.run("scontrol", "release", job_id).rc == 0
    tools.wait_for(job_id, "RUNNING")


# -- scancel ------------------------------------------------------------------------------------------------------


def test_scancel_is_silent_about_an_unknown_job(tools: Tools) -> None:
    answer = tools.run("scancel", UNKNOWN)
    assert (answer.rc, answer.stdout, answer.stderr) == (0, "", "")


def test_scancel_is_silent_about_an_ended_job(tools: Tools) -> None:
    job_id = tools.submit("true")
    tools.wait_for(job_id, "COMPLETED")
    answer = tools.run("scancel", job_id)
    assert (answer.rc, answer.stdout, answer.stderr) == (0, "", "")
    assert tools.cell(job_id, "%T") == "COMPLETED"


def test_only_verbose_scancel_tells(tools: Tools) -> None:
    answer = tools.run("scancel", "-v", UNKNOWN)
    assert answer.rc == 0
    assert answer.stderr == (
        f"scancel: Terminating job {UNKNOWN}\n"
        f"scancel: error: Kill job error on job id {UNKNOWN}: Invalid job id specified\n"
    )
    job_id = tools.submit("true")
    tools.wait_for(job_id, "COMPLETED")
    assert "Job/step already completing or completed" in tools.run("scancel", "-v", job_id).stderr


def test_a_signal_for_an_ended_job_is_an_error(tools: Tools) -> None:
    job_id = tools.submit("true")
    tools.wait_for(job_id, "COMPLETED")
    answer = tools.run("scancel", "--signal=KILL", "--full", job_id)
    assert (answer.rc, answer.stderr) == (
        1,
        f"scancel: error: Kill job error on job id {job_id}: Invalid job id specified\n",
    )


@pytest.mark.parametrize(
    ("words", "stderr"),
    [(["abc"], "scancel: error: Invalid job id abc\n"), ([], "scancel: error: No job identification provided\n")],
)
def test_scancel_called_wrongly(tools: Tools, words: list[str], stderr: str) -> None:
    answer = tools.run("scancel", *words)
    assert (answer.rc, answer.stderr) == (1, stderr)


@pytest.mark.parametrize("options", [[], ["--signal=KILL", "--full"]])
def test_a_cancelled_running_job(tools: Tools, options: list[str]) -> None:
    job_id = tools.submit(SLEEP)
    tools.wait_for(job_id, "RUNNING")
    assert tools.run("scancel", *options, job_id).rc == 0
    tools.wait_for(job_id, "CANCELLED")


def test_a_cancelled_waiting_job(tools: Tools) -> None:
    job_id = tools.submit(SLEEP, "--hold")
    tools.run("scancel", job_id)
    tools.wait_for(job_id, "CANCELLED")


def test_cancelling_an_array_ends_running_and_waiting_tasks(tools: Tools) -> None:
    job_id = tools.submit(SLEEP, "--array=1-4%1")
    tools.wait_for(f"{job_id}_1", "RUNNING")
    tools.run("scancel", job_id)
    tools.wait_for(f"{job_id}_1", "CANCELLED")
    rows = tools.run(
        "squeue", "--noheader", "--states=all", f"--jobs={job_id}", "--format=%i|%T|%r"
    ).stdout.splitlines()
    assert f"{job_id}_[2-4%1]|CANCELLED|JobArrayTaskLimit" in rows


def test_a_cancelled_waiting_task_leaves_the_others_waiting(tools: Tools) -> None:
    job_id = tools.submit(SLEEP, "--hold", "--array=2-5%2")
    assert tools.run("scancel", f"{job_id}_3").rc == 0
    rows = tools.run("squeue", "--noheader", "--states=all", f"--jobs={job_id}", "--format=%i|%K|%T").stdout
    assert rows == f"{job_id}_[2,4-5%2]|2,4-5%2|PENDING\n"


# -- sacct --------------------------------------------------------------------------------------------------------


def test_sacct_of_an_unknown_job_is_an_empty_table(tools: Tools) -> None:
    answer = tools.run("sacct", "-P", "-j", UNKNOWN, "-o", "JobID,State")
    assert (answer.rc, answer.stdout) == (0, "JobID|State\n")
    assert tools.run("sacct", "-n", "-P", "-j", UNKNOWN).stdout == ""


def test_sacct_with_a_field_that_it_does_not_know(tools: Tools) -> None:
    answer = tools.run("sacct", "-X", "-n", "-P", "-o", "Nonsense")
    assert (answer.rc, answer.stderr) == (1, 'sacct: error: Invalid field requested: "Nonsense"\n')


@pytest.mark.parametrize(
    ("script", "state", "status"),
    [("true", "COMPLETED", "0:0"), ("exit 17", "FAILED", "17:0"), ("kill -9 $$", "FAILED", "0:9")],
)
def test_exit_codes_of_ended_jobs(tools: Tools, script: str, state: str, status: str) -> None:
    job_id = tools.submit(script)
    tools.wait_for_accounting(job_id, state)
    assert tools.accounted(job_id, "JobID,JobIDRaw,State,ExitCode,User") == (
        f"{job_id}|{job_id}|{state}|{status}|{tools.world.user}"
    )


def test_times_are_epoch_seconds_when_asked_for(tools: Tools) -> None:
    job_id = tools.submit("true")
    tools.wait_for_accounting(job_id, "COMPLETED")
    submit, start, end = (int(cell) for cell in tools.accounted(job_id, "Submit,Start,End").split("|"))
    assert 1_700_000_000 < submit <= start <= end


def test_the_submit_line_keeps_the_token_and_the_comment_comes_at_the_end(tools: Tools) -> None:
    job_id = tools.submit("true", f"--comment=hpcc:v1:{TOKEN}")
    tools.wait_for_accounting(job_id, "COMPLETED")
    assert f"--comment=hpcc:v1:{TOKEN}" in tools.accounted(job_id, "SubmitLine")
    assert tools.accounted(job_id, "Comment") == f"hpcc:v1:{TOKEN}"


def test_who_cancelled_stands_in_the_state_and_a_narrow_column_cuts_it(tools: Tools) -> None:
    job_id = tools.submit(SLEEP)
    tools.wait_for(job_id, "RUNNING")
    tools.run("scancel", job_id)
    tools.wait_for_accounting(job_id, "CANCELLED")
    assert tools.accounted(job_id, "State") == f"CANCELLED by {tools.world.uid}"
    table = tools.run("sacct", "-X", "-n", "-S", "2020-01-01T00:00:00", "-j", job_id).stdout
    assert " CANCELLED+ " in table


def test_steps_are_rows_unless_allocations_alone_are_asked_for(tools: Tools) -> None:
    job_id = tools.submit("exit 17")
    tools.wait_for_accounting(job_id, "FAILED")
    rows = tools.run(
        "sacct", "-n", "-P", "-j", job_id, "-S", "2020-01-01T00:00:00", "-o", "JobID,State,ExitCode"
    ).stdout
    assert f"{job_id}.batch|FAILED|17:0" in rows.splitlines()
    assert tools.accounted(job_id, "JobID") == job_id


def test_waiting_tasks_share_an_accounting_row_too(tools: Tools) -> None:
    job_id = tools.submit(SLEEP, "--hold", "--array=2-5%2")
    tools.wait_for_accounting(job_id, "PENDING")
    assert tools.accounted(job_id, "JobID,JobIDRaw,Start,End,NodeList") == (
        f"{job_id}_[2-5%2]|{job_id}|Unknown|Unknown|None assigned"
    )


def test_after_a_requeue_only_the_last_run_is_shown(tools: Tools) -> None:
    job_id = tools.submit(SLEEP)
    tools.wait_for(job_id, "RUNNING")
    tools.run("scontrol", "requeue", job_id)
    tools.wait_for(job_id, "PENDING")
    tools.run("scancel", job_id)
    tools.wait_for_accounting(job_id, "CANCELLED")
    rows = tools.run("sacct", "-X", "-n", "-P", "-S", "2020-01-01T00:00:00", "-j", job_id, "-o", "State").stdout
    assert rows.splitlines() == [f"CANCELLED by {tools.world.uid}"]


def test_a_later_start_time_leaves_older_jobs_out(tools: Tools) -> None:
    job_id = tools.submit("true")
    tools.wait_for_accounting(job_id, "COMPLETED")
    tools.world.pass_time(2)
    since = datetime.fromtimestamp(int(tools.accounted(job_id, "End")) + 1, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    answer = tools.run("sacct", "-X", "-n", "-P", "-S", since, "-j", job_id)
    assert (answer.rc, answer.stdout) == (0, "")


def test_a_start_time_in_the_future_is_an_error(tools: Tools) -> None:
    answer = tools.run("sacct", "-X", "-n", "-P", "-S", "2040-01-01T00:00:00")
    assert (answer.rc, answer.stdout) == (1, "")
    assert answer.stderr.startswith("sacct: error: Start time (2208988800) requested is after end time (1")


# -- sinfo, sstat -------------------------------------------------------------------------------------------------


def test_the_default_partition_carries_a_star(tools: Tools) -> None:
    layout = US.join(["%P", "%a", "%l", "%D", "%T", "%c", "%m", "%f"])
    first = tools.run("sinfo", "--noheader", f"--format={layout}").stdout.splitlines()[0].split(US)
    assert first[:3] == ["debug*", "up", "1-00:00:00"]
    assert first[3].isdigit()
    assert first[5:] == ["8", "16000", "(null)"]


def test_sstat_of_an_ended_job_is_no_error(tools: Tools) -> None:
    job_id = tools.submit("true")
    tools.wait_for(job_id, "COMPLETED")
    answer = tools.run("sstat", "-n", "-P", f"--jobs={job_id}")
    assert (answer.rc, answer.stdout, answer.stderr) == (0, "", f"sstat: error: No steps running for job {job_id}\n")


# -- without accounting -------------------------------------------------------------------------------------------


def test_without_accounting_sacct_says_so(bare_world: World) -> None:
    tools = Tools(bare_world)
    for options in ([], ["-j", "1"]):
        answer = tools.run("sacct", *options)
        assert (answer.rc, answer.stdout, answer.stderr) == (1, "", "Slurm accounting storage is disabled\n")


def test_without_accounting_any_account_is_accepted(bare_world: World) -> None:
    assert Tools(bare_world).submit("true", "--account=foo", "--qos=foo").isdigit()


# -- daemons that are gone ----------------------------------------------------------------------------------------


def test_a_controller_that_is_down(frail_world: World) -> None:
    tools = Tools(frail_world)
    job_id = tools.submit(SLEEP)
    tools.wait_for(job_id, "RUNNING")
    tools.wait_for_accounting(job_id, "RUNNING")
    script = tools.script("true")
    frail_world.stop_controller()
    text = "Unable to contact slurm controller (connect failure)\n"
    submitted = tools.run("sbatch", "--parsable", script)
    assert (submitted.rc, submitted.stdout, submitted.stderr) == (1, "", f"{FAILED} {text}")
    queued = tools.run("squeue", "--me")
    assert (queued.rc, queued.stdout, queued.stderr) == (1, "", f"slurm_load_jobs error: {text}")
    cancelled = tools.run("scancel", job_id)
    assert (cancelled.rc, cancelled.stderr) == (8, f"scancel: error: Kill job error on job id {job_id}: {text}")
    assert tools.run("sinfo").stderr == f"slurm_load_partitions: {text}"
    assert tools.run("scontrol", "show", "job", job_id).stderr == f"slurm_load_jobs error: {text}"
    ping = tools.run("scontrol", "ping")
    assert ping.rc == 1
    assert ping.stdout.splitlines()[0].endswith(" is DOWN")
    assert tools.accounted(job_id, "State") == "RUNNING"
    frail_world.start_controller()
    assert tools.run("squeue", "--me").rc == 0


def test_a_frozen_controller_does_what_it_was_asked_once_it_wakes(frail_world: World) -> None:
    """`sbatch` fails and the job exists: the reason for tokens."""
    tools = Tools(frail_world)
    job_id = tools.submit(SLEEP)
    tools.wait_for(job_id, "RUNNING")
    script = tools.script(SLEEP)
    before = set(tools.run("squeue", "--me", "-h", "-t", "all", "-o", "%i").stdout.split())
    frail_world.freeze_controller()
    text = "Socket timed out on send/recv operation\n"
    submitted = tools.run("sbatch", "--parsable", f"--comment=hpcc:v1:{TOKEN}", script)
    assert (submitted.rc, submitted.stdout, submitted.stderr) == (1, "", f"{FAILED} {text}")
    cancelled = tools.run("scancel", job_id)
    assert (cancelled.rc, cancelled.stderr) == (140, f"scancel: error: Kill job error on job id {job_id}: {text}")
    queued = tools.run("squeue", "--me")
    assert (queued.rc, queued.stderr) == (1, f"slurm_load_jobs error: {text}")
    assert tools.run("scontrol", "ping").rc == 1
    frail_world.start_controller()
    tools.wait_for(job_id, "CANCELLED")
    rows = tools.run("squeue", "--me", "-h", "-t", "all", "-o", "%i %k").stdout.splitlines()
    assert [row.split(" ", 1)[1] for row in rows if row.split(" ", 1)[0] not in before] == [f"hpcc:v1:{TOKEN}"]


def test_a_database_that_is_down(frail_world: World) -> None:
    """Jobs go on, and the accounting hears of them later."""
    tools = Tools(frail_world)
    frail_world.stop_accounting()
    job_id = tools.submit("exit 17")
    tools.wait_for(job_id, "FAILED")
    answer = tools.run("sacct", "-X", "-n", "-P", "-j", job_id)
    assert (answer.rc, answer.stdout) == (1, "")
    assert answer.stderr.endswith("sacct: error: Problem talking to the database: Connection refused\n")
    frail_world.start_accounting()
    tools.wait_for_accounting(job_id, "FAILED")
