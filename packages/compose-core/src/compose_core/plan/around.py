"""A service's hooks, prologue and epilogue: what runs on the batch host, and what wraps the command in its container."""

from __future__ import annotations

from collections.abc import Sequence

from compose_core.plan.model import PlannedHook, PlannedScript, Text, literal
from compose_core.plan.text import service_text
from compose_core.spec.models import Service, StepScript

IN_CONTAINER = """\
before=$1 after=$2 task= told=
shift 2
[ -z "$before" ] || HPC_COMPOSE_HOOK_PHASE=prologue /bin/sh -c "$before" || exit
[ -n "$after" ] || exec "$@"
pass() {
  told=$1
  [ -z "$task" ] || [ "${HPC_COMPOSE_ENGINE-}" = local ] || kill -s "$1" "$task"
}
for name in HUP TERM USR1 USR2; do trap "pass $name" "$name"; done
"$@" &
task=$!
[ -z "$told" ] || kill -s "$told" "$task"
wait "$task"
code=$?
while kill -0 "$task" 2>/dev/null; do
  wait "$task"
  code=$?
done
wait "$task" 2>/dev/null
again=$?
[ "$again" -eq 127 ] || code=$again
task=
HPC_COMPOSE_HOOK_PHASE=epilogue HPC_COMPOSE_SERVICE_EXIT_CODE=$code /bin/sh -c "$after"
again=$?
[ "$code" -ne 0 ] || code=$again
exit "$code"
"""
"""Runs `$1`, the command in `$3…`, then `$2`, for a shell as old as there are images.

The command is a child only where an epilogue follows it. Slurm's `proctrack/cgroup` signals the task alone, so signals are
passed on; the local engine signals the whole group. The command may end while `wait` is broken off by a signal, hence the last `wait`.
"""


def planned_hooks(service: Service) -> tuple[PlannedHook, ...]:
    """The hooks in the order of the file."""
    return tuple(PlannedHook(on=hook.on, script=hook.script) for hook in service.x_slurm.hooks)


def planned_script(script: StepScript | None) -> PlannedScript | None:
    """A prologue or epilogue as the plan has it."""
    return PlannedScript(script=script.script, context=script.context) if script is not None else None


def wrapped_command(service: Service, command: Sequence[Text]) -> tuple[Text, ...]:
    """The command between the prologue and epilogue that run in its container; itself when there are none."""
    slurm = service.x_slurm
    scripts = [
        service_text(script.script, "pyxis") if script is not None and script.context == "container" else ()
        for script in (slurm.prologue, slurm.epilogue)
    ]
    if not any(scripts):
        return tuple(command)
    return (*map(literal, ("/bin/sh", "-c", IN_CONTAINER, "hpc-compose")), *scripts, *command)
