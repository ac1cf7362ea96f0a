"""What the record says before the scheduler gave an id."""

from __future__ import annotations

import json

import pytest

from compose_core.job_state import JobId
from compose_core.plan.requests import JobRequests
from compose_core.records.job_record import JobFacts
from compose_core.submission.facts import LARGEST_SNAPSHOT, job_facts, job_record, sha256_of
from tests.core.submission.world import SCRIPT, World

TOKEN = "0" * 26


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("slurm-%j.out", "{project}/slurm-7.out"),
        ("logs/%x-%u-%A.log", "{project}/logs/hello-ada-7.log"),
        ("/scratch/100%%-%j", "/scratch/100%-7"),
        ("log-%N", "{project}/log-%N"),
    ],
)
def test_the_batch_log_is_resolved_as_far_as_it_is_known(world: World, pattern: str, path: str) -> None:
    """A pattern that only the node can fill in stays."""
    facts = job_facts(world.context(), world.plan(batch_log=pattern), SCRIPT, token=TOKEN, run_key=None)
    record = job_record(facts, JobId("7"), submitted_at=0.0, user="ada")
    assert record.batch_log == path.format(project=world.project.project_dir)


def test_another_runtime_root_holds_the_job_folder(world: World) -> None:
    """`x-slurm.runtime_root` is absolute by then."""
    facts = job_facts(world.context(), world.plan(runtime_root="/scratch/ada"), SCRIPT, token=TOKEN, run_key="k")
    record = job_record(facts, JobId("7"), submitted_at=1.0, user="ada", cluster="c1")
    assert (record.job_dir, record.cluster, record.run_key) == ("/scratch/ada/7", "c1", "k")


def test_a_script_with_bytes_that_are_no_text_has_a_digest() -> None:
    """File names may hold any byte."""
    assert len(sha256_of("#!/bin/bash\ncat \udcff\n")) == 64


def test_the_configuration_is_kept_as_yaml(world: World) -> None:
    """In the order of the file."""
    facts = job_facts(
        world.context(), world.plan(config='{"name":"a","env":{"B":"é"}}'), SCRIPT, token=TOKEN, run_key=None
    )
    assert facts.config_snapshot_yaml == "name: a\nenv:\n  B: é\n"
    assert facts.config_snapshot_note == ""


def test_a_configuration_with_bytes_that_are_no_text_is_kept(world: World) -> None:
    """A record has to stay readable."""
    facts = job_facts(world.context(), world.plan(config='{"a":"x\\udcff"}'), SCRIPT, token=TOKEN, run_key=None)
    assert JobFacts.model_validate_json(facts.as_bytes()) == facts


def test_a_huge_configuration_is_left_out(world: World) -> None:
    """Every command would read it."""
    config = json.dumps({"text": "x" * LARGEST_SNAPSHOT})
    facts = job_facts(world.context(), world.plan(config=config), SCRIPT, token=TOKEN, run_key=None)
    assert facts.config_snapshot_yaml is None
    assert "262144 are kept" in facts.config_snapshot_note


def test_a_record_says_where_its_job_came_from(world: World) -> None:
    """Release, images and content; this folder is in no repository."""
    facts = job_facts(world.context(), world.plan(requests=JobRequests(time_s=60)), SCRIPT, token=TOKEN, run_key=None)
    assert facts.provenance is not None
    assert (facts.provenance.tool_version, facts.provenance.source_content_hash) == ("1.2.3", "0" * 64)
    assert facts.requests is not None
    assert facts.requests.time_s == 60
