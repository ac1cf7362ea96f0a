"""The project's chores: `nox` runs what continuous integration runs, `nox --list` names all, `nox -s tests -- -k readiness` narrows one."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from xml.etree import ElementTree as ET

import nox

nox.needs_version = ">=2025.5.1"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["lint", "types", "packages", "adapters", "oldest_airflow", "tests", "slurm", "docs", "report"]

ROOT = Path(__file__).parent
CORE = "packages/compose-core"
ADAPTERS = {
    "snakemake": ("packages/snakemake-executor-hpccompose", "snakemake==9.*"),
    "airflow": ("packages/airflow-provider-hpccompose", "apache-airflow==3.3.*", "psycopg2-binary", "asyncpg"),
}
DISTRIBUTIONS = (CORE, *(folder for folder, *_ in ADAPTERS.values()))
REPORTS = ROOT / ".nox" / "reports"
PROJECT = nox.project.load_toml(ROOT / "pyproject.toml")


def group(name: str) -> tuple[str, ...]:
    """The requirements of one dependency group of the workspace root."""
    return nox.project.dependency_groups(PROJECT, name)


@nox.session
def lint(session: nox.Session) -> None:
    """Style, format and the architecture's import contracts."""
    session.install(*group("lint"), "-e", CORE)
    session.run("ruff", "check", "--no-cache", *session.posargs)
    session.run("ruff", "format", "--check", "--no-cache")
    sources = os.pathsep.join(str(ROOT / folder / "src") for folder in DISTRIBUTIONS)
    session.run("lint-imports", "--no-cache", env={"PYTHONPATH": sources})


@nox.session
def types(session: nox.Session) -> None:
    """mypy in strict mode over packages, tests and this file."""
    session.install(*group("types"), "-e", CORE)
    session.run("mypy", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """Everything that needs neither Slurm nor a host program; the local engine runs real jobs."""
    session.install(*group("test"), "-e", CORE)
    session.run("python", "tests/bench/install_debian.py")  # a terminal and shells for the tests that use them
    run_pytest(
        session,
        "-m",
        "not slurm and not adapters and not faults and not distributions",
        "-n",
        "auto",
        "--maxprocesses",
        "4",
    )


@nox.session
def slurm(session: nox.Session) -> None:
    """The same product on a private Slurm cluster; where its programs can be neither found nor installed, the tests are skipped by name."""
    session.install(*group("test"), "-e", CORE)
    session.run("python", "tests/bench/install_debian.py")
    run_pytest(
        session, "-m", "slurm and not faults", "-n", "2", "--dist", "loadfile"
    )  # jobs mostly wait: a cluster each


@nox.session
def faults(session: nox.Session) -> None:
    """Faults and properties in full: kills, failing files, races, histories, a Slurm that dies, fuzzing; one table at the end."""
    session.install(*group("test"), "-e", CORE)
    session.run("python", "tests/bench/install_debian.py")
    session.env["HPCC_FAULTS"] = "full"
    side_by_side = ("-n", "auto", "--maxprocesses", "4", "--dist", "loadgroup")
    run_pytest(session, "-m", "faults and not adapters", *side_by_side, "--timeout=1800", "tests/faults", "tests")


@nox.session
@nox.parametrize("host", list(ADAPTERS))
def adapters(session: nox.Session, host: str) -> None:
    """Each adapter in an environment of its own beside the real Snakemake or the real Airflow."""
    folder, *requirements = ADAPTERS[host]
    session.install(*group("test"), *requirements, "-e", CORE, "-e", folder)
    session.run("python", "tests/bench/install_debian.py", host)
    side_by_side = ("-n", "2", "--dist", "loadfile")  # the one file that starts a whole Airflow mostly waits for it
    run_pytest(session, "-m", "adapters and not faults", *side_by_side, f"tests/{host}", report=f"adapters-{host}")


@nox.session
def oldest_airflow(session: nox.Session) -> None:
    """The provider beside the oldest Airflow that it supports: discovery, unit tests and whole DAGs in one process."""
    folder, *_ = ADAPTERS["airflow"]
    session.install(*group("test"), "apache-airflow==3.1.*", "-e", CORE, "-e", folder)
    # That release warns of parts of its own.
    chosen = (
        "-W",
        "ignore::FutureWarning",
        "-W",
        "ignore::DeprecationWarning",
        "-m",
        "adapters and not faults and not whole_airflow",
    )
    run_pytest(
        session,
        *chosen,
        "-n",
        "2",
        "--dist",
        "loadfile",
        "--ignore=tests/airflow/test_sweep_tasks.py",  # the examples have a sweep
        "tests/airflow",
    )


@nox.session
@nox.parametrize("host", list(ADAPTERS))
def adapter_faults(session: nox.Session, host: str) -> None:
    """What the adapters' tests leave to a long run: kills, restarts, outages, large sweeps."""
    folder, *requirements = ADAPTERS[host]
    session.install(*group("test"), *requirements, "-e", CORE, "-e", folder)
    session.run("python", "tests/bench/install_debian.py", host)
    if host == "snakemake":
        session.env["HPCC_SNAKEMAKE_SOURCE"] = str(snakemake_source(session))
    run_pytest(session, "-m", "adapters and faults", "--timeout=1800", f"tests/{host}", report=f"faults-{host}")


def snakemake_source(session: nox.Session) -> Path:
    """The unpacked source of the installed Snakemake, whose own tests are no part of its wheel."""
    version = str(session.run("python", "-c", "import snakemake; print(snakemake.__version__)", silent=True)).strip()
    cache = Path(session.cache_dir)
    folder = cache / f"snakemake-{version}"
    if not folder.is_dir():
        session.install("pip")
        source = ("--no-deps", "--no-binary=snakemake", f"snakemake=={version}")
        session.run("python", "-m", "pip", "download", "--quiet", *source, "--dest", str(cache))
        shutil.unpack_archive(cache / f"snakemake-{version}.tar.gz", cache, filter="data")
    return folder


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation as a site in build/site/html; a warning, a dead link or anything that is loaded from elsewhere is an error."""
    session.install(*group("docs"))
    session.run("python", "-m", "docs.build_site", "build/site")


@nox.session
def packages(session: nox.Session) -> None:
    """Build every sdist and wheel, check metadata and contents, install each alone into an empty environment and try it there."""
    session.install(*group("packages"))
    run_pytest(session, "-m", "distributions", "-k", "not all_three", "tests/distributions")


@nox.session
def packages_matrix(session: nox.Session) -> None:
    """The same by Python 3.11, 3.12 and 3.13, also all distributions together; a Python that cannot be had is skipped by name."""
    session.install(*group("packages"))
    session.env["HPCC_PYTHONS"] = "3.11 3.12 3.13"
    run_pytest(session, "-m", "distributions", "--timeout=1800", "tests/distributions")


@nox.session
def bench(session: nox.Session) -> None:
    """The figures of benchmarks/, as ratios measured within one run."""
    session.install(*group("bench"), CORE)
    session.install(
        "--force-reinstall", "--no-deps", CORE
    )  # an environment that is reused would measure the code of last time
    for script in sorted((ROOT / "benchmarks").glob("*.py")):
        session.run("python", str(script), *session.posargs)


@nox.session(venv_backend="none")
def report(session: nox.Session) -> None:
    """One closing account of the latest test runs: every skipped test by name and reason, then the total."""
    total = {"passed": 0, "failed": 0, "skipped": 0}
    for path in sorted(REPORTS.glob("*.xml")):
        for case in ET.parse(path).iter("testcase"):  # noqa: S314  (written by our own pytest a moment ago)
            skip = case.find("skipped")
            failed = case.find("failure") is not None or case.find("error") is not None
            total["skipped" if skip is not None else "failed" if failed else "passed"] += 1
            if skip is not None:
                session.log(f"skipped: {case.get('classname')}.{case.get('name')}: {skip.get('message')}")
    print(", ".join(f"{count} {outcome}" for outcome, count in total.items()), flush=True)


def run_pytest(session: nox.Session, *options: str, report: str = "") -> None:
    """pytest with a limit per test, and its results kept for `report`."""
    path = REPORTS / f"{report or session.name}.xml"
    path.unlink(missing_ok=True)
    session.run("pytest", "--timeout=300", f"--junit-xml={path}", *options, *session.posargs)
