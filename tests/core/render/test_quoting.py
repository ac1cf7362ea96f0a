"""No value becomes syntax."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compose_core.cluster.sbatch_directives import directive_words
from compose_core.errors import HpccError
from compose_core.plan.model import Directive, Literally, Variable, literal
from compose_core.render.quoting import comment, quote, quote_all, sbatch_directive

ARGUMENT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)


@settings(max_examples=60, deadline=None)
@given(st.lists(ARGUMENT, min_size=1, max_size=5))
def test_bash_reads_every_argument_back_byte_for_byte(arguments: list[str]) -> None:
    """Whatever quotes, newlines, dollars or dashes it holds."""
    words = quote_all([literal(argument) for argument in arguments])
    script = f"set -euo pipefail\nprintf '%s\\0' {words}\n"
    printed = subprocess.run(["bash", "-c", script], capture_output=True, check=True).stdout
    assert printed.decode().split("\0")[:-1] == arguments


def test_a_variable_is_expanded_and_never_split() -> None:
    """Its value may hold blanks and globs."""
    word = quote((Literally("--out="), Variable("PLACE"), Literally("/a b")))
    printed = subprocess.run(
        ["bash", "-c", f"printf '<%s>' {word}"], capture_output=True, check=True, env={"PLACE": "x *"}
    )
    assert printed.stdout == b"<--out=x */a b>"


def test_the_name_of_a_variable_cannot_carry_syntax() -> None:
    """It comes from names in the file."""
    with pytest.raises(HpccError, match="environment variable"):
        quote((Variable("X}$(id)"),))


@pytest.mark.parametrize("value", ["a\n#SBATCH --account=x", "a\rb", "a\u2028b", "\x00"])
def test_a_control_character_in_a_directive_is_refused(value: str) -> None:
    """A newline would start a directive of its own."""
    with pytest.raises(HpccError, match="control character"):
        sbatch_directive(Directive(option="--job-name", value=value))
    with pytest.raises(HpccError, match="control character"):
        sbatch_directive(Directive(option="--comment", raw=f"--comment={value}"))


def test_a_value_with_blanks_and_quotes_is_quoted_for_sbatch() -> None:
    """sbatch splits directives like a shell."""
    assert sbatch_directive(Directive(option="--job-name", value="a'b c")) == """--job-name='a'"'"'b c'"""


@given(st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=40))
def test_sbatch_reads_every_value_back(value: str) -> None:
    """Backslashes too, which sbatch takes away even inside quotes."""
    line = sbatch_directive(Directive(option="--job-name", value=value))
    assert directive_words(f"#!/bin/bash\n#SBATCH {line}\n") == [f"--job-name={value}"]


def test_a_comment_stays_on_its_line() -> None:
    """File names may hold newlines."""
    assert comment("a\nrm -rf ~") == "a\\x0arm -rf ~"
