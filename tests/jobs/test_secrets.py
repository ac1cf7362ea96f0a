"""Secrets of real jobs: each service gets its own, byte for byte, and they stand nowhere."""

from __future__ import annotations

import hashlib

from tests.jobs.project import Project

VALUE = "s3cr3t-canary $(id) 'q' \"d\" `x` ünï\nsecond"
SHOW = (
    "import hashlib, os\n"
    "print({name: hashlib.sha256(os.environb[name.encode()]).hexdigest() if name in os.environ else None "
    "for name in ('KEY', 'FILE_KEY', 'SOURCE_TOKEN')})"
)
SPEC = """\
runtime: {backend: host}
x-slurm: {export: %s, setup: ["! env | grep -q '^SOURCE_TOKEN='"]}
secrets:
  KEY: {env: SOURCE_TOKEN}
  FILE_KEY: {file: keys/one}
services:
  both: {command: [python3, show.py], secrets: [KEY, FILE_KEY]}
  one: {command: [python3, show.py], secrets: [FILE_KEY]}
  none: {command: [python3, show.py], x-slurm: {launch: batch}}
"""


def prepared(project: Project, export: str = "ALL") -> None:
    """A `setup` that fails when its programs see the variable, a file secret and a variable secret."""
    project.write(SHOW + "\n", "show.py")
    path = project.write("", "keys/one")
    path.write_bytes(VALUE.encode() + b"\n")
    path.chmod(0o600)
    project.environment["SOURCE_TOKEN"] = VALUE + " of the variable"
    project.write(SPEC % export)


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def expect_exact(project: Project) -> None:
    """Each service saw its own secrets, and no file but the user's own holds one."""
    job = str(project.up()["job_id"])
    variable, file = digest(VALUE + " of the variable"), digest(VALUE)
    assert project.log(job, "both") == f"{{'KEY': '{variable}', 'FILE_KEY': '{file}', 'SOURCE_TOKEN': None}}\n"
    assert project.log(job, "one") == f"{{'KEY': None, 'FILE_KEY': '{file}', 'SOURCE_TOKEN': None}}\n"
    assert project.log(job, "none") == "{'KEY': None, 'FILE_KEY': None, 'SOURCE_TOKEN': None}\n"
    keys = project.folder / "keys"
    texts = {path: path.read_bytes() for path in project.folder.parent.rglob("*") if path.is_file()}
    assert len(texts) > 10
    assert [str(path) for path, text in texts.items() if b"s3cr3t" in text and path.parent != keys] == []


def test_each_service_gets_exactly_its_secrets(project: Project) -> None:
    """From a file and from a variable, in a step and in the batch step, past a `setup` that does not see them."""
    prepared(project)
    expect_exact(project)


def test_a_restricted_export_passes_them_on(project: Project) -> None:
    """`--export=NONE` becomes a list of the variables that secrets come from."""
    prepared(project, "NONE")
    expect_exact(project)


def test_a_secret_that_is_missing_on_the_node_fails_the_job_before_it_starts(project: Project) -> None:
    """`setup` might have set the variable, so `hpcc` cannot know."""
    prepared(project)
    del project.environment["SOURCE_TOKEN"]
    report = project.up(code=1)
    job = str(report["job_id"])
    state = project.state(job)
    assert (state["cause"], state["job_exit_code"]) == ("secret_unavailable", 1)
    assert {item["status"] for item in state["services"]} == {"skipped"}
    batch_log = (project.folder / f"slurm-{job}.out").read_text()
    assert "secret KEY: the variable SOURCE_TOKEN is not set in the job" in batch_log


def test_setup_may_fetch_a_secret(project: Project) -> None:
    """What it exports under the variable's name is taken as the value."""
    project.write(SHOW + "\n", "show.py")
    project.write(
        "runtime: {backend: host}\nsecrets: {KEY: {env: SOURCE_TOKEN}}\n"
        "x-slurm: {setup: ['export SOURCE_TOKEN=$(cat value)']}\n"
        "services: {app: {command: [python3, show.py], secrets: [KEY]}, other: {command: [python3, show.py]}}\n"
    )
    project.write("fetched-value\n", "value")
    done = project.hpcc("up")
    assert "SOURCE_TOKEN" in done.stderr
    (job,) = [path.name for path in (project.folder / ".hpc-compose").iterdir() if path.name.isdigit()]
    assert digest("fetched-value") in project.log(job, "app")
    assert digest("fetched-value") not in project.log(job, "other")
