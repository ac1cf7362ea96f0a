"""Compose files that follow the grammar most of the time, from a seed."""

from __future__ import annotations

import random
from typing import Any

from compose_core.spec.grammar import COMPOSE
from compose_core.spec.kinds import (
    Choice,
    Command,
    Either,
    Entry,
    Flag,
    Integer,
    ListOf,
    MapOf,
    Parsed,
    Section,
    Text,
    Typed,
)
from tests.properties.hostile import NASTY, yaml_text

WORDS = (
    "a",
    "app",
    "web",
    "x.y",
    "/data",
    "./out",
    "10",
    "3",
    "00:10:00",
    "4G",
    "true",
    "node[1-3]",
    "gpu:2",
    "KEY",
    "A=1",
    "http://h/x",
)
NAMES = ("app", "web", "a.b", "KEY", "lr", "bundle", "first", "x", "A_B", "-", "${X}", "a b", "ünï")
PIECES = (
    b"\0", b"\xff", b"\xc3", b"\t", b"\r", b": ", b"- ", b"*a", b"&a ", b"!!python/object:os.system ", b"<<: ", b"|\n", b"'", b'"',
    b"${", b"}", b"---\n", b"...", b"%YAML 9\n", b"\xef\xbb\xbf", b"\xe2\x80\xa8", b"? ", b"~", b"[" * 70, b"{" * 70, b"#", b"@", b"`",
)  # fmt: skip


class Maker:
    """Specs that follow the grammar most of the time."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def spec(self) -> bytes:
        """One compose file; one in three is damaged afterwards, one in forty is a bomb."""
        draw = self.random.random()
        if draw < 0.025:
            return self._bomb()
        text = yaml_text(self._compose()).encode()
        return self._damaged(text) if draw < 0.35 else text

    def _compose(self) -> dict[str, Any]:
        names = self.random.sample(NAMES[:4], self.random.randint(1, 3))
        services: dict[str, dict[str, Any]] = {name: {"command": ["run"]} for name in names}
        spec: dict[str, Any] = {"runtime": {"backend": "host"}, "services": services}
        job: dict[str, Any] = {}
        service = self.random.choice(list(services.values()))
        service_slurm: dict[str, Any] = {}
        targets = (
            (spec, COMPOSE.entries),
            (job, _entries(COMPOSE, "x-slurm")),
            (service, _service().entries),
            (service_slurm, _entries(_service(), "x-slurm")),
        )
        for _ in range(self.random.choice((0, 1, 1, 2, 3, 6))):
            target, entries = self.random.choice(targets)
            key = self.random.choice([name for name in entries if name not in ("services", "x-slurm", "steps")])
            target[key] = self._entry(entries[key], 0)
        if job:
            spec["x-slurm"] = job
        if service_slurm:
            service["x-slurm"] = service_slurm
        return spec

    def _entry(self, entry: Entry, depth: int) -> Any:
        if entry.example is not None and self.random.random() < 0.4:
            return entry.example
        return self._value(entry.kind, depth)

    def _value(self, kind: Any, depth: int) -> Any:
        draw = self.random
        if draw.random() < 0.06 or depth > 6:
            return draw.choice(
                (draw.choice(NASTY), [], {}, None, True, -1, 10**20, draw.choice(WORDS), ["x"], {"x": "y"})
            )
        if isinstance(kind, ListOf | MapOf | Either | Typed | Section):
            return self._composed(kind, depth)
        match kind:
            case Text():
                return kind.example or draw.choice((*WORDS, draw.choice(NASTY)))
            case Integer():
                return draw.choice((kind.minimum, kind.minimum + 1, kind.maximum or 7, "${N:-2}"))
            case Flag():
                return draw.random() < 0.5
            case Choice():
                return draw.choice(kind.values)
            case Parsed():
                return draw.choice(("10", "00:10:00", "4G", "1-00:00:00", 5, "512M", "1h"))
            case Command():
                return draw.choice(("run it", ["run", "it"], "a\nb\n", ["x", draw.choice(NASTY)]))
            case _:
                return draw.choice((draw.choice(NASTY), draw.choice(WORDS), {"A": "b"}, ["A=b"], 3, 0.5))

    def _composed(self, kind: ListOf | MapOf | Either | Typed | Section, depth: int) -> Any:
        draw = self.random
        match kind:
            case ListOf():
                return [self._value(kind.item, depth + 1) for _ in range(draw.randint(max(kind.at_least, 0), 3))]
            case MapOf():
                return {name: self._value(kind.value, depth + 1) for name in draw.sample(NAMES, draw.randint(1, 2))}
            case Either():
                return self._value(draw.choice((kind.plain, kind.mapping)), depth + 1)
            case Typed():
                name = draw.choice(list(kind.sections))
                return {**self._section(kind.sections[name], depth), "type": name}
            case Section():
                return self._section(kind, depth)

    def _section(self, section: Section, depth: int) -> dict[str, Any]:
        keys = [key for key, entry in section.entries.items() if entry.required or self.random.random() < 0.35]
        return {key: self._entry(section.entries[key], depth + 1) for key in keys}

    def _damaged(self, text: bytes) -> bytes:
        for _ in range(self.random.randint(1, 4)):
            at, end = sorted(self.random.randrange(len(text) + 1) for _ in range(2))
            end = min(end, at + 40)
            match self.random.randrange(5):
                case 0:
                    text = text[:at] + text[end:]
                case 1:
                    text = text[:at] + self.random.choice(PIECES) + text[at:]
                case 2:
                    text = text[:at] + bytes([self.random.randrange(256)]) + text[at + 1 :]
                case 3:
                    text = text[:at] + text[at:end] * 3 + text[end:]
                case _:
                    text = text[:at] + self.random.choice(NASTY).encode("utf-8", "surrogatepass") + text[at:]
            text = text or b" "
        return text

    def _bomb(self) -> bytes:
        size = self.random.choice((10, 1000, 20000))
        aliases = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12))
        bombs = (
            "a0: &a0 [x]\n" + aliases + "services: {app: {image: a, command: *a11}}\n",
            "services: &s {app: {image: a, environment: *s}}\n",
            "services: {app: {image: a, command: " + "[" * size + "]" * size + "}}\n",
            "services: {app: {image: a, environment: {" + ", ".join(f"V{n}: x" for n in range(size)) + "}}}\n",
            "services: {"
            + ", ".join(f"s{n}: {{image: a, depends_on: [s{(n + 1) % size}]}}" for n in range(min(size, 3000)))
            + "}\n",
            "services: {" + ", ".join(f"s{n}: {{imag: a}}" for n in range(size)) + "}\n",
            "services: {app: {image: a, command: ['" + "x" * (size * 40) + "']}}\n",
            "services: {app: {image: '" + "${A:-" * size + "x" + "}" * size + "'}}\n",
            "services: {app: {image: a, environment: {A: '" + "${B:-bbbbbbbbbb}" * min(size, 4000) + "'}}}\n",
            "services: {app: {image: a, readiness: {type: log, pattern: '" + "(a*)*" * min(size, 200) + "'}}}\n",
            "services: {app: {image: a, readiness: {type: log, pattern: '"
            + "(" * min(size, 900)
            + ")" * min(size, 900)
            + "'}}}\n",
            "x: &x {a: b}\nservices: {app: {image: a, environment: {" + "<<: [" + ", ".join(["*x"] * size) + "]}}}\n",
            "extends: compose.yaml\nservices: {app: {image: a}}\n",
            "services: {a: {extends: b}, b: {extends: a}}\n",
            "sweep: {parameters: {"
            + ", ".join(f"p{n}: {list(range(20))}" for n in range(min(size, 200)))
            + "}}\nservices: {app: {image: a}}\n",
            "sweep: {parameters: {p: {from: 1, to: 2, samples: 1000000000}}, max_trials: 2000000000}\n"
            "services: {app: {image: a, command: $p}}\n",
            "x-slurm: {array: 0-" + "9" * min(size, 900) + "}\nservices: {app: {image: a}}\n",
            "services: {app: {image: a, command: '" + "@{" * size + "'}}\n",
        )
        return self.random.choice(bombs).encode()


def _entries(section: Section, key: str) -> Any:
    inner = section.entries[key].kind
    assert isinstance(inner, Section)
    return inner.entries


def _service() -> Section:
    services = COMPOSE.entries["services"].kind
    assert isinstance(services, MapOf)
    assert isinstance(services.value, Section)
    return services.value
