"""What a container sees of the host."""

from __future__ import annotations

from compose_core.plan.absolute_path import absolute_path
from compose_core.plan.model import Literally, Mount, ResumeRules, Text, Variable, literal
from compose_core.plan.resume import resume_mount
from compose_core.plan.text import JOB_MOUNT
from compose_core.spec.models import Service


def service_mounts(
    service: Service, *, project_dir: str, home: str, resume: ResumeRules | None = None
) -> tuple[Mount, ...]:
    """The job folder, the resume folder, then the service's volumes with absolute host paths."""
    job = Mount(
        source=(Variable("HPC_COMPOSE_JOB_ROOT"),), target=JOB_MOUNT, reason="the job folder, in every container"
    )
    return (
        job,
        *((resume_mount(resume),) if resume else ()),
        *(
            _volume_mount(volume.source, volume.target, volume.read_only, project_dir, home)
            for volume in service.volumes
        ),
    )


def mount_flags(mount: Mount) -> Text:
    """`source:target[:ro]`, the form that Pyxis and Apptainer share."""
    flags = ":ro" if mount.read_only else ""
    return (*mount.source, Literally(f":{mount.target}{flags}"))


def enroot_mount(mount: Mount) -> Text:
    """A line of an fstab with colons between its fields; a third field that is an option would replace the default ones.

    Source: enroot start(1), enroot-mount of 4.1.
    """
    flags = ":none:x-create=auto,rbind,ro" if mount.read_only else ""
    source = [part if isinstance(part, Variable) else Literally(_fstab_text(part.text)) for part in mount.source]
    return (*source, Literally(f":{_fstab_text(mount.target)}{flags}"))


def _fstab_text(path: str) -> str:
    """Source: fstab(5)."""
    return path.replace("\\", "\\134").replace(" ", "\\040").replace("\t", "\\011")


def _volume_mount(source: str, target: str, read_only: bool, project_dir: str, home: str) -> Mount:
    absolute = absolute_path(source, project_dir, home)
    is_relative = not source.startswith(("/", "~"))
    reason = "volumes, relative to the compose file's folder" if is_relative else "volumes"
    return Mount(source=literal(absolute), target=target, read_only=read_only, reason=reason)
