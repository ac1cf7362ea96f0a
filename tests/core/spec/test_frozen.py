"""Records that are cheap to define."""

from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError, fields, replace

import pytest

from compose_core.spec.models import Dependency, ExecCommand, Service, ShellCommand


def test_a_field_is_set_once() -> None:
    service = Service(image="alpine")
    with pytest.raises(FrozenInstanceError):
        service.image = "redis"  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        del service.image


def test_equality_is_class_and_fields() -> None:
    assert Service(image="alpine") == Service(image="alpine")
    assert Service(image="alpine") != Service(image="redis")
    assert ShellCommand("a") != ExecCommand(("a",))
    assert len({ShellCommand("a"), ShellCommand("a"), ShellCommand("b")}) == 2


def test_it_is_an_ordinary_dataclass_to_others() -> None:
    service = replace(Service(image="alpine"), command=ShellCommand("run"))
    assert (service.image, service.command) == ("alpine", ShellCommand("run"))
    assert [item.name for item in fields(Dependency)] == ["condition"]
    assert repr(Dependency()) == "Dependency(condition='service_started')"
    assert copy.deepcopy(service) == service
    assert pickle.loads(pickle.dumps(service)) == service


def test_keywords_are_checked() -> None:
    with pytest.raises(TypeError):
        Service(imgae="alpine")  # type: ignore[call-arg]
