from __future__ import annotations

import pytest

from compose_core.cluster.token_mark import claim_argument, comment_of, token_in_comment, token_in_submit_line

TOKEN = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


def test_the_comment_carries_the_token_and_the_users_words() -> None:
    assert token_in_comment(comment_of(TOKEN)) == TOKEN
    assert comment_of(TOKEN, "my run") == f"hpcc:v1:{TOKEN}:my run"
    assert token_in_comment(comment_of(TOKEN, "my run")) == TOKEN


@pytest.mark.parametrize("text", ["", "(null)", "hello", f"x hpcc:v1:{TOKEN}", f"hpcc:v1:{TOKEN}X", "hpcc:v1:short"])
def test_another_comment_carries_none(text: str) -> None:
    assert token_in_comment(text) is None


@pytest.mark.parametrize(
    "line",
    [
        f"sbatch --parsable --comment=hpcc:v1:{TOKEN} job.sbatch",
        f"sbatch --comment='hpcc:v1:{TOKEN}:a b' job.sbatch",
        f"sbatch job.sbatch claim:{TOKEN}",
    ],
)
def test_the_submit_line_carries_it_in_the_comment_or_the_claim(line: str) -> None:
    assert token_in_submit_line(line) == TOKEN


def test_a_path_that_looks_like_a_token_is_none() -> None:
    assert token_in_submit_line(f"sbatch /runs/{TOKEN}/job.sbatch") is None


@pytest.mark.parametrize("bad", ["", "x" * 26, TOKEN + "0", f"{TOKEN[:-1]}\n", "../../etc/passwd"])
def test_what_is_no_token_is_never_put_on_a_command_line(bad: str) -> None:
    with pytest.raises(ValueError, match="token"):
        comment_of(bad)
    with pytest.raises(ValueError, match="token"):
        claim_argument(bad)
