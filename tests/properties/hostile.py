"""Specs with hostile text in every field that takes text, and what is left of them when the loader has refused its share."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from compose_core.errors import HpccError, SpecError
from compose_core.plan import Plan, PlanContext, build_plan
from compose_core.spec import load_spec

Spec = dict[str, Any]

NASTY = (
    "'", '"', "\\", "a\\", "a\\'b", "`touch canary`", "$(touch canary)", "${HOME}", "$HOME", "a;touch canary", "a|b", "a&b", "a\nb",
    "x\n#SBATCH --account=canary", "\n#SBATCH --nodes=7\n", "x\nHPC_COMPOSE_JOB\ntouch canary\n", "\nHPC_COMPOSE_SUPERVISOR\n",
    "# ---- job description (read by the supervisor) ----", "\n}\ntouch canary\n", "'; touch canary; '", '"; touch canary; "', "-rf", "--",
    "--account=canary", "%j", "%%", "a%", "~root", "~", "*", "?", "[a-z]", "{a,b}", "!!", "a=b", "=", "#", "a #b", " ", "  a  ", "\t",
    "a\tb", "\r", "a\rb", "\x1b[31m", "\x7f", "\x85", "\u2028", "\u202e", "\u200b", "ünï😀", "\ud7ff", "\uffff", "\x01", "{{ 7 }}",
    "{% raw %}", "@{first.host}", "@{first.port.http}", "@{", "null", "true", "1", "0x10", "1e3", "", "/hpc-compose/job/a b",
    "/hpc-compose/jobs", "a" * 3000, "$'\\n'", "\\n", "<<EOF", ">(x)", "&1", "a\x00b",
)  # fmt: skip

TEXT = st.one_of(
    st.sampled_from(NASTY),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12),
    st.lists(st.sampled_from(NASTY), min_size=2, max_size=3).map("".join),
)
ONE_LINE = TEXT.map(lambda text: re.sub("[\x00-\x1f\x7f-\x9f\u2028\u2029]", "", text)).filter(str.strip)
"""Most fields refuse control characters: with them nothing would be left to run."""
WORD = st.one_of(ONE_LINE, ONE_LINE, TEXT)
NAME = st.one_of(
    st.sampled_from(["app", "a-b", "a.b", "a_x2e_b", "x", "A", "my.app-2_x", "if", "0", "function"]),
    st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,20}", fullmatch=True),
)
VARIABLE = st.one_of(
    st.sampled_from(["A", "a", "IFS", "PS4", "BASH_ENV", "PATH", "HOME", "UID", "LANG", "TMOUT", "GLOBIGNORE", "POSIXLY_CORRECT"]),
    st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True),
)  # fmt: skip
IMAGES = {"pyxis": "registry.example.org/a:1", "enroot": "/images/a.sqsh", "apptainer": "/images/a.sif"}


def _some(fields: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[Spec]:
    return st.fixed_dictionaries({}, optional=fields)


def _job() -> st.SearchStrategy[Spec]:
    texts = (
        "job_name",
        "partition",
        "account",
        "qos",
        "constraint",
        "reservation",
        "licenses",
        "output",
        "error",
        "chdir",
    )
    return _some(
        dict.fromkeys(texts, WORD)
        | {"export": WORD, "cache_dir": WORD, "runtime_root": WORD, "gres": WORD, "setup": st.just([": setup"])}
        | {
            "artifacts": st.fixed_dictionaries(
                {"export_dir": WORD, "paths": st.lists(WORD.map("/hpc-compose/job/{}".format), min_size=1, max_size=2)}
            )
        }
    )


def _service(backend: str) -> st.SearchStrategy[Spec]:
    command = st.one_of(
        st.fixed_dictionaries({"command": st.lists(TEXT, min_size=1, max_size=4)}),
        st.fixed_dictionaries({"command": TEXT}),
        st.fixed_dictionaries({"script": TEXT}),
        st.fixed_dictionaries(
            {"entrypoint": st.lists(TEXT, min_size=1, max_size=2), "command": st.lists(TEXT, max_size=2)}
        ),
    )
    volume = st.builds("{}:{}".format, WORD, WORD.map(lambda text: f"/{text}"))
    optional: dict[str, st.SearchStrategy[Any]] = {
        "environment": st.dictionaries(VARIABLE, TEXT, max_size=3),
        "readiness": st.fixed_dictionaries({"type": st.just("log"), "pattern": WORD}),
        "x-slurm": _some({"extra_srun_args": st.lists(WORD.map(lambda text: f"--comment={text}"), max_size=2)}),
        "secrets": st.just(["KEY"]),
    }
    if backend != "host":
        optional |= {"volumes": st.lists(volume, max_size=2), "working_dir": WORD.map(lambda text: f"/{text}")}
    image = {} if backend == "host" else {"image": IMAGES[backend]}
    return st.builds(lambda run, more: {**image, **run, **more}, command, _some(optional))


@st.composite
def hostile_specs(draw: st.DrawFn) -> Spec:
    """One to three services on some backend; texts that stand for themselves, so `$` is doubled where it would be a variable."""
    backend = draw(st.sampled_from(["host", "host", "pyxis", "enroot", "apptainer"]))
    services = draw(st.dictionaries(NAME, _service(backend), min_size=1, max_size=3))
    spec: Spec = {"runtime": {"backend": backend}, "x-slurm": draw(_job()), "services": services}
    if draw(st.booleans()):
        spec["name"] = draw(WORD)
    if any("secrets" in service for service in services.values()):
        spec["secrets"] = {"KEY": draw(st.one_of(st.just({"env": "SOURCE"}), WORD.map(lambda text: {"file": text})))}
    literal: Spec = _literal(spec, ())
    return literal


def _literal(value: Any, path: tuple[str, ...]) -> Any:
    """Shell text is never interpolated; everything else is."""
    if isinstance(value, dict):
        return {key: _literal(item, (*path, key)) for key, item in value.items()}
    if isinstance(value, list):
        return [_literal(item, (*path, "#")) for item in value]
    is_shell = path[-1] in ("script", "command", "setup") if path[-1] != "#" else path[-2] == "setup"
    return value if is_shell else str(value).replace("$", "$$")


def yaml_text(value: Any) -> str:
    """`value` in YAML's flow form, every text in double quotes and ASCII."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{yaml_text(key)}: {yaml_text(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(yaml_text, value)) + "]"
    if not isinstance(value, str):
        return str(value).lower()
    return '"' + "".join(c if " " <= c <= "~" and c not in '"\\' else f"\\U{ord(c):08x}" for c in value) + '"'


def planned(spec: Spec, folder: Path, context: PlanContext) -> tuple[Plan | None, Spec, int]:
    """The plan of what is left when each text that is refused has been taken out, that rest, and how many texts were."""
    file = folder / "compose.yaml"
    for refused in range(12):
        file.write_text(yaml_text(spec), encoding="ascii")
        try:
            return build_plan(load_spec(file, variables={}), context), spec, refused
        except SpecError as error:
            places = [
                problem.where.key_path for problem in error.problems if problem.severity == "error" and problem.where
            ]
        except HpccError:
            return None, spec, refused + 1
        for place in sorted(places, reverse=True):  # the last item of a list first
            _take_out(spec, place)
        if not spec.get("services"):
            break
    return None, spec, 12


def _take_out(spec: Spec, place: str) -> None:
    """Remove what the key path names, as far as it can be followed; the command is replaced, because a service needs one."""
    node: Any = spec
    keys = _keys(node, place)
    for key in keys[:-1]:
        node = node[key]
    if not keys:
        return
    if isinstance(node, list) and not {"command", "entrypoint"} & set(keys):
        del node[keys[-1]]
    elif isinstance(node, list):
        node[keys[-1]] = "plain"
    elif keys[-1] in ("command", "script", "entrypoint"):
        for name in ("command", "script", "entrypoint"):
            node.pop(name, None)
        node["command"] = ["plain"]
    else:
        node.pop(keys[-1], None)


def _keys(node: Any, place: str) -> list[Any]:
    """The keys of a path such as `services.a.b.command[1]`; names may hold dots, so the tree says where each ends."""
    keys: list[Any] = []
    while place:
        if isinstance(node, list) and (match := re.match(r"\[(\d+)\]\.?", place)) and int(match[1]) < len(node):
            key: Any = int(match[1])
            place = place[match.end() :]
        elif isinstance(node, dict):
            fitting = [name for name in node if place == name or place.startswith((f"{name}.", f"{name}["))]
            if not fitting:
                break
            key = max(fitting, key=len)
            place = place[len(key) :].removeprefix(".")
        else:
            break
        keys.append(key)
        node = node[key]
    return keys
