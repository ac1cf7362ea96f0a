"""What a page tells its reader to type works, in its order; what cannot be run here is named with its reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.page_blocks import PAGES, ROOT, Block, blocks_of, reason_of_page
from tests.docs.page_run import PageRun, agrees, programs_without_slurm

TYPED = ("bash", "console", "python")
"""Blocks that a reader would run; `yaml` is a file that they use."""
RUN = [page for page in PAGES if page.parent == ROOT / "docs" or page == ROOT / "README.md"]
BLOCKS = {page: list(blocks_of(page)) for page in RUN}


def reason(block: Block) -> str:
    """Why the block is not run; empty when it is."""
    return block.marks.get("not run", "") or reason_of_page(block.page)


def is_typed(block: Block) -> bool:
    """Whether a reader would run it."""
    return block.info.partition(" ")[0] in TYPED and "file" not in block.marks


WITH_WORK = [page for page in RUN if any(is_typed(block) and not reason(block) for block in BLOCKS[page])]
LEFT_OUT = [block for page in RUN for block in BLOCKS[page] if is_typed(block) and reason(block)]


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return programs_without_slurm(tmp_path_factory.mktemp("machine") / "bin")


@pytest.mark.parametrize("page", WITH_WORK, ids=lambda page: page.stem)
def test_the_blocks_of_a_page_run_in_their_order(page: Path, programs: Path, tmp_path: Path) -> None:
    """A reader who types all of it ends where the page says."""
    run = PageRun(tmp_path / "page", programs)
    try:
        for block in BLOCKS[page]:
            if not reason(block):
                run.take(block)
    finally:
        run.end()


@pytest.mark.parametrize("block", LEFT_OUT, ids=str)
def test_a_block_that_is_not_run_here_says_why(block: Block) -> None:
    """The closing account of the tests names it."""
    pytest.skip(reason(block))


def test_every_page_that_can_be_run_is() -> None:
    """A mark on a page is no way to leave out what needs nothing."""
    assert len(WITH_WORK) >= 5
    assert {page.stem for page in RUN if reason_of_page(page)} <= {"airflow", "snakemake"}


@pytest.mark.parametrize(
    ("shown", "said", "compare", "expected"),
    [
        ("a\nb", "a\nb", "all", True),
        ("a\nb", "a\nc", "all", False),
        ("a\n...\nd", "a\nb\nc\nd", "all", True),
        ("a\n...", "a\nb", "all", True),
        ("a\n...\nd", "a\nb\nc", "all", False),
        ("b\na", "a\nx\nb", "lines", True),
        ("b\nc", "a\nb", "lines", False),
    ],
)
def test_an_output_is_compared_with_what_the_page_shows(shown: str, said: str, compare: str, expected: bool) -> None:
    assert agrees(shown, said, compare) is expected
