"""The pages say what the program does: their examples load, their commands exist, their tables are current, their links lead somewhere."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from pydantic import BaseModel

import compose_core.records
from compose_core import supervisor
from compose_core.cli.main import PLUMBING, every_command, run
from compose_core.errors import SpecError
from compose_core.plan import PlanContext, build_plan
from compose_core.render.description import job_description
from compose_core.spec import load_spec
from compose_core.spec.executable import NOT_EXECUTED_YET
from docs import generate_command_tables, generate_spec_tables
from docs.generated_blocks import filled, slug
from docs.navigation import NAVIGATION
from docs.site_pages import staged_pages

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("packages/*/README.md")])
_FENCE = re.compile(r"^( *)(`{3,})(.*)$")
_CALL = re.compile(r"(?:^|(?<=[;&|$(] )|(?<=\$ ))(?:\S*/)?hpcc (?P<words>.*?)(?= (?:&&|\|\|?|>|2>|#)|;|$)")

ABSOLUTE_PATHS = (
    "/bin", "/dev", "/etc", "/home/me", "/hpc-compose", "/proc", "/private/tmp", "/run", "/shared", "/tmp", "/usr", "/var/tmp",
    "/scratch",
)  # fmt: skip
"""Where a path in a page may begin: names that mean the same on every machine."""
HOSTS = ("0.0.0.0", "127.0.0.1", "keepachangelog.com", "semver.org", "localhost")


class Block(NamedTuple):
    """One fenced block of a page."""

    page: Path
    line: int
    info: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks_of(page: Path) -> Iterator[Block]:
    """Every fenced block of the page."""
    closing, info, start, lines = "", "", 0, list[str]()
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1):
        match = _FENCE.match(line)
        if closing and line.strip() == closing:
            yield Block(page, start, info, "\n".join(lines) + "\n")
            closing = ""
        elif closing:
            lines.append(line)
        elif match:
            closing, info, start, lines = match[2], match[3].strip(), number, []
    assert not closing, f"{page}:{start}: the block is not closed"


def prose_of(page: Path) -> str:
    """The page without its fenced blocks."""
    text = page.read_text(encoding="utf-8")
    return re.sub(r"^(`{3,}).*?^\1$", "", text, flags=re.MULTILINE | re.DOTALL)


BLOCKS = [block for page in PAGES for block in blocks_of(page)]


def parameters(*infos: str) -> list[object]:
    """The blocks with one of these info strings, as pytest shows them."""
    return [pytest.param(block, id=str(block)) for block in BLOCKS if block.info in infos]


@pytest.mark.parametrize("block", parameters("yaml"))
def test_a_compose_file_in_a_page_is_valid(block: Block, tmp_path: Path) -> None:
    """A reader copies it; a part of a file is marked `yaml part`."""
    load_spec(write(block, tmp_path), variables={"HOME": "/home/me"})


@pytest.mark.parametrize("block", parameters("yaml invalid"))
def test_a_compose_file_that_a_page_calls_invalid_is_refused(block: Block, tmp_path: Path) -> None:
    with pytest.raises(SpecError):
        load_spec(write(block, tmp_path), variables={})


@pytest.mark.parametrize("block", parameters("yaml part"))
def test_a_part_of_a_compose_file_is_yaml(block: Block) -> None:
    assert isinstance(yaml.safe_load(block.text), dict | list)


def write(block: Block, folder: Path) -> Path:
    """The block as a file."""
    path = folder / "compose.yaml"
    path.write_text(block.text, encoding="utf-8")
    return path


@pytest.mark.parametrize("block", parameters("python"))
def test_a_program_in_a_page_is_python_and_imports_what_there_is(block: Block) -> None:
    """It is not run: it may submit jobs."""
    for statement in ast.walk(ast.parse(block.text)):
        if isinstance(statement, ast.ImportFrom) and (statement.module or "").startswith("compose_core"):
            module = importlib.import_module(str(statement.module))
            assert [name.name for name in statement.names if not hasattr(module, name.name)] == []


def test_every_block_says_what_it_is() -> None:
    """Or nobody would check it."""
    known = {"yaml", "yaml invalid", "yaml part", "console", "bash", "python", "text", "json", "mermaid"}
    assert [f"{block}: {block.info!r}" for block in BLOCKS if block.info not in known] == []


def calls_of(block: Block) -> Iterator[list[str]]:
    """The words of every `hpcc …` that a reader would type."""
    lines = block.text.splitlines()
    typed = [line[2:] for line in lines if line.startswith("$ ")] if block.info == "console" else lines
    for line in typed:
        for match in _CALL.finditer(line):
            yield shlex.split(match["words"], comments=True)


@pytest.mark.parametrize("block", parameters("console", "bash"))
def test_every_command_in_a_page_exists_with_its_options(block: Block) -> None:
    for words in calls_of(block):
        check_call(words)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_in_a_sentence_exists_with_its_options(page: Path) -> None:
    for text in re.findall(r"`hpcc ([a-z][^`…]*)`", prose_of(page)):
        check_call(shlex.split(text))


def check_call(words: list[str]) -> None:
    """The command is there and takes these options."""
    if words in (["--help"], ["--version"]) or words[0] in PLUMBING:
        return
    commands = every_command()
    name = next((name for name in (" ".join(words[:2]), words[0]) if name in commands), None)
    assert name is not None, f"hpcc {shlex.join(words)}"
    rest = words[len(name.split()) :]
    if rest and set(rest) != {"--help"}:  # its name alone stands for the command, also when it takes a job
        commands[name].make_context(name, rest)


VALIDATED = [
    pytest.param(before, block, id=str(block))
    for before, block in pairwise(BLOCKS)
    if before.page == block.page
    and before.info in ("yaml", "yaml invalid")
    and block.info == "console"
    and re.match(r"\$ hpcc (validate|plan) ", block.text)
]


@pytest.mark.parametrize(("before", "block"), VALIDATED)
def test_what_a_page_shows_of_a_check_is_what_the_command_says(
    before: Block, block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The block above the command is its compose file."""
    monkeypatch.chdir(tmp_path)
    typed, _, shown = block.text.partition("\n")
    words = shlex.split(typed.removeprefix("$ hpcc "))
    (tmp_path / words[words.index("-f") + 1]).write_text(before.text, encoding="utf-8")
    run(words)
    out, err = capsys.readouterr()
    assert [line.rstrip() for line in (err + out).splitlines()] == shown.splitlines()


def test_a_check_is_shown_somewhere() -> None:
    """The test above has work to do."""
    assert len(VALIDATED) >= 2


def test_the_tables_of_the_compose_file_are_current() -> None:
    """`python -m docs.generate_spec_tables` brings them up to date."""
    page = generate_spec_tables.PAGE.read_text(encoding="utf-8")
    assert filled(page, generate_spec_tables.blocks()) == page


def test_the_tables_of_the_commands_are_current() -> None:
    """`python -m docs.generate_command_tables` brings them up to date."""
    page = generate_command_tables.PAGE.read_text(encoding="utf-8")
    assert filled(page, generate_command_tables.blocks()) == page


def test_the_readme_names_every_key_that_is_not_executed_yet() -> None:
    """Who meets one learns it there, and not from a refusal."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    table = readme[readme.index("not-executed-yet") : readme.index("## Documentation")]
    rows = {
        "top level": [path[0] for path in NOT_EXECUTED_YET if len(path) == 1],
        "`x-slurm`": [path[1] for path in NOT_EXECUTED_YET if path[0] == "x-slurm"],
        "a service's `x-slurm`": [path[3] for path in NOT_EXECUTED_YET if path[2:3] == ("x-slurm",)],
        "a service": [
            ".".join(path[2:]) for path in NOT_EXECUTED_YET if path[0] == "services" and path[2] != "x-slurm"
        ],
    }
    for where, keys in rows.items():
        if not keys:
            continue
        row = next(line for line in table.splitlines() if line.startswith(f"| {where} |"))
        assert [key for key in keys if f"`{key}`" not in row] == [], where
    row = next((line for line in table.splitlines() if line.startswith("| `x-slurm` |")), "| `x-slurm` |")
    named = set(re.findall(r"`([a-z_]+)`", row))
    assert named == set(rows["`x-slurm`"])


def test_the_example_of_the_readme_is_the_quickstart(tmp_path: Path) -> None:
    """The first thing that a newcomer reads is the first thing that they run."""
    shown = next(block for block in BLOCKS if block.page.name == "README.md" and block.info == "yaml")
    real = load_spec(ROOT / "examples/quickstart/compose.yaml", variables={})
    assert load_spec(write(shown, tmp_path), variables={}).effective() == real.effective()


def anchors_of(page: Path) -> set[str]:
    """Where a link into the page may lead."""
    found: dict[str, int] = {}
    anchors = set()
    for heading in re.findall(r"^#+ (.*)$", prose_of(page), flags=re.MULTILINE):
        name = slug(re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", ""))
        anchors.add(f"{name}-{found[name]}" if name in found else name)
        found[name] = found.get(name, 0) + 1
    return anchors


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    """To a file or folder, and where it names a heading, to that."""
    for target in re.findall(r"\]\((?!https?:|mailto:)([^)\s]+)\)", prose_of(page)):
        path, _, anchor = target.partition("#")
        file = page if not path else (page.parent / path).resolve()
        assert file.exists(), target
        assert not anchor or anchor in anchors_of(file), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_names_no_place_of_one_machine(page: Path) -> None:
    """Its paths and hosts mean the same to every reader."""
    text = page.read_text(encoding="utf-8")
    paths = re.findall(r"(?<![\w.~}*)/:>-])/(?!/)[A-Za-z][\w.-]*(?:/[\w.-]+)*", re.sub(r"https?://\S+", "", text))
    strange = [path for path in paths if not path.startswith(ABSOLUTE_PATHS) and path not in CONTAINER_PATHS]
    assert strange == []
    hosts = re.findall(r"https?://([\w.-]+)", text)
    assert [host for host in hosts if host not in HOSTS] == []
    assert re.findall(r"(?<![\w#])#[0-9]+\b", text) == []


CONTAINER_PATHS = ("/data", "/health", "/src")


def test_the_index_lists_every_page() -> None:
    """A page that nothing leads to is not read."""
    index = (ROOT / "docs/README.md").read_text(encoding="utf-8")
    pages = [page.name for page in ROOT.glob("docs/*.md") if page.name != "README.md"]
    assert [name for name in pages if f"({name})" not in index] == []


def test_the_navigation_of_the_site_has_every_page_once_in_the_order_of_the_index() -> None:
    """Who reads the site finds what who reads the repository finds."""
    shown = [page for pages in NAVIGATION.values() for page in pages]
    assert sorted(shown) == sorted(page.stem for page in ROOT.glob("docs/*.md") if page.name != "README.md")
    index = (ROOT / "docs/README.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| \[[^\]]*\]\(([a-z-]+)\.md\)", index, flags=re.MULTILINE) == shown
    assert re.findall(r"^## (.*)$", index, flags=re.MULTILINE)[: len(NAVIGATION)] == list(NAVIGATION)


def test_the_site_has_a_page_for_every_example_and_loses_no_block() -> None:
    """Comments go, and links lead to pages of the site; a block is shown as it was written."""
    staged = dict(staged_pages())
    assert {f"examples/{folder.name}.md" for folder in (ROOT / "examples").iterdir()} <= set(staged)
    for page in ROOT.glob("docs/*.md"):
        text = staged["index.md" if page.name == "README.md" else page.name]
        assert [block for block in blocks_of(page) if block.text not in text] == []
        assert "<!--" not in text
        assert "](../" not in text


def test_the_page_of_files_names_every_field_of_every_record() -> None:
    """A program that reads a job's files finds each field described."""
    words = set(re.findall(r"[a-z_0-9]+", (ROOT / "docs/files.md").read_text(encoding="utf-8")))
    records = Path(compose_core.records.__file__).parent
    for module in sorted(records.glob("[!_]*.py")):
        importlib.import_module(f"compose_core.records.{module.stem}")
    models = [model for model in subclasses(BaseModel) if model.__module__.startswith("compose_core.records.")]
    assert len(models) >= 12
    missing = {model.__name__: sorted(set(model.model_fields) - words) for model in models}
    assert {name: fields for name, fields in missing.items() if fields} == {}


def subclasses(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """Every class below a class."""
    for below in model.__subclasses__():
        yield below
        yield from subclasses(below)


def test_the_page_of_files_names_every_event_and_every_field_of_a_job_description() -> None:
    """As the supervisor writes and reads them."""
    page = (ROOT / "docs/files.md").read_text(encoding="utf-8")
    events = set(re.findall(r'\.event\(\s*"(\w+)"', supervisor.source())) | {"gave_up", "window_exhausted", "restarted"}
    assert [name for name in sorted(events) if f"`{name}`" not in page] == []
    loaded = load_spec(ROOT / "examples/quickstart/compose.yaml", variables={})
    description = job_description(build_plan(loaded, PlanContext(engine="slurm", home="/home/me")), release="")
    keys = {*description, *(key for service in description["services"] for key in service)}
    assert [key for key in sorted(keys) if not re.search(rf"\b{key}\b", page)] == []
