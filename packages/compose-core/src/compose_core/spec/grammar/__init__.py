"""The grammar as data: every section, its keys, what each may hold, and what it is for.

Reading values, refusing unknown keys and the JSON Schema all follow these tables. They stand in modules as the models do that they make.
"""

from compose_core.spec.grammar.compose import COMPOSE
from compose_core.spec.grammar.job import JOB_SLURM
from compose_core.spec.grammar.service import SERVICE, SERVICE_SLURM

__all__ = ["COMPOSE", "JOB_SLURM", "SERVICE", "SERVICE_SLURM"]
