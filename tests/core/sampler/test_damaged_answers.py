"""Answers that a failing tool cuts off or mixes with other text end no collector, and make no figures up."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from compose_core.sampler.amd import parse_amd_metric, parse_amd_names, parse_amd_processes
from compose_core.sampler.mig import mig_listing, mig_rows
from compose_core.sampler.nvidia import parse_gpus, parse_processes, parse_remapped
from compose_core.sampler.rocm import parse_rocm
from compose_core.sampler.sstat import parse_steps
from tests.core.sampler.answers import recorded

PARSERS: dict[str, Callable[[str], Any]] = {
    "a100-sxm4-80gb.gpu.csv": parse_gpus,
    "a100-sxm4-80gb.processes.csv": parse_processes,
    "a100-sxm4-80gb.remapped.csv": parse_remapped,
    "h200-mig.listing.txt": mig_listing,
    "h200-mig.report.xml": lambda text: mig_rows(text, parse_gpus(recorded("h200-mig.gpu.csv"))[0], {}),
    "mi300x.metric.json": parse_amd_metric,
    "mi300x.static.json": lambda text: parse_amd_names(text, recorded("mi300x.list.json")),
    "mi300x.process.json": lambda text: parse_amd_processes(text, {}),
    "mi250x.rocm.json": parse_rocm,
}
JUNK = ["\x00", "N/A", "[", "]", "{", "}", '"', ",", ", ", "\n", "ERR!", "9" * 40, "é", "null", "-", "1e999", "NaN"]


@pytest.mark.parametrize("name", PARSERS)
def test_a_damaged_answer_is_read_or_refused(name: str) -> None:
    """2,000 damages of each kind of answer: a ValueError is the only way out."""
    whole, dice = recorded(name), random.Random(name)
    for _ in range(2000):
        text = whole
        for _ in range(dice.randint(1, 4)):
            begin = dice.randrange(len(text) + 1)
            end = min(len(text), begin + dice.choice([0, 1, 2, 10, 1000]))
            text = text[:begin] + dice.choice(JUNK) + text[end:]
        try:
            PARSERS[name](text)
        except ValueError:
            continue


def test_a_damaged_answer_of_sstat_is_read(tmp_path: object) -> None:
    """The same for steps."""
    whole = "41.0|2|00:00:01|1634304|3100672|cpu=00:00:00,mem=1634304\n41.batch|1|00:00.000|42606592|51871744|cpu=0\n"
    dice = random.Random(1)
    for _ in range(2000):
        begin = dice.randrange(len(whole))
        parse_steps(whole[:begin] + dice.choice(JUNK) + whole[begin + dice.choice([0, 1, 5]) :])
