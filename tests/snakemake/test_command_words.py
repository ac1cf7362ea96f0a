"""Words of command lines that Snakemake writes half as Python and half as a shell would."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from snakemake_interface_executor_plugins.utils import format_cli_arg

from snakemake_executor_plugin_hpccompose.command_words import words_of

pytestmark = pytest.mark.adapters

VALUES = [
    "plain",
    "two words",
    "it's",
    'q"uo',
    "both ' and \"",
    "back\\slash",
    "back\\slash and ' and \"",
    "$(touch x)",
    "`touch x`",
    "$HOME",
    "line\nbreak",
    "ü;*",
    "\x1b[31m",
    "-n",
]


@pytest.mark.parametrize("value", VALUES)
def test_every_value_arrives_as_it_is(value: str) -> None:
    """As a text, in a list, in a dictionary, and as a shell would have it."""
    assert words_of(format_cli_arg("--one", value)) == ("--one", value)
    assert words_of(format_cli_arg("--many", [value, "b", value])) == ("--many", value, "b", value)
    assert words_of(format_cli_arg("--config", {"key": value})) == ("--config", f"key={value}")
    assert words_of(format_cli_arg("--path", Path(f"/x/{value}"))) == ("--path", f"/x/{value}")
    assert words_of(f"--wait {shlex.join([value, value])}  --end") == ("--wait", value, value, "--end")


def test_a_quote_that_is_not_closed_is_an_error() -> None:
    """And nothing is no word."""
    assert words_of("  ") == ()
    with pytest.raises(ValueError, match="no closing quotation"):
        words_of("--a 'b")
