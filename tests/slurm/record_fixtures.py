#!/usr/bin/env python3
"""Record what the real Slurm tools say in many situations, as fixtures for tests that have no Slurm.

    python tests/slurm/record_fixtures.py [FOLDER]

One JSON file a situation: `situation`, `argv`, `environment` (what was set besides the cluster's own), `rc`, `stdout`,
`stderr`. Paths and hostnames of the recording machine are replaced; the cluster is the private one of `bench.py`.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

if __package__ in {None, ""}:  # run as a script
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from compose_core.cluster.sacct_usage import sacct_usage_argv
from compose_core.cluster.sstat import sstat_argv
from compose_core.job_state import JobId
from tests.slurm.bench import BenchError, SlurmBench

SEPARATOR = "\x1f"
SQUEUE_FORMAT = SEPARATOR.join(["%i", "%F", "%K", "%T", "%r", "%S", "%V", "%l", "%D", "%N", "%u", "%j", "%k"])
SACCT_FORMAT = "JobID,JobIDRaw,State,ExitCode,Submit,Start,End,Reason,NodeList,User,JobName,Comment,SubmitLine"
SINFO_FORMAT = SEPARATOR.join(["%P", "%a", "%l", "%D", "%T", "%c", "%m", "%G", "%f"])
SQUEUE = ["squeue", "--me", "--noheader", "--states=all", f"--format={SQUEUE_FORMAT}"]
TOOL_ENVIRONMENT = {"SLURM_TIME_FORMAT": "%s", "TZ": "UTC", "LC_ALL": "C.UTF-8"}
TOKEN = "hpcc:v1:01ARZ3NDEKTSV4RRFFQ69G5FAV"
CLAIM = "claim:01ARZ3NDEKTSV4RRFFQ69G5FAV"
AS_NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
UNKNOWN = "999999"
FIXTURES = Path(__file__).resolve().parents[1] / "fixtures" / "slurm-22.05"
_BURN = """import sys, time
memory = bytearray(int(sys.argv[2]) * 1024 * 1024)
for place in range(0, len(memory), 4096):
    memory[place] = 1
end = time.monotonic() + float(sys.argv[1])
while time.monotonic() < end:
    pass
"""
SETTINGS_KEPT = (
    "AccountingStorageType",
    "ClusterName",
    "KillWait",
    "MaxArraySize",
    "MessageTimeout",
    "MinJobAge",
    "SLURM_VERSION",
)


class Recorder:
    """Runs a tool on the bench and keeps its answer under a name."""

    def __init__(self, bench: SlurmBench, folder: Path) -> None:
        self.bench = bench
        self._folder = folder
        start = datetime.now(UTC) - timedelta(hours=1)
        self.sacct = [
            *["sacct", "--allocations", "--noheader", "--parsable2", f"--delimiter={SEPARATOR}"],
            *[f"--starttime={start:%Y-%m-%dT%H:%M:%S}", f"--format={SACCT_FORMAT}"],
        ]

    def record(
        self,
        name: str,
        situation: str,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        keep_lines: Sequence[str] = (),
    ) -> subprocess.CompletedProcess[str]:
        """Run `argv` and write `NAME.json`; with `keep_lines` only the output lines that hold one of these words."""
        extra = {**TOOL_ENVIRONMENT, **(environment or {})}
        began = time.monotonic()
        done = self.bench.run(argv, timeout=120, environment=extra)
        stdout = done.stdout
        if keep_lines:
            kept = [line for line in stdout.splitlines(keepends=True) if any(word in line for word in keep_lines)]
            stdout = "".join(kept)
        entry = {
            "situation": situation,
            "argv": [self._neutral(word) for word in argv],
            "environment": {key: self._neutral(value) for key, value in extra.items()},
            "rc": done.returncode,
            "stdout": self._neutral(stdout),
            "stderr": self._neutral(done.stderr),
            "seconds": round(time.monotonic() - began, 1),
        }
        (self._folder / f"{name}.json").write_text(json.dumps(entry, indent=1, ensure_ascii=False) + "\n")
        return done

    def _neutral(self, text: str) -> str:
        text = text.replace(str(self.bench.shared_dir), "/shared").replace(str(self.bench.root), "/cluster")
        host = re.escape(socket.gethostname())
        text = re.sub(r"(AllocNode:Sid=)\S+", r"\1login:4242", text)
        return re.sub(rf"(?<![\w./-]){host}(?=\(|:\d| is (?:UP|DOWN))", "controller", text)

    def script(self, name: str, body: str) -> str:
        """A batch script in the shared folder; its path."""
        path = self.bench.shared_dir / name
        path.write_bytes(f"#!/bin/bash\n{body}\n".encode())
        return str(path)


def record_with_accounting(folder: Path) -> None:
    """Everything that a cluster with accounting says."""
    with SlurmBench(accounting=True, message_timeout_s=3, max_array_size=1001, first_job_id=3001) as bench:
        recorder = Recorder(bench, folder)
        lost = threading.Thread(target=_record_without_configuration, args=(recorder,))  # sbatch tries for a minute
        lost.start()
        _record_submissions(recorder)
        _record_queue(recorder)
        _record_control(recorder)
        _record_usage(recorder)
        _record_endings(recorder)
        lost.join()
        _record_faults(recorder)


def record_without_accounting(folder: Path) -> None:
    """What differs on a cluster that keeps no accounts and forgets jobs at once."""
    with SlurmBench(accounting=False, min_job_age_s=2, first_job_id=5001) as bench:
        recorder = Recorder(bench, folder)
        job = bench.submit("true")
        recorder.record("sacct_disabled", "the cluster keeps no accounting", [*recorder.sacct, f"--jobs={job}"])
        bench.wait_for(lambda: bench.job(job) == {}, timeout=120, what="the controller to forget a job")
        recorder.record("squeue_forgotten", "a finished job after MinJobAge", SQUEUE)
        recorder.record(
            "scontrol_show_job_forgotten", "a finished job after MinJobAge", ["scontrol", "show", "job", job]
        )
        recorder.record("squeue_jobs_forgotten", "one id, forgotten", [*SQUEUE, f"--jobs={job}"])
        recorder.record("scancel_forgotten", "a job that was forgotten", ["scancel", job])


def _record_submissions(recorder: Recorder) -> None:
    bench = recorder.bench
    script = recorder.script("job.sh", "true")

    def sbatch(name: str, situation: str, *options: str, script: str = script) -> None:
        argv = ["sbatch", "--parsable", "--open-mode=append", *options, f"--comment={TOKEN}", script, CLAIM]
        recorder.record(f"sbatch_{name}", situation, argv)

    sbatch("accepted", "a plain job is accepted")
    sbatch("accepted_hold", "held at submit", "--hold")
    sbatch("accepted_array", "a job array is accepted", "--array=0-3")
    sbatch(
        "accepted_time_beyond_limit", "a time over the partition's limit: accepted, pends for ever", "--time=9-00:00:00"
    )
    sbatch("accepted_too_many_nodes", "more nodes than there are: accepted, pends for ever", "--nodes=9")
    sbatch(
        "accepted_unknown_dependency", "afterok of an id that nobody knows: accepted", f"--dependency=afterok:{UNKNOWN}"
    )
    recorder.record("sbatch_accepted_without_parsable", "the long form of the answer", ["sbatch", script])
    sbatch("refused_partition", "no such partition", "--partition=nowhere")
    sbatch("refused_account", "no such account", "--account=nobodys")
    sbatch("refused_qos", "no such QOS", "--qos=golden")
    sbatch("refused_time", "a time limit that is none", "--time=tomorrow")
    sbatch("refused_memory", "more memory than any node has", "--mem=900G")
    sbatch("accepted_too_many_cpus", "more CPUs than any node has: accepted, pends for ever", "--cpus-per-task=64")
    sbatch("refused_memory_text", "memory that is no size", "--mem=lots")
    sbatch("refused_gres", "GPUs that no node has", "--gres=gpu:64")
    sbatch("refused_gres_unknown", "a kind of resource that no node has", "--gres=tpu:1")
    sbatch("refused_constraint", "a feature that no node has", "--constraint=quantum")
    sbatch("refused_array", "an index at MaxArraySize or over", "--array=0-5000")
    sbatch("refused_array_text", "an array that is none", "--array=many")
    sbatch("refused_dependency_text", "a dependency that is none", "--dependency=whenever:1")
    sbatch("refused_reservation", "no such reservation", "--reservation=holiday")
    sbatch("refused_licenses", "no such licence", "--licenses=matlab:1")
    sbatch("refused_nodelist", "no such node", "--nodelist=node99")
    sbatch("refused_begin", "a begin time that is none", "--begin=someday")
    sbatch("refused_option", "an option that is none", "--frobnicate=1")
    sbatch("refused_script_missing", "no such script", script=str(bench.shared_dir / "missing.sh"))
    for name, situation, content in (
        ("crlf", "a script with DOS line ends", b"#!/bin/bash\r\ntrue\r\n"),
        ("no_shebang", "a script without #!", b"true\n"),
        ("empty", "an empty script", b""),
        ("nul", "a script with a NUL byte", b"#!/bin/bash\necho a\0b\n"),
        (
            "directive",
            "a directive with an unquoted space",
            b"#!/bin/bash\n#SBATCH --job-name=a name with spaces\ntrue\n",
        ),
    ):
        path = bench.shared_dir / f"{name}.sh"
        path.write_bytes(content)
        sbatch(f"refused_script_{name}", situation, script=str(path))
    recorder.record("sbatch_version", "the version", ["sbatch", "--version"])
    bench.run(["scancel", "--user=root", "--state=PENDING"])


def _record_without_configuration(recorder: Recorder) -> None:
    argv = ["sbatch", "--parsable", recorder.script("no-configuration.sh", "true")]
    recorder.record(
        "sbatch_no_configuration", "no slurm.conf", argv, environment={"SLURM_CONF": "/nonexistent/slurm.conf"}
    )


def _record_queue(recorder: Recorder) -> None:
    bench = recorder.bench
    comment = f"--comment={TOKEN}"

    def squeue(name: str, situation: str, *options: str) -> subprocess.CompletedProcess[str]:
        return recorder.record(f"squeue_{name}", situation, [*SQUEUE, *options])

    services = [f"srun --overlap -n1 --job-name={name} sleep 600 &" for name in ("web", "db")]
    running = bench.submit("\n".join([*services, "wait"]), "-n2", comment)
    bench.wait_for(lambda: len(_steps(bench, running)) == 4, what="two steps, the batch and the extern step")
    squeue("running", "one running job", f"--jobs={running}")
    recorder.record(
        "squeue_steps",
        "the steps of a running job",
        ["squeue", "--steps", "-h", "-j", running, "-o", f"%i{SEPARATOR}%j"],
    )
    recorder.record(
        "squeue_steps_bar", "as the supervisor asks", ["squeue", "--steps", "-h", "-j", running, "-o", "%i|%j"]
    )
    held = bench.submit("true", "--hold", comment, "--job-name=held")
    waiting = bench.submit("true", f"--dependency=afterok:{held}", comment, "--job-name=dependent")
    later = bench.submit("true", "--begin=now+1hour", comment, "--job-name=later")
    huge = bench.submit("sleep 600", "--nodes=4", "--exclusive", comment, "--job-name=resources")
    array = bench.submit("sleep 600", "--array=2-5%2", "--hold", comment, "--job-name=sweep")
    odd = bench.submit(
        "true", "--hold", "--job-name=a|b c  ünï→码 'q' \"d\" $x", f"{comment}:user's | own  wörds, a=b;c"
    )
    bench.wait_for_state(waiting, "PENDING")
    bench.wait_for(lambda: bench.job(huge).get("Reason") in ("Resources", "Priority"), what="the reason Resources")
    squeue("pending_held", "held by its user", f"--jobs={held}")
    squeue("pending_dependency", "waits for another job", f"--jobs={waiting}")
    squeue("pending_begin_time", "waits for its begin time", f"--jobs={later}")
    squeue("pending_resources", "waits for nodes", f"--jobs={huge}")
    squeue("array_pending", "all tasks of an array wait, two at a time are allowed", f"--jobs={array}")
    squeue("odd_texts", "bars, spaces, quotes and unicode in name and comment", f"--jobs={odd}")
    squeue("all_pending", "everything of this user in the queue")
    bench.run(["scancel", huge], check=True)
    bench.run(["scontrol", "release", array], check=True)
    bench.wait_for(lambda: _running_tasks(bench, array) == 2, what="two running array tasks")
    squeue("array_running", "two tasks of an array run, two wait for the throttle", f"--jobs={array}")
    squeue("array_running_expanded", "the same, a line a task", f"--jobs={array}", "--array")
    squeue("array_one_task", "one task by its id", f"--jobs={array}_2")
    bench.run(["scancel", f"{array}_2"], check=True)
    bench.wait_for(
        lambda: _running_tasks(bench, array) == 2 and "_4" in _ids(bench, array, "RUNNING"), what="the third task"
    )
    squeue("array_mixed", "tasks that ended, run and wait", f"--jobs={array}")
    suspended = bench.submit("sleep 600", comment, "--job-name=suspended")
    bench.wait_for_state(suspended, "RUNNING")
    bench.run(["scontrol", "suspend", suspended], check=True)
    squeue("suspended", "suspended by an administrator", f"--jobs={suspended}")
    bench.run(["scontrol", "resume", suspended])
    stubborn = bench.submit("trap '' TERM\nsleep 600 &\nwait; sleep 600", comment, "--job-name=stubborn")
    bench.wait_for_state(stubborn, "RUNNING")
    node = bench.job(stubborn)["BatchHost"]
    bench.wait_for(lambda: any("sleep 600" in line for _, line in bench.node_processes(node)), what="its processes")
    bench.run(["scancel", stubborn], check=True)
    bench.wait_for_state(stubborn, "COMPLETING")
    squeue("completing", "cancelled, its processes still end", f"--jobs={stubborn}")
    bench.wait_for_state(stubborn, "CANCELLED")
    squeue("cancelled", "cancelled, within MinJobAge", f"--jobs={stubborn}")
    done = bench.submit("true", comment, "--job-name=done")
    bench.wait_for_state(done, "COMPLETED")
    squeue("completed", "ended well, within MinJobAge", f"--jobs={done}")
    squeue("everything", "all states of this user's jobs at once")
    recorder.record(
        "squeue_completed_default_states",
        "a finished job without --states=all",
        ["squeue", "--noheader", f"--jobs={done}"],
    )
    squeue("unknown_id", "one id that nobody knows", f"--jobs={UNKNOWN}")
    squeue("unknown_ids", "several ids that nobody knows", f"--jobs={UNKNOWN},999998")
    squeue("unknown_among_known", "a known and an unknown id", f"--jobs={done},{UNKNOWN}")
    squeue("invalid_id", "an id that is none", "--jobs=abc")
    recorder.record("squeue_other_user", "a user without jobs", [*AS_NOBODY, *SQUEUE])


def _record_control(recorder: Recorder) -> None:
    bench = recorder.bench
    wide = "srun --overlap -n2 -N2 --job-name=wide sleep 600 </dev/null &"
    narrow = "srun --overlap -n1 -N1 --job-name=narrow sleep 600 </dev/null &"
    running = bench.submit(f"{wide}\nsleep 1\n{narrow}\nwait", "-N2", f"--comment={TOKEN}", "--job-name=control")
    single = bench.submit("srun --overlap --job-name=single sleep 600 </dev/null", f"--comment={TOKEN}")
    bench.wait_for(lambda: len(_steps(bench, running)) == 4, what="two steps, the batch and the extern step")
    bench.wait_for(lambda: len(_steps(bench, single)) == 3, what="a step, the batch and the extern step")
    done = bench.submit("exit 17", "--job-name=failing job with spaces", f"--comment={TOKEN}:and words")
    bench.wait_for_state(done, "FAILED")
    recorder.record("scontrol_show_job_running", "a running job", ["scontrol", "show", "job", running])
    recorder.record("scontrol_show_job_failed", "a job that ended with 17", ["scontrol", "show", "job", done])
    recorder.record("scontrol_show_job_unknown", "no such job", ["scontrol", "show", "job", UNKNOWN])
    recorder.record(
        "scontrol_show_config", "some of the settings", ["scontrol", "show", "config"], keep_lines=SETTINGS_KEPT
    )
    recorder.record("scontrol_ping_up", "the controller is up", ["scontrol", "ping"])
    recorder.record(
        "scontrol_show_hostnames", "a node list, expanded", ["scontrol", "show", "hostnames", "node[1-2,4]"]
    )
    recorder.record("sinfo_partitions", "the partitions", ["sinfo", "--noheader", f"--format={SINFO_FORMAT}"])
    sstat = sstat_argv([JobId(running)])[:-1]
    bench.wait_for(lambda: "cpu=" in bench.run([*sstat, f"--jobs={running}"]).stdout, what="usage of a running step")
    recorder.record("sstat_running", "the steps of a running job", [*sstat, f"--jobs={running}"])
    recorder.record(
        "sstat_delimiter_refused", "unlike sacct, it has no --delimiter", [*sstat, "--delimiter=;", f"--jobs={running}"]
    )
    recorder.record("sstat_finished", "a job that ended", [*sstat, f"--jobs={done}"])
    recorder.record("sstat_unknown", "no such job", [*sstat, f"--jobs={UNKNOWN}"])
    recorder.record(
        "srun_help_container",
        "the options about containers, without Pyxis",
        ["srun", "--help"],
        keep_lines=["container"],
    )
    recorder.record("scancel_step_term", "TERM to one step", ["scancel", "--signal=TERM", f"{single}.0"])
    recorder.record(
        "scancel_step_term_wide_job", "TERM to a step on two nodes", ["scancel", "--signal=TERM", f"{running}.0"]
    )
    argv = ["scancel", "--signal=TERM", f"{running}.1"]
    recorder.record("scancel_step_term_elsewhere", "TERM to a step on one of the job's two nodes", argv)
    recorder.record("scancel_step_unknown", "a step that is none", ["scancel", "--signal=TERM", f"{running}.77"])
    pending = bench.submit("true", "--hold")
    recorder.record("scancel_pending", "a waiting job", ["scancel", pending])
    victim = bench.submit("sleep 600", "--job-name=victim", f"--comment={TOKEN}")
    bench.wait_for_state(victim, "RUNNING")
    recorder.record("scancel_running", "a running job", ["scancel", victim])
    recorder.record("scancel_unknown", "no such job", ["scancel", UNKNOWN])
    recorder.record("scancel_finished", "a job that ended", ["scancel", done])
    recorder.record("scancel_invalid", "an id that is none", ["scancel", "abc"])
    foreign = bench.submit("sleep 600", "--job-name=foreign")
    recorder.record("scancel_denied", "another user's job", [*AS_NOBODY, "scancel", foreign])
    recorder.record("scontrol_requeue_unknown", "no such job", ["scontrol", "requeue", UNKNOWN])
    fixed = bench.submit("sleep 600", "--no-requeue")
    bench.wait_for_state(fixed, "RUNNING")
    recorder.record("scontrol_requeue_refused", "a job that may not be requeued", ["scontrol", "requeue", fixed])
    bench.cancel_all_jobs(60)


def _record_usage(recorder: Recorder) -> None:
    """Steps that burn CPU time and hold memory, on two nodes; an array."""
    bench = recorder.bench
    burn = recorder.script("burn.py", _BURN)
    one = f"srun -n1 -N1 --overlap --job-name=one python3 {burn} 4 50 &"
    two = f"srun -n4 -N2 --overlap --job-name=two python3 {burn} 3 30 &"
    job = bench.submit(f"{one}\n{two}\nwait", "-N2", "-n4", "--mem=500M", "--gres=gpu:1", "--time=5", "--job-name=use")
    array = bench.submit("srun true", "--array=0-3%2", "--mem=100M", "--job-name=sweep")

    def argv(*jobs: str) -> list[str]:
        return sacct_usage_argv(since_epoch_s=time.time() - 3600, job_ids=[JobId(name) for name in jobs])

    bench.wait_for_state(job, "RUNNING")
    recorder.record("usage_fresh", "a job that has just begun", argv(job))
    bench.wait_for(lambda: f"{job}.0" in bench.run(argv(job)).stdout, what="sacct to know a step")
    recorder.record("usage_running", "the steps run, and only what ended has been counted", argv(job))
    for name in (job, array):
        bench.wait_for_state(name, "COMPLETED")
    bench.wait_for(lambda: bench.run(argv(job)).stdout.count("COMPLETED") == 5, what="sacct to know the end")
    recorder.record("usage_completed", "two steps on two nodes, together", argv(job))
    bench.wait_for(lambda: bench.run(argv(array)).stdout.count("COMPLETED") == 16, what="sacct to know the tasks")
    recorder.record("usage_array", "the tasks of an array, asked for by the array's id", argv(array))
    recorder.record("usage_array_task", "one task by its id", argv(f"{array}_2"))
    waiting = bench.submit("true", "--array=2-5%2", "--hold")
    bench.wait_for(lambda: "_[" in bench.run(argv(waiting)).stdout, what="sacct to know the tasks that wait")
    recorder.record("usage_waiting", "tasks that wait, and no such job", argv(waiting, UNKNOWN))
    bench.run(["scancel", waiting])


def _record_endings(recorder: Recorder) -> None:
    bench = recorder.bench
    comment = f"--comment={TOKEN}"

    def sacct(name: str, situation: str, job: str, state: str, *options: str) -> None:
        argv = [*recorder.sacct, f"--jobs={job}", *options]

        def complete() -> bool:
            answer = bench.run(argv).stdout
            return state in answer and all("sbatch" in line for line in answer.splitlines())

        bench.wait_for(complete, 60, what=f"sacct to say {state} and the submit line of {job}")
        recorder.record(f"sacct_{name}", situation, argv)

    timed_out = bench.submit("sleep 600", "--time=1", "--nodelist=node1", comment, "--job-name=timeout")

    early = bench.submit("sleep 5", comment, "--job-name=early")
    argv = [*recorder.sacct, f"--jobs={early}"]
    try:
        bench.wait_for(lambda: "allocation" in bench.run(argv).stdout, 3)
        recorder.record("sacct_lagging", "a running job, not fully known to the accounting yet", argv)
    except BenchError:
        sys.stderr.write("note: this time the accounting did not lag, sacct_lagging is left as it was\n")
    hasty = bench.submit("exit 3", comment, "--job-name=hasty")
    argv = [*recorder.sacct, f"--jobs={hasty}"]
    bench.wait_for(lambda: "FAILED" in bench.run(argv).stdout, what="sacct to know the end of a job")
    recorder.record("sacct_lagging_ended", "just ended: its name and submit line may still be missing", argv)
    array = bench.submit('exit "$SLURM_ARRAY_TASK_ID"', "--array=0-2", comment, "--job-name=sweep")
    held_array = bench.submit("true", "--array=2-5%2", "--hold", comment, "--job-name=waiting sweep")
    completed = bench.submit("srun true; srun --job-name=second true", comment, "--job-name=done")
    failed = bench.submit("exit 17", comment, "--job-name=a|b c ünï→码")
    killed = bench.submit("kill -9 $$", comment)
    no_output = bench.submit("true", "--output=/shared-missing/x", comment)
    running = bench.submit("sleep 600", comment, "--job-name=running")
    requeued = bench.submit(
        'test "${SLURM_RESTART_COUNT:-0}" -gt 0 || sleep 600', "--requeue", comment, "--job-name=requeued"
    )
    lost = bench.submit("sleep 600", "--nodelist=node4", "--no-requeue", comment, "--job-name=lost")
    mine = bench.run(
        [*AS_NOBODY, "sbatch", "--parsable", "--output=/dev/null", "--wrap=sleep 600"], check=True
    ).stdout.strip()
    for job in (running, requeued, lost, mine):
        bench.wait_for_state(job, "RUNNING")
    bench.run(["scontrol", "requeue", requeued], check=True)
    bench.run([*AS_NOBODY, "scancel", mine], check=True)
    bench.kill_node("node4", mark_down=True)
    bench.wait_for_state(lost, "NODE_FAIL")
    recorder.record("squeue_node_fail", "its node died", [*SQUEUE, f"--jobs={lost}"])
    recorder.record("sinfo_node_down", "one node is down", ["sinfo", "--noheader", f"--format={SINFO_FORMAT}"])
    bench.start_node("node4")
    sacct("completed", "ended well", completed, "COMPLETED")
    steps = [option for option in recorder.sacct if option != "--allocations"]
    recorder.record("sacct_steps", "the job with its steps", [*steps, f"--jobs={completed}"])
    sacct("failed", "exit code 17, odd name", failed, "FAILED")
    sacct("killed", "the script was killed by signal 9", killed, "FAILED")
    sacct("output_missing", "the folder of its output does not exist", no_output, "FAILED")
    sacct("array", "an array with tasks that failed", array, "_2" + SEPARATOR)
    sacct("array_pending", "an array that waits", held_array, "PENDING")
    sacct("running", "a running job", running, "RUNNING")
    sacct("node_fail", "its node died", lost, "NODE_FAIL")
    sacct("cancelled", "cancelled by a user", mine, "CANCELLED")
    bench.wait_for_state(requeued, "COMPLETED", 60)
    sacct("requeued", "requeued once: the last run only", requeued, "COMPLETED")
    sacct("requeued_duplicates", "requeued once: all runs", requeued, "REQUEUED", "--duplicates")
    recorder.record("scontrol_show_job_requeued", "a job that was requeued", ["scontrol", "show", "job", requeued])
    bench.run(["scancel", running], check=True)
    _record_preemption(recorder, sacct=sacct)
    bench.wait_for_state(timed_out, "TIMEOUT", 120)
    sacct("timeout", "over its time limit", timed_out, "TIMEOUT")
    recorder.record("squeue_timeout", "over its time limit", [*SQUEUE, f"--jobs={timed_out}"])
    recorder.record("sacct_unknown", "no such job", [*recorder.sacct, f"--jobs={UNKNOWN}"])
    recorder.record(
        "sacct_several", "several jobs, one unknown", [*recorder.sacct, f"--jobs={completed},{failed},{UNKNOWN}"]
    )
    recorder.record("sacct_user", "all jobs of a user", [*recorder.sacct, "--user=nobody"])
    argv = [*recorder.sacct, f"--jobs={failed}"]
    recorder.record("sacct_local_time", "the usual times", argv, environment={"SLURM_TIME_FORMAT": "standard"})
    recorder.record("sacct_invalid_field", "a field that is none", ["sacct", "--format=JobID,Nonsense"])


def _record_preemption(recorder: Recorder, *, sacct: object) -> None:
    bench = recorder.bench
    options = ("--partition=preempt", "--exclusive", "--exclude=node1")
    low = [bench.submit("sleep 600", *options, requeue) for requeue in ("--no-requeue", "--requeue")]
    for job in low:
        bench.wait_for_state(job, "RUNNING")
    high = bench.submit("sleep 2", "--nodes=3", "--exclusive", "--nodelist=node[2-4]")
    bench.wait_for_state(high, "COMPLETED", 60)
    assert callable(sacct)
    sacct("preempted", "preempted, not to be requeued", low[0], "PREEMPTED")
    sacct("preempted_requeued", "preempted and requeued: all runs", low[1], "PREEMPTED", "--duplicates")
    bench.run(["scancel", *low], check=True)


def _record_faults(recorder: Recorder) -> None:
    bench = recorder.bench
    script = recorder.script("job.sh", "true")
    sbatch = ["sbatch", "--parsable", "--open-mode=append", f"--comment={TOKEN}", script, CLAIM]
    bench.stop_database()
    recorder.record("sacct_database_down", "slurmdbd does not answer", [*recorder.sacct, "--user=root"])
    recorder.record("sbatch_database_down", "accepted while slurmdbd does not answer", sbatch)
    bench.start_database()
    bench.freeze_controller()
    try:
        for tool, argv in (("sbatch", sbatch), ("squeue", SQUEUE), ("scancel", ["scancel", UNKNOWN])):
            recorder.record(f"{tool}_controller_frozen", "the controller does not answer", argv)
        recorder.record("scontrol_ping_frozen", "the controller does not answer", ["scontrol", "ping"])
    finally:
        bench.thaw_controller()
    bench.kill_controller()
    for tool, argv in (
        ("sbatch", sbatch),
        ("squeue", SQUEUE),
        ("scancel", ["scancel", UNKNOWN]),
        ("scontrol_show_job", ["scontrol", "show", "job", "3001"]),
        ("scontrol_ping", ["scontrol", "ping"]),
        ("sinfo", ["sinfo", "--noheader", f"--format={SINFO_FORMAT}"]),
        ("sacct", [*recorder.sacct, "--jobs=3002"]),
    ):
        recorder.record(f"{tool}_controller_down", "the controller is down", argv)
    bench.start_controller()
    bench._kill_daemon("munged")
    recorder.record("sbatch_munge_down", "the authentication service is down", sbatch)
    recorder.record("squeue_munge_down", "the authentication service is down", SQUEUE)


def _steps(bench: SlurmBench, job: str) -> list[str]:
    return bench.run(["squeue", "--steps", "--noheader", f"--jobs={job}", "--format=%i"]).stdout.split()


def _ids(bench: SlurmBench, job: str, state: str) -> str:
    return bench.run(["squeue", "--noheader", "--array", f"--jobs={job}", f"--states={state}", "--format=%i"]).stdout


def _running_tasks(bench: SlurmBench, job: str) -> int:
    return len(_ids(bench, job, "RUNNING").split())


def main() -> int:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FIXTURES
    folder.mkdir(parents=True, exist_ok=True)
    os.umask(0o022)
    record_with_accounting(folder)
    record_without_accounting(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
