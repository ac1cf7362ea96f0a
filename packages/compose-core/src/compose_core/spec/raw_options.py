"""The options in raw arguments of sbatch and srun, found however they are written.

Both read options as getopt_long does: `--time=1`, `--time 1`, any unambiguous beginning such as `--tim=1`, `-t1`, `-t 1`, and
several short ones in one word, `-HN2`.  Source: sbatch and srun of Slurm 22.05, whose long options these are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from compose_core.directive_text import directive_text_words

_BOTH = """account acctg-freq bb bbf begin chdir cluster cluster-constraint clusters comment constraint container context contiguous
core-spec cores-per-socket cpu-freq cpus-per-gpu cpus-per-task deadline delay-boot dependency distribution error exclude
exclusive export extra-node-info gid gpu-bind gpu-freq gpus gpus-per-node gpus-per-socket gpus-per-task gres gres-flags help hint
hold input job-name licenses mail-type mail-user mcs-label mem mem-bind mem-per-cpu mem-per-gpu mincpus network nice no-kill
nodefile nodelist nodes ntasks ntasks-per-core ntasks-per-gpu ntasks-per-node ntasks-per-socket ntasks-per-tres open-mode output
overcommit oversubscribe partition power prefer priority profile propagate qos quiet reboot reservation signal sockets-per-node
spread-job switches tasks-per-node test-only thread-spec threads-per-core time time-min tmp uid usage use-min-nodes verbose
version wait wckey"""
_SBATCH = """array batch export-file get-user-env ignore-pbs kill-on-invalid-dep no-requeue parsable requeue wait-all-nodes wrap"""
_SRUN = """accel-bind bcast bcast-exclude compress cpu-bind cpu_bind debugger-test disable-status epilog exact het-group immediate
interactive jobid kill-on-bad-exit label mpi msg-timeout multi-prog no-allocate overlap pack-group preserve-env prolog pty
quit-on-interrupt relative resv-ports send-libs slurmd-debug task-epilog task-prolog threads unbuffered whole"""
_SBATCH_OPTIONS = frozenset(f"--{name}" for name in f"{_BOTH} {_SBATCH}".split())
_SRUN_OPTIONS = frozenset(f"--{name}" for name in f"{_BOTH} {_SRUN}".split())
_ALIASES = {"--tasks-per-node": "--ntasks-per-node", "--pack-group": "--het-group", "--cpu_bind": "--cpu-bind"}

_WITHOUT_VALUE = """bcast compress contiguous debugger-test disable-status exact exclusive get-user-env help hold ignore-pbs
immediate interactive kill-on-bad-exit label multi-prog nice no-allocate no-kill no-requeue overcommit overlap oversubscribe
parsable preserve-env propagate pty quiet quit-on-interrupt reboot requeue resv-ports send-libs spread-job test-only unbuffered
usage use-min-nodes verbose version whole"""
_NO_SEPARATE_VALUE = frozenset(f"--{name}" for name in _WITHOUT_VALUE.split())
"""Flags, and options whose value only `=` can give."""
_SBATCH_FLAGS = frozenset("HIOQWhksvV")
_SRUN_FLAGS = frozenset("EHIKOQVXZhklsuv")
_LONG = re.compile(r"--[A-Za-z0-9][A-Za-z0-9_-]*")


class RawOption(NamedTuple):
    """One option, or what stands where one is expected."""

    position: int
    """Of the argument that it stands in."""
    option: str | None
    """Its whole name, `--time` or `-t`; None: this is no option."""
    text: str
    """The word as it was written."""


def sbatch_options(arguments: Sequence[str]) -> Iterator[RawOption]:
    """The options of `submit_args`: each argument becomes one `#SBATCH` line, which may hold several of them."""
    for position, argument in enumerate(arguments):
        words = [(position, word) for word in directive_text_words(argument)]
        yield from _options(words, _SBATCH_OPTIONS, _SBATCH_FLAGS)
        if not words:
            yield RawOption(position, None, argument)


def srun_options(arguments: Sequence[str]) -> Iterator[RawOption]:
    """The options of `extra_srun_args`: each argument is one word of srun's command line."""
    yield from _options(list(enumerate(arguments)), _SRUN_OPTIONS, _SRUN_FLAGS)


def _options(words: Sequence[tuple[int, str]], known: frozenset[str], flags: frozenset[str]) -> Iterator[RawOption]:
    takes_next = False
    for position, word in words:
        if takes_next and not word.startswith("-"):
            takes_next = False
            continue
        takes_next = False
        if (match := _LONG.match(word)) is not None:
            option = _whole_name(match[0], known)
            takes_next = "=" not in word and option not in _NO_SEPARATE_VALUE
            yield RawOption(position, option, word)
        elif len(word) > 1 and word[0] == "-" and word[1].isalpha():
            for index, letter in enumerate(word[1:], start=1):
                yield RawOption(position, f"-{letter}", word)
                if letter not in flags:
                    takes_next = index == len(word) - 1
                    break
        else:
            yield RawOption(position, None, word)


def _whole_name(name: str, known: frozenset[str]) -> str:
    """The option that a beginning of its name means; plugins of a site have options that no list holds."""
    if name not in known:
        longer = {option for option in known if option.startswith(name)}
        name = longer.pop() if len(longer) == 1 else name
    return _ALIASES.get(name, name)
