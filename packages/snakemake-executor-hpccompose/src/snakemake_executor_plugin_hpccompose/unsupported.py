"""Options of Snakemake that jobs of this executor cannot heed: said when a run starts, because silence would be wrong results."""

from __future__ import annotations

from typing import Any

from snakemake_interface_common.exceptions import WorkflowError


def refuse_unsupported(workflow: Any) -> None:
    """Nothing that the user asked for is left out silently.

    Raises: WorkflowError: something would be.
    """
    remote = getattr(workflow, "remote_execution_settings", None)
    if getattr(remote, "immediate_submit", False):
        raise WorkflowError(
            "--immediate-submit is not supported by the executor hpccompose: Snakemake itself decides when a job may start. "
            "Leave it out; to let jobs go on without Snakemake, interrupt it with --hpccompose-on-exit detach."
        )
    if getattr(remote, "precommand", None):
        raise WorkflowError(
            "--precommand is not supported by the executor hpccompose: jobs start from a Snakemake that is loaded already. Jobs get "
            "the environment of this process, so load modules before `snakemake`, or put the command into the rules "
            "(shell.prefix in the Snakefile)."
        )
