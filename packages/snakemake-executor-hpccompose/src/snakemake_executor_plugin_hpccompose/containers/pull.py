"""`apptainer pull --name FILE URL`: the image from the core's image cache, made there when it is not there yet."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from compose_core import HpccError, Site, build_plan, load_spec, plan_context, prepare_images

SCHEMES = ("docker://", "dockerd://", "podman://")
"""Where Enroot imports images from."""


def main(argv: Sequence[str]) -> int:
    try:
        name, url = parse_pull(argv)
        pull(url, Path(name))
    except HpccError as error:
        print(told(error), file=sys.stderr)
        return 1
    return 0


def parse_pull(words: Sequence[str]) -> tuple[str, str]:
    """File name and URL.

    Raises: HpccError: these are not the words that Snakemake says.
    """
    rest = [word for word in words if word not in ("--force", "-F", "--disable-cache", "--no-https")]
    if len(rest) == 3 and rest[0] == "--name":
        return rest[1], rest[2]
    if len(rest) == 2 and not rest[0].startswith("-"):
        return rest[0], rest[1]
    raise HpccError("pull wants `--name FILE URL`")


def pull(url: str, file: Path) -> None:
    """The image of this URL at `file`, which is replaced at once.

    Raises: HpccError: it cannot be had, and why.
    """
    if not url.startswith(SCHEMES):
        scheme = url.partition("://")[0] + "://" if "://" in url else url.partition(":")[0]
        raise HpccError(
            f"images of {scheme} cannot be had with Enroot and Pyxis: {url}",
            remedy="Name one as docker://REGISTRY/IMAGE:TAG or the path of a .sqsh file, or set "
            "`--hpccompose-container-runtime apptainer` where there is an apptainer.",
        )
    _link(Path(_image_file(url)), file)


def _image_file(url: str) -> str:
    """The file in the cache that the core keeps for this image; the same for all workflows of the user."""
    spec = {
        "name": "image",
        "runtime": {"backend": "enroot"},
        "services": {"image": {"image": url.replace("$", "$$"), "command": ["true"]}},
    }
    site = Site.detect()
    anywhere = Path("/")  # no job comes of it, and no `.env` of a project counts
    loaded = load_spec("container", variables=site.environment, project_dir=anywhere, text=json.dumps(spec, indent=1))
    plan = build_plan(
        loaded, plan_context(site.with_engine("slurm"))
    )  # nothing runs here: no need for the runtime itself
    prepare_images(site, plan)
    [image] = plan.images
    return image.runtime_path


def _link(source: Path, file: Path) -> None:
    """A second name of the file, so that pruning the cache takes nothing from the workflow; a link to it on another file system."""
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    try:
        os.link(source, temporary)
    except OSError:
        temporary.symlink_to(source)
    temporary.replace(file)


def told(error: HpccError) -> str:
    """The error as Snakemake shows it: everything that was wrong, what to do, and the last lines of the program."""
    lines = [f"{problem.message}. {problem.remedy}".strip() for problem in error.problems] or [str(error)]
    return "\n".join([*lines, *([error.details] if error.details else [])])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
