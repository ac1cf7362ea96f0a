"""Variables that bash sets by itself, so that no value of ours survives in them."""

from __future__ import annotations

SET_BY_BASH = frozenset(
    {
        "BASHOPTS", "BASHPID", "BASH_ALIASES", "BASH_ARGC", "BASH_ARGV", "BASH_CMDS", "BASH_COMMAND", "BASH_LINENO",
        "BASH_SOURCE", "BASH_SUBSHELL", "BASH_VERSINFO", "DIRSTACK", "EPOCHREALTIME", "EPOCHSECONDS", "EUID", "FUNCNAME",
        "GROUPS", "HISTCMD", "LINENO", "OPTIND", "PIPESTATUS", "PPID", "RANDOM", "SECONDS", "SHELLOPTS", "SHLVL", "SRANDOM",
        "UID", "_",
    }
)  # fmt: skip
"""Tried with bash 5.2, by exporting each of them: it ends the shell, is ignored, or changes the value."""
