"""Values that would stand in the job script although they look secret."""

from __future__ import annotations

from pathlib import Path

from compose_core.spec import load_spec
from compose_core.spec.exposed_values import values_in_script


def exposed(folder: Path, service: str, **variables: str) -> list[tuple[str, str]]:
    """Severity and place of each finding."""
    (folder / "compose.yaml").write_text(f"services: {{app: {{image: alpine, {service}}}}}\n")
    found = list(values_in_script(load_spec(folder / "compose.yaml", variables=variables)))
    assert all(problem.code == "secret-in-script" and "hunter2-hunter2" not in str(problem) for problem in found)
    return [(problem.severity, problem.where.key_path if problem.where else "") for problem in found]


def test_a_literal_value_of_a_name_that_looks_secret_is_told(tmp_path: Path) -> None:
    found = exposed(tmp_path, "environment: {API_KEY: hunter2-hunter2, LEVEL: info, EMPTY_TOKEN: ''}")
    assert found == [("warning", "services.app.environment.API_KEY")]


def test_a_variable_that_looks_secret_is_told_wherever_it_is_filled_in(tmp_path: Path) -> None:
    found = exposed(tmp_path, 'command: [run, "--key=${API_KEY}"]', API_KEY="hunter2-hunter2")
    assert found == [("warning", "services")]


def test_a_declared_secret_is_not_told(tmp_path: Path) -> None:
    """Its value is in no file that is submitted."""
    (tmp_path / "compose.yaml").write_text(
        "secrets: {API_KEY: {env: API_KEY}}\nservices: {app: {image: alpine, secrets: [API_KEY]}}\n"
    )
    assert list(values_in_script(load_spec(tmp_path / "compose.yaml", variables={"API_KEY": "hunter2-hunter2"}))) == []
