"""The job script: a part made for reading, then the job description and the supervisor."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from compose_core import sampler, supervisor
from compose_core.plan.model import Plan
from compose_core.render import quoting
from compose_core.render.description import description_text
from compose_core.version import __version__

if TYPE_CHECKING:
    from jinja2 import Environment

READABLE_PART_END = "# ---- job description (read by the supervisor) ----"


def render_script(plan: Plan) -> str:
    """The batch script of this plan; the same plan and release always give the same bytes."""
    return (
        _environment()
        .get_template("job.sh.j2")
        .render(
            plan=plan,
            release=__version__,
            readable_part_end=READABLE_PART_END,
            description=description_text(plan, release=__version__),
            supervisor_source=supervisor.source().rstrip("\n"),
            supervisor_sha256=supervisor.sha256(),
            sampler_source=sampler.source().rstrip("\n") if plan.metrics else "",
            sampler_sha256=sampler.sha256() if plan.metrics else "",
            loader=_template("loader.py.j2").strip("\n"),
        )
    )


def readable_part(script: str) -> str:
    """The lines of a script that a person is meant to read."""
    return script.rsplit(f"\n{READABLE_PART_END}\n", 1)[0] + "\n"


@cache
def _environment() -> Environment:
    """Templates with undefined names as errors; jinja2 is imported only when something is rendered."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(  # noqa: S701 - the output is bash, where HTML escaping would corrupt values
        loader=FunctionLoader(_template),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        quote=quoting.quote,
        quote_all=quoting.quote_all,
        quote_plain=quoting.quote_plain,
        comment=quoting.comment,
        sbatch=quoting.sbatch_directive,
    )
    return environment


def _template(name: str) -> str:
    return resources.files("compose_core.render").joinpath("templates", name).read_text("utf-8")
