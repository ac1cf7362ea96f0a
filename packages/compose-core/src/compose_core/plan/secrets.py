"""Where each secret of a job comes from; never what it holds."""

from __future__ import annotations

from compose_core.plan.absolute_path import absolute_path
from compose_core.plan.model import PlannedSecret
from compose_core.spec import LoadedSpec


def planned_secrets(loaded: LoadedSpec, *, home: str) -> tuple[PlannedSecret, ...]:
    """The declared secrets that a service names, in the order of the file."""
    wanted = {name for service in loaded.spec.services.values() for name in service.secrets}
    folder = str(loaded.project_dir)
    return tuple(
        PlannedSecret(
            name=name,
            file=None if secret.file is None else absolute_path(secret.file, folder, home),
            env=secret.env,
            where=loaded.locate(f"secrets.{name}"),
        )
        for name, secret in loaded.spec.secrets.items()
        if name in wanted
    )
