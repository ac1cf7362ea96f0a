"""`@task.hpccompose`: the function says what to run, the operator runs it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, ClassVar

from airflow.providers.common.compat.sdk import (
    DecoratedOperator,
    TaskDecorator,
    context_merge,
    determine_kwargs,
    task_decorator_factory,
)

from airflow_provider_hpccompose.exceptions import HpcComposeSpecError
from airflow_provider_hpccompose.operators.hpccompose import HpcComposeOperator

_UNTIL_CALLED: dict[str, Any] = {"services": {}}
"""The operator wants a spec before the function has been called."""
_SPEC_KEYS = frozenset({"services"})


class _HpcComposeDecoratedOperator(DecoratedOperator, HpcComposeOperator):
    """A function that returns a compose spec (mapping or YAML text), or arguments of the operator.

    A mapping with `services` is a spec; any other mapping holds arguments of `HpcComposeOperator` that templates may fill: `variables`,
    `environment`, `trial`, `service_overrides`, `hpc_resources` … and belongs to a decorator with `compose_file` or `spec`.
    """

    custom_operator_name: str = "@task.hpccompose"
    template_fields: Sequence[str] = (*DecoratedOperator.template_fields, *HpcComposeOperator.template_fields)
    template_fields_renderers: ClassVar[dict[str, str]] = {
        **DecoratedOperator.template_fields_renderers,
        **HpcComposeOperator.template_fields_renderers,
    }
    overwrite_rtif_after_execution: bool = True
    """Rendered Templates then shows what the function returned."""

    def __init__(
        self,
        *,
        python_callable: Callable[..., Any],
        op_args: Collection[Any] | None = None,
        op_kwargs: Mapping[str, Any] | None = None,
        **job_options: Any,
    ) -> None:
        job_options.pop("multiple_outputs", None)  # a mapped task gives it twice
        if job_options.get("spec") is None and job_options.get("compose_file") is None:
            job_options["spec"] = dict(_UNTIL_CALLED)
        super().__init__(python_callable=python_callable, op_args=op_args, op_kwargs=op_kwargs, **job_options)

    def execute(self, context: Any) -> Any:
        """The result of the job; the function is called once per try, not after a deferral.

        Raises: HpcComposeSpecError: the function returned nothing that can be run.
        """
        context_merge(context, self.op_kwargs)
        kwargs = determine_kwargs(self.python_callable, self.op_args, context)
        self._take(self.python_callable(*self.op_args, **kwargs))
        self.render_template_fields(context)
        return HpcComposeOperator.execute(self, context)

    def _take(self, returned: Any) -> None:
        """What the function returned, in the operator's fields."""
        if isinstance(returned, str) and returned.strip():
            self.spec, self.compose_file = returned, None
        elif isinstance(returned, Mapping) and set(returned) >= _SPEC_KEYS:
            self.spec, self.compose_file = dict(returned), None
        elif isinstance(returned, Mapping) and returned:
            self._override(returned)
        else:
            raise HpcComposeSpecError(
                f"The function of {self.task_id} returned {type(returned).__name__}; it has to return a compose spec (a mapping with "
                "`services`, or YAML text) or a mapping of the operator's arguments."
            )

    def _override(self, arguments: Mapping[str, Any]) -> None:
        allowed = set(HpcComposeOperator.template_fields)
        unknown = sorted(set(map(str, arguments)) - allowed)
        if unknown:
            raise HpcComposeSpecError(
                f"The function of {self.task_id} returned {', '.join(unknown)}, which is neither a spec (it has no `services`) nor an "
                f"argument that can be set: {', '.join(sorted(allowed))}."
            )
        if self.spec == _UNTIL_CALLED and not {"spec", "compose_file"} & set(arguments):
            raise HpcComposeSpecError(
                f"The function of {self.task_id} returned arguments but no spec; give the decorator `compose_file` or `spec`."
            )
        if "compose_file" in arguments:
            self.spec = None
        if "spec" in arguments:
            self.compose_file = None
        for name, value in arguments.items():
            setattr(self, name, value)


def hpccompose_task(python_callable: Callable[..., Any] | None = None, **kwargs: Any) -> TaskDecorator:
    """Make the function a task that runs a compose job; the arguments are those of `HpcComposeOperator`."""
    return task_decorator_factory(
        python_callable=python_callable, decorated_operator_class=_HpcComposeDecoratedOperator, **kwargs
    )
