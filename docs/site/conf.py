"""How Sphinx makes the site; `nox -s docs` calls it with the staged pages."""

from __future__ import annotations

project = "hpccompose"
author = "The hpccompose developers"
copyright = author  # noqa: A001  (the name that Sphinx asks for)
extensions = ["myst_parser"]
nitpicky = True

myst_heading_anchors = 4
myst_enable_extensions = ["deflist"]

html_theme = "furo"
html_title = "hpccompose"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_show_copyright = False
html_show_sphinx = False
html_copy_source = False
html_theme_options = {"top_of_page_buttons": []}
