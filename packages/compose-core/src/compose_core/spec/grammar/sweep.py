"""The section `sweep`: what is varied, and how trials are compared."""

from __future__ import annotations

from compose_core.spec import models
from compose_core.spec.completion import finish_objective, finish_range, finish_sweep
from compose_core.spec.grammar.values import COUNT, ENV_NAME, PATH, SERVICE_NAME
from compose_core.spec.kinds import Choice, Either, Entry, Flag, Integer, ListOf, MapOf, Number, Section, Text

_PARAMETER = "(?!HPC_COMPOSE_SWEEP_)[A-Za-z_][A-Za-z0-9_]*"
_PARAMETER_RULE = "letters, digits and _ are allowed, no digit first, and not the prefix HPC_COMPOSE_SWEEP_"
_PARAMETER_VALUE = Text("text, a number or true or false", lines=True, may_be_empty=True)

RANGE = Section(
    "sweep-range",
    models.ParameterRange,
    {
        "from": Entry(Number(), "Lower end.", attribute="start", required=True),
        "to": Entry(Number(), "Upper end.", attribute="stop", required=True),
        "samples": Entry(COUNT, "How many values, one from each even slice of the range.", required=True),
        "log": Entry(Flag(), "Even slices of the logarithm.", default=False),
        "integer": Entry(Flag(), "Whole numbers only.", default=False),
    },
    finish=finish_range,
)

RANDOM_MATRIX = Section(
    "sweep-random",
    models.RandomMatrix,
    {
        "random": Entry(COUNT, "How many combinations to draw.", attribute="count", required=True),
        "seed": Entry(Text("a seed"), "Makes the draw repeatable."),
    },
)

OBJECTIVE = Section(
    "sweep-objective",
    models.Objective,
    {
        "direction": Entry(Choice(("minimize", "maximize")), "Which way is better.", required=True),
        "log_pattern": Entry(
            Text("a regular expression", example="loss=([0-9.]+)"), "Regular expression for the figure in the log."
        ),
        "group": Entry(COUNT, "Group of the pattern that is the figure.", default=1),
        "service": Entry(Text("a service", SERVICE_NAME), "Whose log it is, when several match."),
        "json_path": Entry(PATH, "JSON file below the job folder."),
        "json_field": Entry(Text("a field", example="eval.loss"), "Field of that file; a dot leads deeper."),
        "metric": Entry(Text("a name", example="loss"), "Name of the figure in `trial.jsonl`."),
        "take": Entry(Choice(("last", "best")), "Which of several figures counts.", default="last"),
        "scaling_axis": Entry(Text("a parameter", ENV_NAME), "Numeric parameter along which scaling is reported."),
    },
    finish=finish_objective,
    constraints=({"oneOf": [{"required": [source]} for source in ("log_pattern", "json_path", "metric")]},),
)

PRUNE = Section(
    "sweep-prune",
    models.Prune,
    {
        "method": Entry(Choice(("median", "asha")), "How trials are compared.", required=True),
        "metric": Entry(Text("a name"), "Name in `trial.jsonl` to compare by; that of the objective unless given."),
        "min_steps": Entry(COUNT, "Steps before a trial may be ended.", default=1),
        "reduction_factor": Entry(Integer(2), "asha keeps one in this many.", default=3),
    },
)

_ASSIGNMENT = MapOf(
    _PARAMETER_VALUE, _PARAMETER, "a sweep parameter", _PARAMETER_RULE, code="sweep-parameter", at_least=1
)

SWEEP = Section(
    "sweep",
    models.Sweep,
    {
        "parameters": Entry(
            MapOf(
                Either(ListOf(_PARAMETER_VALUE, at_least=1), RANGE),
                _PARAMETER,
                "a sweep parameter",
                _PARAMETER_RULE,
                code="sweep-parameter",
            ),
            "Names with the values to try.",
            example={"lr": ["0.001", "0.01"]},
        ),
        "matrix": Entry(
            Either(Choice(("full",)), RANDOM_MATRIX), "All combinations, or a random sample.", default="full"
        ),
        "seed": Entry(Text("a seed"), "Makes the draw of ranges and of a random matrix repeatable."),
        "replicates": Entry(COUNT, "Runs of each combination.", default=1),
        "objective": Entry(OBJECTIVE, "Which figure says how good a trial is."),
        "throttle": Entry(COUNT, "Trials that run at once."),
        "max_trials": Entry(COUNT, "Refuse more trials than this.", default=100),
        "exclude": Entry(ListOf(_ASSIGNMENT), "Partial assignments that are left out."),
        "trials": Entry(ListOf(_ASSIGNMENT, at_least=1), "Trials written out, instead of a matrix."),
        "prune": Entry(PRUNE, "How hopeless trials are ended early."),
    },
    finish=finish_sweep,
)
