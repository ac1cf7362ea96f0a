from __future__ import annotations

from compose_core.cluster.scontrol import parse_ping, parse_show_config, parse_show_job, seconds_setting

JOB = """JobId=1001 JobName=two words = x
   UserId=root(0) GroupId=root(0) MCS_label=N/A
   Priority=4294901759 Nice=0 Account=root QOS=normal
   JobState=RUNNING Reason=None Dependency=(null)
   Requeue=1 Restarts=0 BatchFlag=1 Reboot=0 ExitCode=0:0
   RunTime=00:00:01 TimeLimit=00:10:00 TimeMin=N/A
   NodeList=node1
   Command=/home/ada/my run/job.sbatch claim:01ARZ3NDEKTSV4RRFFQ69G5FAV
   WorkDir=/home/ada/my run
   Comment=hpcc:v1:01ARZ3NDEKTSV4RRFFQ69G5FAV:State=fine
   Power=

"""


def test_keys_and_values_of_a_job_with_free_text() -> None:
    fields = parse_show_job(JOB)
    assert fields["JobId"] == "1001"
    assert fields["JobName"] == "two words = x"
    assert (fields["JobState"], fields["Restarts"], fields["NodeList"]) == ("RUNNING", "0", "node1")
    assert fields["WorkDir"] == "/home/ada/my run"
    assert fields["Comment"] == "hpcc:v1:01ARZ3NDEKTSV4RRFFQ69G5FAV:State=fine"
    assert fields["Power"] == ""


def test_only_the_first_task_of_an_array_is_read() -> None:
    assert parse_show_job(JOB + JOB.replace("1001", "1002"))["JobId"] == "1001"


def test_no_job_gives_nothing() -> None:
    assert parse_show_job("") == {}


def test_settings_with_a_unit() -> None:
    settings = parse_show_config(
        "Configuration data as of x\nKillWait                = 30 sec\nMessageTimeout   = 10 sec\nPluginDir =\n"
    )
    assert seconds_setting(settings, "KillWait") == 30
    assert seconds_setting(settings, "Configuration") is None
    assert seconds_setting(settings, "Missing") is None


def test_one_controller_that_is_up_is_enough() -> None:
    assert parse_ping("Slurmctld(primary) at a is DOWN\nSlurmctld(backup) at b is UP\n")
    assert not parse_ping("Slurmctld(primary) at UP is DOWN\n*****************************************\n")
    assert not parse_ping("")
