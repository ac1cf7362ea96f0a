"""`apptainer pull --name FILE URL`: the image from the core's image cache, made there when it is not there yet.

The mapping file may say how an image is prepared. Snakemake asks for an image once and keeps the file, so what it was made of is written
down: when that changes, the file is removed, and Snakemake asks again.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from compose_core import (
    HpccError,
    LoadedSpec,
    MapNode,
    Problem,
    Site,
    build_plan,
    load_spec,
    plan_context,
    prepare_images,
    tree_of,
)
from snakemake_executor_plugin_hpccompose.containers import MAPPING, PULLED
from snakemake_executor_plugin_hpccompose.containers.named_at import named_at
from snakemake_executor_plugin_hpccompose.mapping import EMPTY, read_mapping
from snakemake_executor_plugin_hpccompose.runner.whole_file import replace_file

SCHEMES = ("docker://", "dockerd://", "podman://")
"""Where Enroot imports images from."""
_SHOWN = "container"


def main(argv: Sequence[str]) -> int:
    url = ""
    try:
        name, url = parse_pull(argv)
        pull(url, Path(name))
    except HpccError as error:
        place = named_at(url, workdir_of(os.environ)) if url else ""
        print(f"{place}: {told(error)}" if place else told(error), file=sys.stderr)
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
    site = Site.detect()
    loaded = _spec_of(url, site.environment)
    _link(Path(_image_file(site, loaded)), file)
    _note(workdir_of(os.environ), file.absolute(), url, _digest(loaded))


def remove_outdated(workdir: Path, environment: Mapping[str, str]) -> None:
    """Remove the files of images that are prepared in another way now, so that Snakemake asks for them again."""
    for file, known in _notes(workdir).items():
        try:
            is_same = known["digest"] == _digest(_spec_of(known["url"], environment))
        except (HpccError, KeyError, TypeError):
            continue  # what is wrong with the mapping file is told by whoever needs it
        if not is_same:
            Path(file).unlink(missing_ok=True)


def workdir_of(environment: Mapping[str, str]) -> Path | None:
    """The folder of the workflow; None: nobody said it."""
    mounts = json.loads(environment.get("HPCC_CONTAINER_MOUNTS") or "[]")
    return Path(mounts[0]) if mounts else None


def _spec_of(url: str, environment: Mapping[str, str]) -> LoadedSpec:
    """A compose file whose one service has this image, prepared as the mapping file says."""
    mapping = read_mapping(environment[MAPPING]) if environment.get(MAPPING) else EMPTY
    service = tree_of({"image": url.replace("$", "$$"), "command": ["true"]}, _SHOWN)
    prepare = mapping.images.get(url) or mapping.images.get(url.partition("://")[2])
    if prepare is not None and isinstance(service, MapNode):
        service = service._replace(items={**service.items, "x-runtime": MapNode({"prepare": prepare}, prepare.mark)})
    head = tree_of({"name": "image", "runtime": {"backend": "enroot"}}, _SHOWN)
    assert isinstance(head, MapNode)
    tree = head._replace(items={**head.items, "services": MapNode({"image": service}, head.mark)})
    # No job comes of it, and no `.env` of a project counts; paths of `prepare` start from the mapping file.
    folder = mapping.path.absolute().parent if mapping.path else Path("/")
    return load_spec(mapping.shown or _SHOWN, variables=environment, project_dir=folder, tree=tree)


def _image_file(site: Site, loaded: LoadedSpec) -> str:
    """The file in the cache that the core keeps for this image; the same for all workflows of the user."""
    # Nothing runs here: there is no need for the runtime itself.
    plan = build_plan(loaded, plan_context(site.with_engine("slurm"), loaded))
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


def _digest(loaded: LoadedSpec) -> str:
    return hashlib.sha256(json.dumps(loaded.reloadable()["services"], sort_keys=True).encode()).hexdigest()


def _notes(workdir: Path) -> dict[str, dict[str, str]]:
    try:
        found = json.loads((workdir / PULLED).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _note(workdir: Path | None, file: Path, url: str, digest: str) -> None:
    """Snakemake fetches one image after the other."""
    if workdir is None:
        return
    notes = {**_notes(workdir), str(file): {"url": url, "digest": digest}}
    (workdir / PULLED).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    replace_file(workdir / PULLED, json.dumps(notes, indent=1).encode())


def told(error: HpccError) -> str:
    """The error as Snakemake shows it: everything that was wrong, what to do, and the last lines of the program."""
    lines = [_told(problem) for problem in error.problems] or [str(error)]
    return "\n".join([*lines, *([error.details] if error.details else [])])


def _told(problem: Problem) -> str:
    place = f"{problem.where}: " if problem.where else ""
    return f"{place}{problem.message}. {problem.remedy}".strip()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
