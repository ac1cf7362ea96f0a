"""What an exit status says, in plain words.

Source: bash(1), EXIT STATUS; signal(7); sacct(1), ExitCode and DerivedExitCode.
"""

from __future__ import annotations

import signal as _signals

_CODES = {
    1: "the program's own word for a failure",
    2: "wrong usage: bad arguments, or an error that the shell found in the script",
    53: "Slurm could not open the job's log file or enter its folder",
    124: "`timeout` ended the program: its time was over",
    125: "the program that was to start another one failed itself (timeout, env, a container tool)",
    126: "the command was found but cannot be executed: not executable, a folder, or of another machine's kind",
    127: "the command was not found",
    128: "an exit status that is none",
    255: "a status out of range (-1), or an ssh or srun that lost its connection",
}
_SIGNALS = {
    "SIGHUP": "its terminal or connection went away",
    "SIGINT": "it was interrupted (Ctrl-C)",
    "SIGQUIT": "it was told to quit with a core dump",
    "SIGILL": "it holds instructions that this CPU does not have: built for another kind",
    "SIGABRT": "it ended itself: an assertion or a fatal error in the program",
    "SIGBUS": "a file that it had mapped went away or the memory behind it is full",
    "SIGFPE": "a wrong calculation, such as a division by zero",
    "SIGKILL": "it was killed: by the kernel for lack of memory, or by Slurm when it did not end in time",
    "SIGSEGV": "it used memory that is not its own: a fault in the program or a library",
    "SIGPIPE": "the program that read its output went away",
    "SIGTERM": "it was told to end: by a cancel, the time limit, a preemption, or the end of the job",
    "SIGXCPU": "it used more CPU time than allowed",
    "SIGXFSZ": "it wrote a larger file than allowed",
    "SIGUSR1": "it got the warning signal and does not handle it",
    "SIGUSR2": "it got the warning signal and does not handle it",
}


def exit_code_meaning(code: int | None, signal: int | None = None) -> str:
    """One phrase: `127: the command was not found`, `137 = 128 + 9 (SIGKILL): …`; empty for None and for 0 without a signal."""
    if signal:
        return f"signal {signal} ({signal_name(signal)}): {_SIGNALS.get(signal_name(signal), 'a signal ended it')}"
    if not code:
        return ""
    if code in _CODES:
        return f"{code}: {_CODES[code]}"
    if 128 < code < 128 + 65:
        name = signal_name(code - 128)
        return f"{code} = 128 + {code - 128} ({name}): {_SIGNALS.get(name, 'a signal ended it')}"
    return f"{code}: the program's own word; its log or its manual says more"


def signal_name(number: int) -> str:
    """`SIGKILL`; `signal 70` for a number without a name."""
    try:
        return _signals.Signals(number).name
    except ValueError:
        return f"signal {number}"
