"""Plan → job script: all bash stands in `templates/`, every value passes through `quoting`."""

from compose_core.render.script import READABLE_PART_END, readable_part, render_script

__all__ = ["READABLE_PART_END", "readable_part", "render_script"]
