"""The job script: a part made for reading, then the job description and the supervisor."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

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
    return rendered(
        "job.sh.j2",
        **about(plan),
        description=description_text(plan, release=__version__),
        loader=_template("loader.py.j2").strip("\n"),
        programs=programs_text(with_sampler=plan.metrics is not None),
    )


def about(plan: Plan) -> dict[str, Any]:
    """What the templates of every script of a plan are given."""
    return {"plan": plan, "release": __version__, "readable_part_end": READABLE_PART_END, "shared": None, "exports": {}}


def programs_text(*, with_sampler: bool) -> str:
    """The programs of the node as they stand at the end of a script, in blocks that bash never runs."""
    return rendered(
        "programs.sh.j2",
        release=__version__,
        supervisor_source=supervisor.source().rstrip("\n"),
        supervisor_sha256=supervisor.sha256(),
        sampler_source=sampler.source().rstrip("\n") if with_sampler else "",
        sampler_sha256=sampler.sha256() if with_sampler else "",
    )


def readable_part(script: str) -> str:
    """The lines of a script that a person is meant to read."""
    return script.rsplit(f"\n{READABLE_PART_END}\n", 1)[0] + "\n"


def rendered(template: str, **values: Any) -> str:
    """The text of a template; a name that is not given is an error."""
    return _environment().get_template(template).render(**values)


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


def shared_loader() -> str:
    """The first lines of Python in a script whose programs stand in another file."""
    return _template("shared_loader.py.j2").strip("\n")


@cache
def _template(name: str) -> str:
    return resources.files("compose_core.render").joinpath("templates", name).read_text("utf-8")
