"""Names that are made of other names never meet: files, steps, shell functions, variables."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compose_core.errors import SpecError
from compose_core.plan import PlanContext, build_plan
from compose_core.plan.text import host_variable, port_variable, variable_part
from compose_core.render import render_script
from compose_core.spec import load_spec
from compose_core.units import service_token
from tests.properties.hostile import yaml_text

CONTEXT = PlanContext(engine="slurm", home="/home/me")
PIECES = ["a", "b", "A", "-", "_", ".", "x", "_x", "_x2e_", "2e", "-port-", "-host", "port", "url"]
_FORM = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
NAME = st.lists(st.sampled_from(PIECES), min_size=1, max_size=5).map("".join).filter(_FORM.fullmatch)
"""Names that are near to each other, so that a wrong escape would make two of them one."""


@settings(max_examples=2000, derandomize=True, database=None)
@given(
    st.sets(
        st.one_of(NAME, st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6)),
        min_size=2,
        max_size=8,
    )
)
def test_tokens_of_different_services_differ(names: set[str]) -> None:
    """Any text at all; and a token is a file name without surprises."""
    tokens = {service_token(name) for name in names}
    assert len(tokens) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]+", token) for token in tokens)


def test_names_of_one_file_never_meet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is accepted has as many step names, functions and variables as services and ports."""
    count = {"accepted": 0, "refused": 0}

    @settings(max_examples=400, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(
        st.dictionaries(
            NAME, st.lists(NAME.map(lambda name: name.replace(".", "")), max_size=2), min_size=1, max_size=4
        )
    )
    def check(services: dict[str, list[str]]) -> None:
        spec = {
            "runtime": {"backend": "host"},
            "services": {name: {"command": ["x"], "x-slurm": {"ports": ports}} for name, ports in services.items()},
        }
        (tmp_path / "compose.yaml").write_text(yaml_text(spec))
        try:
            plan = build_plan(load_spec(tmp_path / "compose.yaml", variables={}), CONTEXT)
        except SpecError:
            count["refused"] += 1
            return
        count["accepted"] += 1
        assert len({step.step_name for step in plan.steps}) == len(services)
        functions = re.findall(r"^step_(\S+)\(\) \{$", render_script(plan), re.MULTILINE)
        assert sorted(functions) == sorted(step.token for step in plan.steps)
        assert len(set(functions)) == len(services)
        variables = [host_variable(step.service) for step in plan.steps]
        variables += [port_variable(step.service, port) for step in plan.steps for port in step.ports]
        variables += [
            f"HPC_COMPOSE_{variable_part(step.service)}_URL_{variable_part(port)}"
            for step in plan.steps
            for port in step.ports
        ]
        assert len(set(variables)) == len(variables)

    check()
    assert count["accepted"] > 50
    with capsys.disabled():
        print(f"\nnames: {count['accepted']} files accepted, {count['refused']} refused, collisions 0")
