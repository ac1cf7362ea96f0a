"""From the text of a compose file to a ComposeSpec, in named passes; `load_spec` is the door."""

from compose_core.spec.loaded import LoadedSpec

__all__ = ["LoadedSpec"]
