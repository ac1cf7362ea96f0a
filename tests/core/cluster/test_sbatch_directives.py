from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compose_core.cluster.sbatch_directives import job_options


def _of(*lines: str) -> dict[str, str]:
    return job_options("\n".join(["#!/bin/bash", *lines, ""]))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("#SBATCH --job-name=train", {"job-name": "train"}),
        ("#SBATCH --job-name train", {"job-name": "train"}),
        ("#SBATCH -J train", {"job-name": "train"}),
        ("#SBATCH -Jtrain", {"job-name": "train"}),
        ("#SBATCH --exclusive", {"exclusive": ""}),
        ("#SBATCH --exclusive --nodes=2", {"exclusive": "", "nodes": "2"}),
        ("#SBATCH -H -n 4", {"H": "", "ntasks": "4"}),
        ('#SBATCH --output="a b.out"', {"output": "a b.out"}),
        ("""#SBATCH --job-name='a'"'"'b'""", {"job-name": "a'b"}),
        (r"#SBATCH --job-name=a\nb", {"job-name": "anb"}),
        ("#SBATCH --output=x.out # where it goes", {"output": "x.out"}),
        ("#SBATCH --output=x#1.out --nodes=2", {"output": "x"}),
        ("#SBATCH --output='x#1.out' --nodes=2", {"output": "x#1.out", "nodes": "2"}),
        (r"#SBATCH --job-name='a\\b'", {"job-name": r"a\b"}),
        (r"#SBATCH --job-name='a\b'", {"job-name": "ab"}),
        (r"#SBATCH --job-name='a\'b'", {"job-name": "a'b"}),
        (r"#SBATCH --job-name=a\ --nodes=2", {"job-name": "a", "nodes": "2"}),
        ("#SBATCH --job-name='a\u2028b\u00a0c'", {"job-name": "a\u2028b\u00a0c"}),
        ("#SBATCH --output=$HOME/%c", {"output": "$HOME/%c"}),
        ("#SBATCH\t--nodes=2", {"nodes": "2"}),
        ("#SBATCHX --nodes=2", {}),
        ("# SBATCH --nodes=2", {}),
        (" #SBATCH --nodes=2", {}),
    ],
)
def test_directives_are_read_as_sbatch_reads_them(line: str, expected: dict[str, str]) -> None:
    assert _of(line) == expected


def test_directives_after_the_first_command_are_ignored() -> None:
    assert _of("", "# a comment", "#SBATCH --nodes=2", "true", "#SBATCH --nodes=3") == {"nodes": "2"}


def test_the_command_line_wins_over_the_script() -> None:
    script = "#!/bin/bash\n#SBATCH --output=a --nodes=1\n"
    assert job_options(script, ["-o", "b", "--mem=1G"]) == {"output": "b", "nodes": "1", "mem": "1G"}


@given(st.text(max_size=100))
def test_no_text_breaks_the_reader(text: str) -> None:
    assert isinstance(_of(f"#SBATCH {text}"), dict)
