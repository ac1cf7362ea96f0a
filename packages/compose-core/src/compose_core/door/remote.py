"""The verbs of the door on another machine, asked one by one of its `hpcc door`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from compose_core.cluster.runner import CommandRunner, Finished, NotFound, NotStarted, RunOutcome, TimedOut
from compose_core.door.wire import answer_of, question
from compose_core.errors import EnvironmentProblem, HpccError, SchedulerUnreachable, SubmissionUnresolved

DEFAULT_TIMEOUT_S = 120.0
SUBMIT_TIMEOUT_S = 1800.0
"""Images may have to be made first."""
SUBMITTING = frozenset({"submit", "submit-sweep"})
"""After these a lost answer leaves in doubt what happened."""

_REFUSALS = (
    ("Host key verification failed", "ssh-host-key"),
    ("REMOTE HOST IDENTIFICATION HAS CHANGED", "ssh-host-key"),
    ("host key is known", "ssh-host-key"),
    ("Permission denied", "ssh-key"),
    ("Too many authentication failures", "ssh-key"),
    ("No such identity", "ssh-key"),
    ("UNPROTECTED PRIVATE KEY", "ssh-key"),
    ("Bad configuration option", "ssh-config"),
    ("OpenSSH is not installed", "no-ssh"),
)
_REMEDIES = {
    "ssh-host-key": "Add the right key of the login node to known_hosts; its administrators publish it. Keys are always checked.",
    "ssh-key": "Name a key without passphrase that the login node accepts; passwords are not used.",
    "ssh-config": "Correct the user's configuration of OpenSSH.",
    "no-ssh": "Install the OpenSSH client.",
}


class RemoteDoor:
    """The same calls as `DoorSession`, through a runner that reaches the machine."""

    def __init__(
        self,
        runner: CommandRunner,
        *,
        name: str,
        command: Sequence[str] = ("hpcc",),
        workspace: str = "",
        engine: str = "auto",
        timeout_s: float = DEFAULT_TIMEOUT_S,
    ) -> None:
        """`name` is what errors call the machine."""
        self._runner = runner
        self._name = name
        self._command = tuple(command)
        self._workspace = workspace
        self._engine = engine
        self._timeout_s = timeout_s

    def call(self, verb: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to one question.

        Raises: SchedulerUnreachable: the machine was not reached.  SubmissionUnresolved: the connection broke while a job was submitted.
        EnvironmentProblem: it refuses this user, or has no hpc-compose.  HpccError: what the verb says there.
        """
        asked = question(verb, arguments, workspace=self._workspace, engine=self._engine)
        timeout_s = max(self._timeout_s, SUBMIT_TIMEOUT_S) if verb in SUBMITTING else self._timeout_s
        outcome = self._runner.run([*self._command, "door"], timeout_s=timeout_s, stdin=asked)
        if not isinstance(outcome, Finished):
            raise self._not_done(verb, outcome)
        try:
            return answer_of(outcome.stdout)
        except ValueError as error:
            raise self._no_answer(outcome) from error

    def _not_done(self, verb: str, outcome: RunOutcome) -> HpccError:
        if isinstance(outcome, NotStarted | NotFound):
            return self._not_reached(outcome.message)
        said = outcome.stderr.strip().splitlines()[-1:] if isinstance(outcome, TimedOut) else []
        what = f"{self._name} did not answer in time, or the connection broke" + (f": {said[0]}" if said else "")
        if verb in SUBMITTING:
            return SubmissionUnresolved(
                f"it is not known whether a job was submitted: {what}", remedy="Ask again: a key never submits twice."
            )
        return SchedulerUnreachable(what, remedy="Try again later; nothing is known to have changed.")

    def _not_reached(self, message: str) -> HpccError:
        code = next((code for words, code in _REFUSALS if words in message), None)
        if code is not None:
            return EnvironmentProblem(
                f"{self._name} cannot be used: {_one_line(message)}", remedy=_REMEDIES[code], code=code
            )
        return SchedulerUnreachable(
            f"{self._name} was not reached: {_one_line(message)}",
            remedy="Look at host, port and network of the connection; nothing was changed.",
            code="ssh-unreachable",
        )

    def _no_answer(self, outcome: Finished) -> HpccError:
        if outcome.rc in (126, 127):
            return EnvironmentProblem(
                f"{self._name} has no {self._command[0]}: {outcome.first_error_line}",
                remedy="Install compose-core there, or name its program in the connection (`command`), with its whole path.",
                code="no-hpcc",
            )
        return EnvironmentProblem(
            f"{' '.join(self._command)} on {self._name} gave no answer (status {outcome.rc}): {outcome.first_error_line}",
            remedy="Install the same release of compose-core on both sides.",
            code="door-answer",
        )


def _one_line(message: str) -> str:
    """What ssh said, without frames of @ signs."""
    lines = [line.strip() for line in message.splitlines() if line.strip(" @\r")]
    return " ".join(line.strip("@ ") for line in lines)[:600]
