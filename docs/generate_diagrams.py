"""The drawings in docs/diagrams/, from what stands here: `python -m docs.generate_diagrams` draws them anew, without any other program."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal, NamedTuple
from xml.sax.saxutils import escape

FOLDER = Path(__file__).parent / "diagrams"
Tone = Literal["plain", "ours", "site", "group"]
_FILL: dict[Tone, str] = {"plain": "#ffffff", "ours": "#e3eefb", "site": "#f3ead9", "group": "#f7f7f7"}
_STYLE = "font-family:system-ui,'DejaVu Sans',sans-serif;font-size:13px"


class Box(NamedTuple):
    """A rectangle with lines of text; of a group the text stands at the top."""

    x: int
    y: int
    width: int
    height: int
    text: str
    tone: Tone = "plain"


class Arrow(NamedTuple):
    """A line from one point to the next, with a head at the last and a word beside its middle."""

    points: tuple[tuple[int, int], ...]
    text: str = ""
    above: int = 6
    dashed: bool = False


class Drawing(NamedTuple):
    """What stands in one file."""

    width: int
    height: int
    title: str
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]


ONE_JOB = Drawing(
    880, 300, "A compose file becomes one job of Slurm, with its services as steps.",
    (
        Box(10, 20, 200, 260, "the machine you type on", "group"),
        Box(30, 60, 160, 50, "compose.yaml"),
        Box(30, 145, 160, 50, "hpcc up", "ours"),
        Box(30, 225, 160, 40, "image cache"),
        Box(290, 145, 90, 50, "Slurm", "site"),
        Box(450, 20, 420, 260, "one allocation", "group"),
        Box(470, 70, 130, 60, "supervisor\non the first node", "ours"),
        Box(680, 50, 170, 42, "database\nsidecar"),
        Box(680, 110, 170, 42, "model server\nsidecar"),
        Box(680, 170, 170, 42, "client\nmain"),
        Box(470, 220, 380, 45, ".hpc-compose/<job id>/\nstate, events, logs: on shared storage", "ours"),
    ),
    (
        Arrow(((110, 110), (110, 145))),
        Arrow(((110, 195), (110, 225)), "images", 0),
        Arrow(((190, 170), (290, 170)), "sbatch"),
        Arrow(((380, 170), (420, 170), (420, 100), (470, 100)), "starts"),
        Arrow(((600, 88), (680, 71)), "srun"),
        Arrow(((600, 100), (680, 131))),
        Arrow(((600, 112), (680, 191))),
        Arrow(((535, 130), (535, 220)), "writes", 0),
        Arrow(((470, 243), (220, 243), (220, 185), (190, 185)), "status, logs, artifacts", 8, dashed=True),
    ),
)  # fmt: skip

LIFE = Drawing(
    880, 280, "The status of a service from its start to its end.",
    (
        Box(10, 90, 100, 44, "waiting"),
        Box(210, 90, 100, 44, "starting"),
        Box(420, 45, 100, 44, "ready"),
        Box(420, 135, 100, 44, "running"),
        Box(640, 45, 110, 44, "exited", "ours"),
        Box(640, 135, 110, 44, "failed", "site"),
        Box(420, 225, 100, 44, "backoff"),
        Box(770, 90, 100, 44, "stopped", "ours"),
        Box(10, 225, 100, 44, "skipped"),
    ),
    (
        Arrow(((110, 112), (210, 112)), "depends_on"),
        Arrow(((310, 104), (420, 67)), "readiness", 10),
        Arrow(((310, 120), (420, 157)), "none", -18),
        Arrow(((520, 62), (640, 62)), "ends with 0"),
        Arrow(((520, 80), (640, 145))),
        Arrow(((520, 145), (640, 80))),
        Arrow(((520, 165), (640, 165)), "otherwise", -16),
        Arrow(((690, 179), (690, 247), (520, 247)), "restart_on_failure"),
        Arrow(((420, 247), (260, 247), (260, 134)), "again"),
        Arrow(((470, 45), (470, 22), (820, 22), (820, 90)), "the job ends: told to stop"),
        Arrow(((60, 134), (60, 225)), "the job ends", 0),
    ),
)  # fmt: skip

ONCE = Drawing(
    880, 180, "What is on disk at each moment of a submission.",
    (
        Box(10, 20, 130, 54, "token\nunresolved/<token>", "ours"),
        Box(190, 20, 130, 54, "intent.json\njob.sbatch", "ours"),
        Box(370, 20, 130, 54, "submitting.1", "ours"),
        Box(550, 20, 130, 54, "outcome.json\njobs/<id>.json", "ours"),
        Box(730, 20, 130, 54, "claim\non the node", "ours"),
        Box(190, 120, 130, 44, "nothing was\nsubmitted"),
        Box(370, 120, 310, 44, "looks for the token: claim, squeue, sacct;\nfound: it is the job; never a second one"),
        Box(730, 120, 130, 44, "a twin ends\nbefore it runs"),
    ),
    (
        Arrow(((140, 47), (190, 47))),
        Arrow(((320, 47), (370, 47))),
        Arrow(((500, 47), (550, 47)), "sbatch"),
        Arrow(((680, 47), (730, 47)), "starts"),
        Arrow(((255, 74), (255, 120)), "died here", 0, dashed=True),
        Arrow(((435, 74), (435, 120)), "died, or no answer", 0, dashed=True),
        Arrow(((795, 74), (795, 120)), "second job", 0, dashed=True),
    ),
)  # fmt: skip

IMAGES = Drawing(
    880, 140, "From a reference to the file that a step starts from.",
    (
        Box(10, 10, 500, 120, "the machine you type on", "group"),
        Box(25, 55, 110, 50, "image:\npython:3.12"),
        Box(195, 55, 115, 50, "base/….sqsh", "ours"),
        Box(370, 55, 130, 50, "prepared/….sqsh", "ours"),
        Box(610, 10, 260, 120, "nodes", "group"),
        Box(625, 55, 80, 50, "step"),
        Box(750, 55, 110, 50, "thrown away\nat the end"),
    ),
    (
        Arrow(((135, 80), (195, 80)), "import"),
        Arrow(((310, 80), (370, 80)), "prepare"),
        Arrow(((500, 80), (625, 80)), "cache_dir, shared"),
        Arrow(((705, 80), (750, 80)), "writes"),
    ),
)  # fmt: skip

DATA = Drawing(
    880, 230, "The way of the data through the packages of the core.",
    (
        Box(10, 60, 100, 44, "compose.yaml"),
        Box(170, 60, 110, 44, "ComposeSpec", "ours"),
        Box(340, 60, 90, 44, "Plan", "ours"),
        Box(490, 60, 90, 44, "script", "ours"),
        Box(660, 20, 200, 60, "engine: cluster\nSlurm or local", "site"),
        Box(660, 140, 200, 60, "supervisor\non the batch host", "ours"),
        Box(340, 150, 240, 44, "records: files of the job", "ours"),
        Box(10, 150, 270, 44, "hpcc · Snakemake · Airflow\noperations, tracking, insight"),
    ),
    (
        Arrow(((110, 82), (170, 82)), "spec"),
        Arrow(((280, 82), (340, 82)), "plan"),
        Arrow(((430, 82), (490, 82)), "render"),
        Arrow(((580, 75), (660, 55)), "submission", 10),
        Arrow(((760, 80), (760, 140)), "starts", 0),
        Arrow(((660, 172), (580, 172)), "writes"),
        Arrow(((340, 172), (280, 172)), "read"),
    ),
)  # fmt: skip

DRAWINGS = {"one-job": ONE_JOB, "life-of-a-service": LIFE, "submission": ONCE, "images": IMAGES, "data": DATA}
"""File name without its ending to what is drawn."""


def svg(drawing: Drawing) -> str:
    """The drawing as a file that reads on a dark page as well: it brings its own light ground."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {drawing.width} {drawing.height}" width="{drawing.width}"'
        f' height="{drawing.height}" role="img" style="{_STYLE}">'
    )
    arrow_head = (
        '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        '<path d="M0 0L8 4L0 8z" fill="#345"/></marker></defs>'
    )
    ground = f'<rect width="{drawing.width}" height="{drawing.height}" rx="8" fill="#fff"/>'
    lines = [head, f"<title>{escape(drawing.title)}</title>", arrow_head, ground]
    for box in drawing.boxes:
        lines += _box(box)
    for arrow in drawing.arrows:
        lines += _arrow(arrow)
    return "\n".join([*lines, "</svg>", ""])


def _box(box: Box) -> Iterable[str]:
    border = "#c9cfd6" if box.tone == "group" else "#56708c"
    yield f'<rect x="{box.x}" y="{box.y}" width="{box.width}" height="{box.height}" rx="6" fill="{_FILL[box.tone]}" stroke="{border}"/>'
    texts = box.text.split("\n")
    middle = box.x + box.width // 2
    top = box.y + 20 if box.tone == "group" else box.y + box.height // 2 - 8 * (len(texts) - 1) + 5
    for number, text in enumerate(texts):
        small = ' font-size="11.5" fill="#445"' if number or box.tone == "group" else ""
        yield f'<text x="{middle}" y="{top + 16 * number}" text-anchor="middle"{small}>{escape(text)}</text>'


def _arrow(arrow: Arrow) -> Iterable[str]:
    path = " ".join(f"{x},{y}" for x, y in arrow.points)
    dash = ' stroke-dasharray="5 4"' if arrow.dashed else ""
    yield f'<polyline points="{path}" fill="none" stroke="#345" stroke-width="1.4" marker-end="url(#head)"{dash}/>'
    if arrow.text:
        (x1, y1), (x2, y2) = max(zip(arrow.points, arrow.points[1:]), key=_length)
        upright = x1 == x2
        x, y = (x1 + 6, (y1 + y2) // 2 + 4) if upright else ((x1 + x2) // 2, (y1 + y2) // 2 - arrow.above)
        anchor = "start" if upright else "middle"
        yield f'<text x="{x}" y="{y}" text-anchor="{anchor}" font-size="11.5" fill="#345">{escape(arrow.text)}</text>'


def _length(pair: tuple[tuple[int, int], tuple[int, int]]) -> int:
    (x1, y1), (x2, y2) = pair
    return abs(x1 - x2) + abs(y1 - y2)


def write() -> None:
    """Draw all of them anew."""
    FOLDER.mkdir(exist_ok=True)
    for name, drawing in DRAWINGS.items():
        (FOLDER / f"{name}.svg").write_text(svg(drawing), encoding="utf-8")


if __name__ == "__main__":
    write()
