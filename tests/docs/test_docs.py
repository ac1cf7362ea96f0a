"""The pages say what the program does: their examples load, their commands exist, their tables are current, their links lead somewhere."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

import compose_core.records
from compose_core import supervisor
from compose_core.cli.main import PLUMBING, every_command
from compose_core.errors import SpecError
from compose_core.plan import PlanContext, build_plan
from compose_core.render.description import job_description
from compose_core.spec import load_spec
from compose_core.spec.executable import NOT_EXECUTED_YET
from compose_core.spec.findings import Findings
from compose_core.spec.grammar import COMPOSE
from compose_core.spec.kinds import Either
from compose_core.spec.nodes import MapNode
from compose_core.spec.yaml_tree import read_yaml
from docs import generate_all, generate_diagrams, generate_refusals, generate_spec_tables
from docs.generated_blocks import filled, slug
from docs.navigation import NAVIGATION
from docs.site_pages import staged_pages
from docs.spec_examples import WRITTEN, example_of
from tests.docs.page_blocks import PAGES, ROOT, Block, blocks_of, prose_of

_CALL = re.compile(r"(?:^|(?<=[;&|$(] )|(?<=\$ ))(?:\S*/)?hpcc (?P<words>.*?)(?= (?:&&|\|\|?|>|2>|#)|;|$)")

ABSOLUTE_PATHS = (
    "/bin", "/dev", "/etc", "/home/me", "/hpc-compose", "/proc", "/private/tmp", "/run", "/shared", "/tmp", "/usr", "/var/tmp",
    "/scratch",
)  # fmt: skip
"""Where a path in a page may begin: names that mean the same on every machine."""
HOSTS = ("0.0.0.0", "127.0.0.1", "grafana.example", "keepachangelog.com", "semver.org", "localhost")


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


@pytest.mark.parametrize("page", generate_all.PAGES, ids=lambda page: page.stem)
def test_the_generated_parts_of_a_page_are_current(page: Path) -> None:
    """`python -m docs.generate_all` brings them up to date."""
    text = page.read_text(encoding="utf-8")
    assert filled(text, generate_all.PAGES[page]()) == text


def test_no_page_has_a_generated_part_that_nobody_compares() -> None:
    marked = {page for page in PAGES if "<!-- generated: " in re.sub(r"`[^`]*`", "", page.read_text(encoding="utf-8"))}
    assert marked == set(generate_all.PAGES)


def test_the_drawings_are_current_and_each_is_shown() -> None:
    shown = set(re.findall(r"\]\(diagrams/([a-z-]+)\.svg\)", "".join(prose_of(page) for page in PAGES)))
    assert {path.stem for path in generate_diagrams.FOLDER.iterdir()} == set(generate_diagrams.DRAWINGS) == shown
    for name, drawing in generate_diagrams.DRAWINGS.items():
        text = (generate_diagrams.FOLDER / f"{name}.svg").read_text(encoding="utf-8")
        assert text == generate_diagrams.svg(drawing), name


def test_every_rule_of_a_key_is_explained() -> None:
    page = generate_refusals.PAGE.read_text(encoding="utf-8")
    codes = set(re.findall(r"^### ([a-z0-9-]+)$", page, flags=re.MULTILINE))
    linked = set(re.findall(r"\(refusals\.md#([a-z0-9-]+)\)", generate_spec_tables.PAGE.read_text(encoding="utf-8")))
    assert len(linked) >= 50
    assert linked <= codes


def test_every_example_of_a_key_is_read_by_what_the_key_holds() -> None:
    """Who copies it from the table gets no error of form."""
    shown = 0
    for section in {section.name: section for section in generate_spec_tables.sections(COMPOSE)}.values():
        for key, entry in section.entries.items():
            text = example_of(section, key)
            if text and entry.written and not (entry.shorthand or isinstance(entry.kind, Either)):
                findings = Findings()
                node = read_yaml(text.encode(), "example.yaml", findings)
                assert isinstance(node, MapNode)
                entry.kind.read(node.items[key], (key,), findings)
                assert findings.in_order() == (), f"{section.name}.{text}"
            shown += bool(text)
    assert shown >= 130
    assert {key for _, key in WRITTEN} <= {
        key for section in generate_spec_tables.sections(COMPOSE) for key in section.entries
    }


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


WRITTEN_FOR_READERS = [page for page in PAGES if page.name != "refusals.md"]  # whose examples are cases of the tests


@pytest.mark.parametrize("page", WRITTEN_FOR_READERS, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_names_no_place_of_one_machine(page: Path) -> None:
    """Its paths and hosts mean the same to every reader."""
    text = re.sub(r"^<!--.*?-->$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    paths = re.findall(r"(?<![\w.~}*)/:>-])/(?!/)[A-Za-z][\w.-]*(?:/[\w.-]+)*", re.sub(r"https?://\S+", "", text))
    strange = [path for path in paths if not path.startswith(ABSOLUTE_PATHS) and path not in CONTAINER_PATHS]
    assert strange == []
    hosts = re.findall(r"https?://([\w.-]+)", text)
    assert [host for host in hosts if host not in HOSTS] == []
    assert re.findall(r"(?<![\w#])#[0-9]+\b", text) == []


CONTAINER_PATHS = ("/data", "/data/x", "/health", "/logs/batch", "/script", "/src")


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
    assert {f"examples/{folder.name}.md" for folder in (ROOT / "examples").iterdir() if folder.is_dir()} <= set(staged)
    for page in ROOT.glob("docs/*.md"):
        text = staged["index.md" if page.name == "README.md" else page.name]
        assert [block for block in blocks_of(page) if block.text not in text] == []
        assert [line for line in text.splitlines() if line.startswith("<!--")] == []
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
