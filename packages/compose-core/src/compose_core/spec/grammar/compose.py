"""The whole compose file."""

from __future__ import annotations

from compose_core.spec import models
from compose_core.spec.completion import finish_secret
from compose_core.spec.grammar.job import JOB_SLURM
from compose_core.spec.grammar.service import SERVICE
from compose_core.spec.grammar.sweep import SWEEP
from compose_core.spec.grammar.values import ENV_NAME, ENV_RULE, PATH, SERVICE_NAME, WORDS
from compose_core.spec.kinds import Choice, Entry, MapOf, Section, Text

RUNTIME = Section(
    "runtime",
    models.Runtime,
    {"backend": Entry(Choice(("pyxis", "enroot", "apptainer", "host")), "What runs the services.")},
)

SECRET = Section(
    "secret",
    models.Secret,
    {
        "file": Entry(PATH, "File that holds the value; read on the node."),
        "env": Entry(
            Text("a variable", ENV_NAME, example="HF_TOKEN"), "Variable that holds the value when the job is submitted."
        ),
    },
    finish=finish_secret,
    constraints=({"oneOf": [{"required": ["file"]}, {"required": ["env"]}]},),
)

_SERVICES = MapOf(
    SERVICE,
    SERVICE_NAME,
    "a service name",
    "letters, digits, _, . and - are allowed, a letter or digit first, at most 63 characters",
    code="service-name",
    at_least=1,
)

COMPOSE = Section(
    "compose",
    models.ComposeSpec,
    {
        "name": Entry(WORDS, "Name of the application, and of the job unless x-slurm.job_name is given."),
        "version": Entry(WORDS, "Accepted for compatibility; without meaning."),
        "services": Entry(_SERVICES, "What runs in the allocation.", required=True),
        "x-slurm": Entry(JOB_SLURM, "The allocation, and what all services share."),
        "runtime": Entry(RUNTIME, "How services are run."),
        "sweep": Entry(SWEEP, "Many trials of this file."),
        "secrets": Entry(
            MapOf(SECRET, ENV_NAME, "a secret", ENV_RULE, code="env-name"),
            "Values that are read on the node and never shown.",
        ),
        "extends": Entry(
            PATH,
            "A file to inherit from.",
            canonical=False,
            shorthand=(
                {
                    "type": "object",
                    "properties": {"file": {"type": "string"}},
                    "required": ["file"],
                    "additionalProperties": False,
                },
            ),
        ),
        "steps": Entry(_SERVICES, "Another word for services.", canonical=False),
    },
)
