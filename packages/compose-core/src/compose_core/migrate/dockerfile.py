"""A simple Dockerfile as the preparation of an image: FROM, RUN, ENV, ARG, COPY, WORKDIR, CMD, ENTRYPOINT, EXPOSE."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field

from compose_core.migrate.notes import Notes
from compose_core.spec.nodes import KeyPath, Mark

_INSTRUCTION = re.compile(r"\s*(?P<name>[A-Za-z]+)\s+(?P<rest>.*)", re.DOTALL)
_FLAG = re.compile(r"--[a-z]+(?:=\S+)?\s+")
_HEREDOC = re.compile(r"<<-?[\"']?(?P<word>[A-Za-z_][A-Za-z0-9_]*)")
_VARIABLE = re.compile(r"(?<!\\)\$(?:\{(?P<braced>\w+)(?::-(?P<default>[^}]*))?\}|(?P<plain>\w+))")
_NOTHING = frozenset({"LABEL", "MAINTAINER", "STOPSIGNAL", "VOLUME"})
_BY_HAND = {
    "USER": "commands and services run as the user who submits",
    "SHELL": "commands run in /bin/sh",
    "ONBUILD": "nothing is built from this image",
    "HEALTHCHECK": "write `readiness:` for the service",
}


@dataclass(frozen=True)
class Instruction:
    """One instruction of a Dockerfile, its lines joined."""

    name: str
    text: str
    line: int


@dataclass
class Recipe:
    """What a Dockerfile says, as far as a preparation can say it, too."""

    image: str | None = None
    commands: list[str] = field(default_factory=list)
    runs: int = 0
    """So many of the commands are RUNs; the others make folders."""
    environment: dict[str, str] = field(default_factory=dict)
    """Of the image: the services have it, too."""
    arguments: dict[str, str] = field(default_factory=dict)
    """Of the build alone."""
    copies: list[Copy] = field(default_factory=list)
    working_dir: str | None = None
    command: list[str] | str | None = None
    entrypoint: list[str] | str | None = None
    ports: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Copy:
    """A file or folder of the build context, and where it is in the image."""

    source: str
    target: str
    line: int
    commands_before: int
    """So many commands stand before it: one that stands before a RUN is needed while the image is prepared."""


def instructions(text: str) -> list[Instruction]:
    """The instructions in their order; comments, continued lines and here-documents are taken care of."""
    found: list[Instruction] = []
    lines = text.splitlines()
    at = 0
    while at < len(lines):
        start = at
        parts: list[str] = []
        while at < len(lines):
            line = lines[at].rstrip()
            at += 1
            if line.lstrip().startswith("#") or not line.strip():
                start += not parts
                continue
            parts.append(line.removesuffix("\\").strip())
            if not line.endswith("\\"):
                break
        match = _INSTRUCTION.match(" ".join(part for part in parts if part))
        if match is None:
            continue
        rest = match["rest"]
        for opened in _HEREDOC.finditer(rest):
            body: list[str] = []
            while at < len(lines) and lines[at].strip() != opened["word"]:
                body.append(lines[at])
                at += 1
            at += 1
            rest = "\n".join([rest, *body, opened["word"]])
        found.append(Instruction(match["name"].upper(), rest, start + 1))
    return found


def read_recipe(text: str, file: str, path: KeyPath, notes: Notes, *, arguments: Mapping[str, str]) -> Recipe:
    """The recipe of a Dockerfile's last stage; what it cannot say is noted."""
    reader = _Reader(file, path, notes, arguments)
    for instruction in instructions(text):
        reader.take(instruction)
    return reader.recipe


class _Reader:
    def __init__(self, file: str, path: KeyPath, notes: Notes, arguments: Mapping[str, str]) -> None:
        self._file, self._path, self._notes, self._given = file, path, notes, arguments
        self._stages: dict[str, str] = {}
        self._before_from: dict[str, str] = {}
        self.recipe = Recipe()

    def take(self, one: Instruction) -> None:
        method = getattr(self, f"_{one.name.lower()}", None)
        if method is not None:
            method(one)
        elif one.name in _BY_HAND:
            self._manual(one, f"{one.name} is left out: {_BY_HAND[one.name]}")
        elif one.name not in _NOTHING:
            self._manual(one, f"{one.name} is not known and left out")

    def _manual(self, one: Instruction, message: str) -> None:
        self._notes.manual(Mark(self._file, one.line, 1), self._path, message)

    def _changed(self, one: Instruction, message: str) -> None:
        self._notes.changed(Mark(self._file, one.line, 1), self._path, message)

    def _filled(self, text: str) -> str:
        known = {**self._before_from, **self.recipe.arguments, **self.recipe.environment}

        def value(match: re.Match[str]) -> str:
            name = match["braced"] or match["plain"]
            return known.get(name) or match["default"] or ("" if name in known else match[0])

        return _VARIABLE.sub(value, text)

    def _from(self, one: Instruction) -> None:
        words = self._filled(_FLAG.sub("", one.text)).split()
        image = words[0] if words else "scratch"
        if self.recipe.image is not None:
            self._manual(one, "the Dockerfile has several stages: only the last one is proposed")
        self.recipe = Recipe(image=self._stages.get(image.lower(), image))
        if image.lower() in self._stages:
            self._manual(one, f"the stage builds on stage {image}, whose commands are not proposed")
        if len(words) == 3 and words[1].upper() == "AS":
            self._stages[words[2].lower()] = self.recipe.image or image
        if image == "scratch":
            self._manual(one, "an image from scratch cannot be prepared: push the image to a registry and name it")
            self.recipe.image = None

    def _arg(self, one: Instruction) -> None:
        name, _, default = one.text.strip().partition("=")
        value = self._given.get(name, self._filled(default.strip("\"'")))
        (self._before_from if self.recipe.image is None else self.recipe.arguments)[name] = value

    def _env(self, one: Instruction) -> None:
        first, _, rest = one.text.strip().partition(" ")
        if "=" not in first:
            self.recipe.environment[first] = self._filled(rest.strip())
            return
        for word in _words(one.text):
            name, _, value = word.partition("=")
            filled = self._filled(value)
            if _VARIABLE.search(filled):
                self._manual(one, f"ENV {word} is left out: a variable of the image cannot be filled in")
            else:
                self.recipe.environment[name] = filled

    def _run(self, one: Instruction) -> None:
        text = _FLAG.sub("", one.text) if one.text.startswith("--") else one.text
        while text.startswith("--"):
            text = _FLAG.sub("", text, count=1)
        if text != one.text:
            self._changed(one, "the options of RUN are left out: there is no build cache to mount")
        listed = _exec_form(text)
        command = shlex.join(listed) if listed is not None else text.strip()
        folder = self.recipe.working_dir
        if folder:
            is_simple = not re.search(r"[;|\n]", command)
            command = f"cd {shlex.quote(folder)} && {command if is_simple else f'({command})'}"
        self.recipe.commands.append(command)
        self.recipe.runs += 1

    def _workdir(self, one: Instruction) -> None:
        folder = self._filled(one.text.strip().strip("\"'"))
        base = self.recipe.working_dir or "/"
        self.recipe.working_dir = folder if folder.startswith("/") else f"{base.rstrip('/')}/{folder}"
        self.recipe.commands.append(f"mkdir -p {shlex.quote(self.recipe.working_dir)}")

    def _copy(self, one: Instruction) -> None:
        if "--from=" in one.text:
            self._manual(one, f"{one.name} from another stage is left out: {one.text.strip()}")
            return
        text = one.text
        while text.lstrip().startswith("--"):
            text = _FLAG.sub("", text.lstrip(), count=1)
        words = [self._filled(word) for word in (_exec_form(text) or _words(text))]
        if len(words) < 2 or "<<" in text:
            self._manual(one, f"{one.name} is left out: {shorter(one.text)}")
            return
        for source in words[:-1]:
            self._one_copy(one, source, words[-1], is_folder=len(words) > 2)

    _add = _copy

    def _one_copy(self, one: Instruction, source: str, target: str, *, is_folder: bool) -> None:
        if source.startswith(("http://", "https://", "git@")) or re.search(r"[*?\[]", source):
            self._manual(one, f"{one.name} {source} is left out: fetch or list the files by hand")
            return
        base = self.recipe.working_dir or ""
        is_folder = is_folder or target.endswith("/") or target in {".", "./"}
        full = target if target.startswith("/") else f"{base}/{target.removeprefix('./')}"
        full = full.removesuffix("/.").rstrip("/") or "/"
        name = source.rstrip("/").rpartition("/")[2]
        self.recipe.copies.append(
            Copy(source, full if not is_folder else f"{full.rstrip('/')}/?{name}", one.line, len(self.recipe.commands))
        )

    def _cmd(self, one: Instruction) -> None:
        self.recipe.command = _exec_form(one.text) or one.text.strip()

    def _entrypoint(self, one: Instruction) -> None:
        self.recipe.entrypoint = _exec_form(one.text) or one.text.strip()

    def _expose(self, one: Instruction) -> None:
        for word in self._filled(one.text).split():
            port = word.partition("/")[0]
            if port.isdecimal():
                self.recipe.ports.append(int(port))


def shorter(text: str) -> str:
    """A line of at most 80 characters for a message."""
    line = " ".join(text.split())
    return line if len(line) <= 80 else f"{line[:77]}…"


def _exec_form(text: str) -> list[str] | None:
    """The words of `["a", "b"]`; None for the shell form."""
    if not text.strip().startswith("["):
        return None
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return [str(word) for word in found] if isinstance(found, list) else None


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()
