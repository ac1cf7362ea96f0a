"""`@task.hpccompose`: what a function may return."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from airflow.sdk import DAG, task

from airflow_provider_hpccompose.decorators import hpccompose as module
from airflow_provider_hpccompose.exceptions import HpcComposeSpecError
from airflow_provider_hpccompose.operators.hpccompose import HpcComposeOperator

pytestmark = pytest.mark.adapters

SPEC = {"services": {"work": {"command": "echo {{ params.word }}"}}}


@pytest.fixture
def submitted(monkeypatch: pytest.MonkeyPatch) -> list[HpcComposeOperator]:
    """The operators that would have run a job, with their fields as they were then."""
    ran: list[HpcComposeOperator] = []

    def execute(self: HpcComposeOperator, context: Any) -> str:
        ran.append(self)
        return "result"

    monkeypatch.setattr(HpcComposeOperator, "execute", execute)
    return ran


def run(function: Callable[..., Any], *given: Any, **options: Any) -> Any:
    """The task of this function, executed without Airflow around it."""
    with DAG("dag"):
        operator = module.hpccompose_task(function, **options)(*given).operator
    return operator.execute({"params": {"word": "hello"}})


def test_a_spec_that_a_function_returns_is_rendered_and_run(submitted: list[HpcComposeOperator]) -> None:
    """Templates in it are filled in like those of any field."""

    def train() -> dict[str, Any]:
        return SPEC

    assert run(train) == "result"
    assert submitted[0].spec == {"services": {"work": {"command": "echo hello"}}}


def test_text_is_a_spec_too(submitted: list[HpcComposeOperator]) -> None:
    """Compose files are YAML."""

    def train(word: str) -> str:
        return f"services: {{work: {{command: echo {word}}}}}"

    run(train, "hi")
    assert submitted[0].spec == "services: {work: {command: echo hi}}"


def test_a_function_can_return_arguments_for_a_compose_file(submitted: list[HpcComposeOperator]) -> None:
    """The file stays as it is; only its values change."""

    def train() -> dict[str, Any]:
        return {"variables": {"LR": "0.1"}, "hpc_resources": {"time": "00:10:00"}}

    run(train, compose_file="/shared/train.yaml")
    assert submitted[0].compose_file == "/shared/train.yaml"
    assert submitted[0].spec is None
    assert submitted[0].variables == {"LR": "0.1"}


@pytest.mark.parametrize(
    ("returned", "options", "why"),
    [
        (None, {}, "returned NoneType"),
        ("  ", {}, "returned str"),
        (7, {}, "returned int"),
        ({"retries": 3}, {"compose_file": "/c.yaml"}, "returned retries"),
        ({"variables": {}}, {}, "no spec"),
    ],
)
def test_anything_else_is_said_and_nothing_is_run(
    submitted: list[HpcComposeOperator], returned: Any, options: dict[str, Any], why: str
) -> None:
    """Without a retry: the function has to be changed."""

    def train() -> Any:
        return returned

    with pytest.raises(HpcComposeSpecError, match=why):
        run(train, **options)
    assert submitted == []


def test_airflow_knows_the_decorator_and_maps_it() -> None:
    """By the provider's description; a mapped task gives `multiple_outputs` twice."""

    def train(word: str) -> dict[str, Any]:
        return {"services": {"work": {"command": f"echo {word}"}}}

    decorator: Any = task
    with DAG("dag") as dag:
        decorator.hpccompose(map_index_template="{{ word }}")(train).expand(word=["a", "b"])
    mapped = dag.get_task("train")
    assert mapped.is_mapped
    assert mapped.operator_class.custom_operator_name == "@task.hpccompose"
    made = mapped.unmap({"op_kwargs": {"word": "a"}, "python_callable": lambda word: word})
    assert isinstance(made, HpcComposeOperator)
