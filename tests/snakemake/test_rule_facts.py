"""What a job of a workflow is, told without Snakemake."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from snakemake_executor_plugin_hpccompose.rule_facts import facts_of
from tests.snakemake.fake_job import FakeGroup, FakeJob

pytestmark = pytest.mark.adapters

ALIGN = FakeJob(
    wildcards={"sample": "a b$'\"ü"},
    input=["reads/a.fq"],
    output=["bam/a.bam"],
    params={"extra": "-x 1"},
    threads=4,
    resources={"mem_mb": 2000, "runtime": 30, "tmpdir": "<TBD>", "_cores": 4, "_nodes": 1, "slurm_partition": "batch"},
)


def test_a_job_keeps_its_key_in_every_run() -> None:
    """The number that Snakemake gives a job, its attempt and its requests change from run to run."""
    again = replace(ALIGN, jobid=99, attempt=3, resources={"mem_mb": 6000})
    assert facts_of(again).key == facts_of(ALIGN).key
    assert facts_of(again).fingerprint == facts_of(ALIGN).fingerprint
    assert facts_of(again).request != facts_of(ALIGN).request


@pytest.mark.parametrize(
    "changed",
    [
        {"shellcmd": "touch {output} {params.extra}"},
        {"params": {"extra": "-x 2"}},
        {"input": ["reads/b.fq"]},
        {"output": ["bam/b.bam"]},
        {"log": ["a.log"]},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_what_a_job_computes_is_its_fingerprint(changed: dict[str, object]) -> None:
    """A job that computes something else must not be taken for one that still runs."""
    assert facts_of(replace(ALIGN, **changed)).key == facts_of(ALIGN).key  # type: ignore[arg-type]
    assert facts_of(replace(ALIGN, **changed)).fingerprint != facts_of(ALIGN).fingerprint  # type: ignore[arg-type]


def test_other_wildcards_are_another_job() -> None:
    """Each has its own result."""
    assert facts_of(replace(ALIGN, wildcards={"sample": "b"})).key != facts_of(ALIGN).key


def test_resources_that_only_the_node_knows_are_left_out() -> None:
    """Snakemake gives `<TBD>` for them in the main process."""
    assert facts_of(ALIGN).resources == {"mem_mb": 2000, "runtime": 30, "slurm_partition": "batch"}


def test_a_group_is_told_by_its_members() -> None:
    """A group has no rule and no wildcards of its own."""
    members = [replace(ALIGN, wildcards={"sample": name}) for name in ("b", "a")]
    facts = facts_of(FakeGroup([*members, FakeJob(name="sort", threads=2)], resources={"mem_mb": 4000}))
    assert facts.is_group
    assert facts.rules == ("align", "sort")
    assert [(member.rule, dict(member.wildcards), member.threads) for member in facts.members] == [
        ("align", {"sample": "a"}, 4),
        ("align", {"sample": "b"}, 4),
        ("sort", {}, 2),
    ]
    assert facts.key == facts_of(FakeGroup([FakeJob(name="sort"), *reversed(members)])).key


def test_a_title_names_rule_and_wildcards() -> None:
    """For messages."""
    assert facts_of(replace(ALIGN, wildcards={"sample": "a"})).title == "align(sample=a)"


def test_the_place_of_a_rule_is_known() -> None:
    """For errors about it; a rule of another folder keeps its whole path."""
    job = FakeJob()
    file = str(Path("rules/a.smk").absolute())
    compiled = SimpleNamespace(linemaps={file: {31: 12}})
    rule = SimpleNamespace(name="align", shellcmd="", lineno=31, snakefile=file, workflow=compiled)
    placed = SimpleNamespace(
        **{name: getattr(job, name) for name in dir(job) if not name.startswith("_")} | {"rule": rule}
    )
    facts = facts_of(placed)
    assert (facts.snakefile, facts.line) == ("rules/a.smk", 12)
    rule.snakefile = "/elsewhere/Snakefile"
    facts = facts_of(placed)
    assert (facts.snakefile, facts.line) == ("/elsewhere/Snakefile", 0)
