"""Random secrets through every command, format and error path: services get each one exactly, and nothing else shows any."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.jobs.canaries import SHOW, Canary, Watch, make_canaries, received
from tests.jobs.project import Project
from tests.properties.hostile import yaml_text

SHORT, FULL_BATCH = 62, 250
FULL_BATCHES = 4
"""On each of both engines."""
LOOKS = (["validate"], ["config"], ["plan"], ["inspect", "--verbose"], ["render"], ["up", "--dry-run"])
AFTERWARDS = (["status"], ["ps"], ["logs"], ["jobs"], ["artifacts"])


def test_secrets_show_nowhere(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    """The short profile."""
    _judge(project, [make_canaries(1, SHORT)], capsys, formats=("json",))


@pytest.mark.faults
@pytest.mark.timeout(3600)
def test_two_thousand_secrets_show_nowhere(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    """The full profile: half of them on each engine."""
    _judge(project, [make_canaries(seed, FULL_BATCH) for seed in range(2, 2 + FULL_BATCHES)], capsys)


def _judge(
    project: Project,
    batches: list[list[Canary]],
    capsys: pytest.CaptureFixture[str],
    formats: Sequence[str] = ("text", "json"),
) -> None:
    watch = Watch(formats)
    exact = 0
    with watch.sampling():
        for number, canaries in enumerate(batches):
            _prepare(project, canaries)
            for words in LOOKS if number == 0 else LOOKS[3:5]:
                _look(project, watch, words)
            exact += _run(project, watch, canaries)
            if number == 0:
                _fail(project, watch, canaries)
    watch.add_files(project.folder.parent, apart=project.folder / "keys")
    everything = [canary for canaries in batches for canary in canaries]
    assert watch.found(everything) == []
    assert exact == len(everything)
    with capsys.disabled():
        print(
            f"\nsecrets on {project.engine}: {len(everything)} canaries, {exact} received exactly, "
            f"0 found in {len(watch.seen)} places, {len(watch.command_lines)} command lines, {watch.size >> 10} KiB"
        )


def _prepare(project: Project, canaries: list[Canary]) -> None:
    """Half of them in files, half in variables; four services of which each asks for every fourth."""
    keys = project.folder / "keys"
    keys.mkdir(exist_ok=True)
    project.write(SHOW, "show.py")
    for name in [name for name in project.environment if name.startswith("SOURCE_")]:
        del project.environment[name]
    secrets: dict[str, dict[str, str]] = {}
    for number, canary in enumerate(canaries):
        if number % 2:
            project.environment[f"SOURCE_{number}_TOKEN"] = canary.value
            secrets[canary.name] = {"env": f"SOURCE_{number}_TOKEN"}
        else:
            path = keys / canary.name
            path.write_bytes(canary.value.encode() + b"\n")
            path.chmod(0o600)
            secrets[canary.name] = {"file": f"keys/{canary.name}"}
    services = {
        f"s{share}": {"command": ["python3", "show.py"], "secrets": [canary.name for canary in canaries[share::4]]}
        for share in range(4)
    }
    services["s3"]["x-slurm"] = {"launch": "batch"}  # type: ignore[assignment]
    spec = {
        "runtime": {"backend": "host"},
        "x-slurm": {
            "setup": ["set -x", "env >setup.txt", "set +x"],
            "artifacts": {"export_dir": "out", "paths": ["/hpc-compose/job/logs/*"]},
        },
        "secrets": secrets,
        "services": services,
    }
    project.write(yaml_text(spec))


def _look(project: Project, watch: Watch, words: Sequence[str], code: int | None = 0) -> str:
    """The command in every format."""
    for form in watch.formats:
        done = project.hpcc(*words, "--format", form, code=code)
        watch.add(" ".join(words), done.stdout + done.stderr)
    return done.stdout


def _run(project: Project, watch: Watch, canaries: list[Canary]) -> int:
    """How many secrets the services of one job got as they are, and each only those that it names."""
    done = project.hpcc("submit", "--quiet")
    watch.add("submit", done.stdout + done.stderr)
    job = done.stdout.strip()
    project.wait(lambda: project.state(job).get("job_status") not in (None, "RUNNING"), "the end of the job")
    assert project.state(job)["job_status"] == "COMPLETED"
    for words in AFTERWARDS:
        _look(project, watch, words)
    _look(project, watch, ["diff", job, "--against-spec"])
    if project.engine == "slurm":
        _ask_slurm(project, watch, job)
    for share in range(4):
        expected = {canary.name: canary.digest for canary in canaries[share::4]}
        assert received(project.log(job, f"s{share}")) == expected
    return len(canaries)


def _ask_slurm(project: Project, watch: Watch, job: str) -> None:
    """What the scheduler and its accounting show; `sacct --env-vars` is told of in the documentation."""
    for argv in (
        ["sacct", "-B", "-j", job],
        ["sacct", "-j", job, "--parsable2", "--format=ALL"],
        ["scontrol", "-dd", "show", "job", job],
        ["scontrol", "write", "batch_script", job, "-"],
        ["squeue", "-o", "%all", "--states=all"],
    ):
        done = project.run_program(argv)
        watch.add(" ".join(argv[:2]), done.stdout + done.stderr)


def _fail(project: Project, watch: Watch, canaries: list[Canary]) -> None:
    """Every way in which a job with secrets can go wrong."""
    spec = project.folder / "compose.yaml"
    text = spec.read_text()
    variable = "SOURCE_1_TOKEN"
    value = project.environment.pop(variable)
    project.environment[variable] = ""
    _look(project, watch, ["submit"], code=None)  # setup might set it, so the job is what fails
    project.environment[variable] = value
    path = project.folder / "keys" / canaries[0].name
    path.chmod(0o644)
    _look(project, watch, ["submit"], code=2)
    path.chmod(0o600)
    for old, new in (
        ('"secrets": [', '"secrets": ["NOT_DECLARED", '),
        ('"env >setup.txt"', f'"rm {path}"'),
        ('"env >setup.txt"', '"exit 7"'),
        ('"set +x"', '"export SOURCE_3_TOKEN=$(printf a; exit 9)"'),
    ):
        spec.write_text(text.replace(old, new, 1))
        kept = path.read_bytes()
        _look(project, watch, ["up"], code=2 if "NOT_DECLARED" in new else None)
        path.write_bytes(kept)
        path.chmod(0o600)
    spec.write_text(text.replace('"show.py"', '"${SOURCE_1_TOKEN:?is needed}"', 1))
    for words in LOOKS[:4]:  # shown as ***, with a warning; its script would hold the value, as the user wrote it
        _look(project, watch, words)
    spec.write_text(text.replace("show.py", "missing.py"))
    _look(project, watch, ["up"], code=1)
    spec.write_text(text)
    _look(project, watch, ["status", "--job-id", "987654"], code=None)
    if project.engine == "slurm":
        spec.write_text(text.replace('"x-slurm": {', '"x-slurm": {"partition": "nowhere", ', 1))
        _look(project, watch, ["submit"], code=None)
        spec.write_text(text)
    watch.add_files(Path(project.folder), apart=project.folder / "keys")
