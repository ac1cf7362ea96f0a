"""Secrets of many shapes that can be found again wherever they stand, and the watch for them."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import string
import threading
import urllib.parse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

_SHAPES = (
    "{}", "{}==", "'{}'", '"{}"', "it's \"{}\"", "$({})", "`touch {}`", "${{{}}}", "$HOME/{}", "{}\nsecond line", "\n{}\n\n", "-{}",
    "--token={}", " {} ", "\t{}", "{}\\", "\\n{}", "ünï{}😀", "\u202e{}\u200b", "{}%s%j%%", '{{"key": "{}"}}', "{};rm -rf x",
    "https://user:{}@host/path?x=1&y=2", "#{}", "{}\r", "\x1b[31m{}\x1b[0m", "\x01{}\x7f", "@{{web.host}}{}", "{}=" * 40,
    "-----BEGIN KEY-----\n{}\n-----END KEY-----\n", "x" * 9000 + "{}",
)  # fmt: skip


@dataclass(frozen=True)
class Canary:
    """One secret: its name, its value, and the part of it that stands nowhere else."""

    name: str
    core: str
    value: str

    @property
    def digest(self) -> str:
        """What a service that got it says."""
        return hashlib.sha256(self.value.encode()).hexdigest()

    def forms(self) -> Iterator[bytes]:
        """The value's own part as it is, which JSON, shell and URL forms keep, and what hides it."""
        yield self.core.encode()
        yield self.core.encode().hex().encode()
        yield urllib.parse.quote(self.value.strip()[:60]).encode()
        encoded = base64.b64encode(self.value.encode())
        yield encoded[: max(24, len(encoded) - 8)][:400]


def make_canaries(seed: int, count: int) -> list[Canary]:
    """So many secrets, every shape in turn."""
    draw = random.Random(seed)
    letters = string.ascii_letters + string.digits
    found = []
    for number in range(count):
        core = "".join(draw.choices(letters, k=draw.choice((16, 24, 40))))
        shape = _SHAPES[number % len(_SHAPES)]
        found.append(Canary(name=f"CNY_{number}", core=core, value=shape.format(*[core] * shape.count("{}"))))
    return found


@dataclass
class Watch:
    """Everything that was seen and must not hold a secret, by where it was seen."""

    formats: Sequence[str]
    """Of the commands' answers."""
    seen: dict[str, bytes] = field(default_factory=dict)
    command_lines: set[bytes] = field(default_factory=set)

    def add(self, where: str, text: str | bytes) -> None:
        """Some output."""
        data = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
        self.seen[where] = self.seen.get(where, b"") + data

    def add_files(self, folder: Path, *, apart: Path) -> None:
        """Every file below the folder but those below `apart`, and the names of all."""
        for path in folder.rglob("*"):
            if apart in path.parents:
                continue
            self.add("names", f"{path}\n")
            if path.is_file() and not path.is_symlink():
                self.add(str(path), path.read_bytes())

    def found(self, canaries: list[Canary]) -> list[str]:
        """`NAME in PLACE` for every secret that stands somewhere."""
        places = {**self.seen, "command lines": b"\n".join(self.command_lines)}
        whole = b"\0".join(places.values())
        leaked = [canary for canary in canaries if any(form in whole for form in canary.forms())]
        return [
            f"{canary.name} in {place}"
            for canary in leaked
            for place, data in places.items()
            if any(form in data for form in canary.forms())
        ]

    @contextmanager
    def sampling(self) -> Iterator[None]:
        """Meanwhile the command line of every process on this machine is read again and again."""
        over = threading.Event()
        thread = threading.Thread(target=self._sample, args=(over,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _sample(self, over: threading.Event) -> None:
        while not over.wait(0.02):
            for entry in Path("/proc").iterdir():
                if entry.name.isdigit():
                    try:
                        self.command_lines.add((entry / "cmdline").read_bytes())
                    except OSError:
                        continue

    @property
    def size(self) -> int:
        """Bytes that were looked through."""
        return sum(map(len, self.seen.values())) + sum(map(len, self.command_lines))


SHOW = """\
import hashlib, json, os
names = sorted(name for name in os.environb if name.startswith((b"CNY_", b"SOURCE_")))
print(json.dumps({name.decode(): hashlib.sha256(os.environb[name]).hexdigest() for name in names}))
"""


def received(log: str) -> dict[str, str]:
    """Name to digest, as a service told it."""
    return dict(json.loads(log.strip().splitlines()[-1]))
