"""What rules ask for, by the resource names that profiles for Slurm have."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compose_core import sbatch_options
from snakemake_executor_plugin_hpccompose.allocation import Extra, job_slurm, raw_options, with_extra
from snakemake_executor_plugin_hpccompose.durations import minutes_of, slurm_time
from snakemake_executor_plugin_hpccompose.errors import RuleError
from snakemake_executor_plugin_hpccompose.resources import NAMES, request_of, unquoted
from snakemake_executor_plugin_hpccompose.rule_facts import RuleFacts

pytestmark = pytest.mark.adapters


def facts(threads: int = 1, **resources: Any) -> RuleFacts:
    return RuleFacts(name="align", rules=("align",), threads=threads, resources=resources)


def asked(threads: int = 1, extra: Extra | None = None, **resources: Any) -> tuple[dict[str, Any], list[str]]:
    """The typed keys of x-slurm, and the raw options."""
    request = with_extra(request_of(facts(threads, **resources)), extra or Extra(), "align")
    return job_slurm(request, "align"), list(raw_options(request))


@pytest.mark.parametrize(
    ("resources", "keys"),
    [
        ({}, {"cpus_per_task": 1}),
        ({"slurm_partition": "long"}, {"partition": "long", "cpus_per_task": 1}),
        ({"slurm_partition": "'long'"}, {"partition": "long", "cpus_per_task": 1}),
        ({"slurm_account": "a,b"}, {"account": "a", "cpus_per_task": 1}),
        ({"slurm_account": "a b"}, {"account": "a", "cpus_per_task": 1}),
        ({"qos": "high", "reservation": "week"}, {"qos": "high", "reservation": "week", "cpus_per_task": 1}),
        ({"qos": ""}, {"cpus_per_task": 1}),
        ({"constraint": "intel&avx2"}, {"constraint": "intel&avx2", "cpus_per_task": 1}),
        ({"runtime": 90}, {"time": "01:30:00", "cpus_per_task": 1}),
        ({"runtime": "1d"}, {"time": "1-00:00:00", "cpus_per_task": 1}),
        ({"runtime": "1-02:30:00"}, {"time": "1-02:30:00", "cpus_per_task": 1}),
        ({"runtime": 0, "mem_mb": 0, "gpu": 0, "nodes": 0}, {"cpus_per_task": 1}),
        ({"mem_mb": 2000, "mem_mib": 1908, "mem": "2 GB"}, {"mem": "2000M", "cpus_per_task": 1}),
        ({"mem": "2GB"}, {"mem": "2000M", "cpus_per_task": 1}),
        ({"mem_mb": "2000"}, {"mem": "2000M", "cpus_per_task": 1}),
        ({"cpus_per_task": 4}, {"cpus_per_task": 4}),
        ({"cpus_per_task": "4"}, {"cpus_per_task": 4}),
        ({"cpus_per_task": 0}, {"cpus_per_task": 1}),
        ({"cpus_per_task": -1}, {}),
        ({"threads": 6}, {"cpus_per_task": 6}),
        ({"nodes": 2, "tasks": 8}, {"nodes": 2, "ntasks": 8, "cpus_per_task": 1}),
        ({"nodes": 2, "tasks_per_node": 4}, {"nodes": 2, "ntasks_per_node": 4, "cpus_per_task": 1}),
        ({"tasks": 4, "mpi": "srun"}, {"ntasks": 4, "cpus_per_task": 1}),
        ({"gpu": 2}, {"gpus": 2, "cpus_per_task": 1}),
        ({"gpu": "1", "gpu_model": "a100"}, {"gres": "gpu:a100:1", "cpus_per_task": 1}),
        ({"gres": "gpu:a100:2"}, {"gres": "gpu:a100:2", "cpus_per_task": 1}),
        ({"gres": "nvme:1", "gpu": 1}, {"gres": "nvme:1,gpu:1", "cpus_per_task": 1}),
        ({"gpu": 2, "cpus_per_gpu": 8}, {"gpus": 2, "cpus_per_gpu": 8}),
        ({"gpu": 2, "cpus_per_gpu": 0}, {"gpus": 2}),
        ({"gpu": 2, "cpus_per_gpu": 8, "cpus_per_task": 3}, {"gpus": 2, "cpus_per_task": 3}),
        ({"cpus_per_gpu": 8}, {"cpus_per_task": 1}),
        ({"gpu": 2, "tasks_per_gpu": 2}, {"gpus": 2, "ntasks": 4, "cpus_per_task": 1}),
        ({"gpu": 2, "tasks_per_gpu": 1}, {"gpus": 2, "cpus_per_task": 1}),
        ({"gpu": 2, "tasks_per_gpu": -1}, {"gpus": 2, "cpus_per_task": 1}),
        ({"requeue": 1}, {"requeue": True, "cpus_per_task": 1}),
        ({"requeue": "no"}, {"requeue": False, "cpus_per_task": 1}),
        ({"slurm_requeue": "true"}, {"requeue": True, "cpus_per_task": 1}),
        ({"disk_mb": 1000, "my_licence": 1, "disk": "1 GB"}, {"cpus_per_task": 1}),
    ],
)
def test_a_resource_becomes_a_key_of_the_job(resources: dict[str, Any], keys: dict[str, Any]) -> None:
    assert asked(**resources) == (keys, [])


@pytest.mark.parametrize(
    ("resources", "options"),
    [
        ({"mem_mb_per_cpu": 500, "mem_mb": 2000}, ["--mem-per-cpu=500M"]),
        ({"clusters": "a,b"}, ["--clusters=a,b"]),
        ({"slurm_cluster": "a", "cluster": "a"}, ["--clusters=a"]),
        ({"slurm_extra": "--nice=100"}, ["--nice=100"]),
        ({"slurm_extra": "'--nice=100 --mail-user x@y --exclusive'"}, ["--nice=100", "--mail-user x@y", "--exclusive"]),
        ({"slurm_extra": "--wckey='a b'"}, ["'--wckey=a b'"]),
        ({"gpu": 4, "gpu_model": "a100", "nodes": 2}, ["--gpus=a100:4"]),
    ],
)
def test_what_has_no_key_of_its_own_becomes_an_option(resources: dict[str, Any], options: list[str]) -> None:
    assert asked(**resources)[1] == options


@pytest.mark.parametrize(
    ("resources", "says"),
    [
        ({"mem_mb": "lots"}, ["mem_mb", "whole number", "'lots'"]),
        ({"mem_mb": -5}, ["mem_mb", "0 or more"]),
        ({"mem": "2 apples"}, ["mem", "4GB"]),
        ({"runtime": "tomorrow"}, ["runtime", "90m"]),
        ({"nodes": "1-2"}, ["nodes", "whole number"]),
        ({"cpus_per_task": "many"}, ["cpus_per_task"]),
        ({"gpu": "a100"}, ["gpu", "whole number"]),
        ({"gpu_model": "a100"}, ["gpu_model", "asks for none", "Set gpu"]),
        ({"gpu": 1, "gpu_model": "a100:2"}, ["gpu_model"]),
        ({"gpu": 1, "gres": "gpu:1"}, ["gpu", "gres", "Keep one"]),
        ({"gres": "gpu:1;rm"}, ["gres", "gpu:a100:2"]),
        ({"gpu": 3, "gres": "nvme:1", "nodes": 2}, ["spread evenly"]),
        ({"mpi": "srun"}, ["mpi", "Set tasks"]),
        ({"requeue": "perhaps"}, ["requeue", "true or false"]),
        ({"clusters": "a", "cluster": "b"}, ["clusters", "different"]),
        ({"qos": "a\nb"}, ["qos", "control characters"]),
        ({"slurm_extra": "--nice='5"}, ["slurm_extra", "closed quotes"]),
        ({"slurm_extra": "nice=5"}, ["slurm_extra", "belongs to no option"]),
    ],
)
def test_a_value_that_cannot_be_is_an_error_of_the_rule(resources: dict[str, Any], says: list[str]) -> None:
    with pytest.raises(RuleError) as caught:
        asked(**resources)
    text = str(caught.value)
    assert text.startswith("rule align: ")
    assert [word for word in says if word not in text] == []


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ("--mem=4G", "mem_mb"),
        ("--mem-per-cpu=4G", "mem_mb_per_cpu"),
        ("-p long", "slurm_partition"),
        ("-plong", "slurm_partition"),
        ("--parti=long", "slurm_partition"),
        ("--account lab", "slurm_account"),
        ("--time 10", "runtime"),
        ("-t10", "runtime"),
        ("-N 2", "nodes"),
        ("-n2", "tasks"),
        ("--ntasks-per-gpu=1", "tasks_per_gpu"),
        ("-c 4", "cpus_per_task"),
        ("--gpus=1", "gpu"),
        ("--gres=gpu:1", "gres"),
        ("-C intel", "constraint"),
        ("--qos=high", "qos"),
        ("--clusters=a", "clusters"),
        ("-M a", "clusters"),
        ("--no-requeue", "requeue"),
        ("--exclusive -J name", "names jobs"),
        ("--output=x", "keeps logs"),
        ("-e x", "keeps logs"),
        ("--export=NONE", "environment"),
        ("--comment=x", "found again"),
        ("--chdir=/tmp", "folder of the workflow"),
        ("--array=1-3", "arrays"),
        ("--parsable", "sbatch answers"),
        ("--wrap=id", "made from the rule"),
        ("-W", "would not return"),
        ("--dependency=singleton", "Snakemake decides"),
    ],
)
def test_slurm_extra_cannot_hold_what_the_executor_sets(option: str, says: str) -> None:
    """However it is written."""
    with pytest.raises(RuleError) as caught:
        asked(slurm_extra=option)
    assert says in str(caught.value)


def test_what_services_ask_for_is_added() -> None:
    extra = Extra(cpus=3, mem_mib=512, gpus=1)
    assert asked(2, extra, mem_mb=1000, gpu=1) == ({"cpus_per_task": 5, "mem": "1512M", "gpus": 2}, [])
    assert asked(2, extra, mem_mb_per_cpu=1000) == ({"cpus_per_task": 5, "mem": "2512M", "gpus": 1}, [])
    assert asked(1, Extra(cpus=3), nodes=2, tasks=8)[0]["cpus_per_task"] == 2, "4 tasks of the first node share 3 CPUs"
    assert asked(1, extra, cpus_per_task=-1)[0] == {"gpus": 1}, "what Slurm is not told cannot be added to"
    with pytest.raises(RuleError, match="by gres"):
        asked(1, extra, gres="gpu:1")


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("90", 90),
        ("1.5", 2),
        ("90m", 90),
        ("2h", 120),
        ("1d12h", 2160),
        ("1 day", 1440),
        ("1w", 10080),
        ("30s", 1),
        ("1-0", 1440),
        ("1-02:30:00", 1590),
        ("02:30:00", 150),
        ("90:30", 91),
        ("0", 0),
        ("61s", 2),
        ("2H30M", 150),
    ],
)
def test_times_are_read_in_every_form(text: str, minutes: int) -> None:
    assert minutes_of(text) == minutes


@pytest.mark.parametrize("text", ["", "h", "1x", "-5", "1:2:3:4", "1-", "two hours", "1h!"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no time"):
        minutes_of(text)


@given(st.integers(min_value=1, max_value=10**6))
def test_a_time_means_the_same_when_it_is_read_again(minutes: int) -> None:
    assert minutes_of(slurm_time(minutes)) == minutes


@given(
    st.lists(
        st.text(st.characters(exclude_categories=["C", "Zl", "Zp"], max_codepoint=0x2FFF), max_size=12), max_size=4
    )
)
def test_a_value_in_slurm_extra_stays_a_value(values: list[str]) -> None:
    """Quotes, blanks, backslashes and `#` of a value make no option of their own, and are not lost."""
    import shlex

    words = [f"--wckey={value}" for value in values if value.strip() == value]
    request = request_of(facts(slurm_extra=shlex.join(["--nice=1", *words, "--hold"])))
    read = [option.text for option in sbatch_options(request.extra)]
    assert read == ["--nice=1", *words, "--hold"]


@given(st.text(max_size=30))
def test_any_text_gives_a_request_or_an_error_of_the_rule(text: str) -> None:
    for name in ("runtime", "mem", "gpu", "gres", "qos", "slurm_extra", "clusters", "requeue", "needs", "nodes"):
        with suppress(RuleError):
            request_of(RuleFacts(name="align", rules=("align",), resources={name: text}))


def test_only_whole_quotes_are_taken_off() -> None:
    assert [unquoted(text) for text in ("'a b'", '"a"', "'a' 'b'", "'", "a'")] == ["a b", "a", "'a' 'b'", "'", "a'"]


def test_every_resource_that_is_read_is_known() -> None:
    """Jobs that differ in others only are alike, so none may be missing."""
    read: set[str] = set()

    class Resources(dict[str, Any]):
        def get(self, name: str, default: Any = None) -> Any:
            read.add(name)
            return super().get(name, default)

    one: dict[str, Any] = {"gpu": 1, "cpus_per_gpu": 1, "mpi": "srun", "nodes": 1}
    for resources in ({}, one, {"mpi": "srun", "tasks_per_node": 1, "mem": "1G"}):
        request_of(RuleFacts(name="a", rules=("a",), resources=Resources(resources)))
    assert read == NAMES
