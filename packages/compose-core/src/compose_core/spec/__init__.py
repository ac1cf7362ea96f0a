"""From the text of a compose file to a ComposeSpec, in named passes; `load_spec` is the door.

1. `yaml_tree`: YAML 1.2 to a tree with positions, within limits
2. `inheritance`: `extends`, `steps`
3. `interpolation`: variables, from a sweep, the environment and `.env`
4. `unsupported_keys`: unknown keys, with what to write instead
5. `shorthand`: one canonical shape for every thing, `env_file`
6. `typing_pass`: values of the right type, by the tables of `grammar`
7. `rules`: what keys mean to each other
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from compose_core.spec.loaded import LoadedSpec

if TYPE_CHECKING:
    from compose_core.spec.loading import load_spec

__all__ = ["LoadedSpec", "load_spec"]


def __getattr__(name: str) -> Any:
    """The passes are imported when a file is loaded: who only reads the models pays nothing for them."""
    if name == "load_spec":
        from compose_core.spec.loading import load_spec

        return load_spec
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
