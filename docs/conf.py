"""How the documentation site is built: ``tox -e docs``, or ``sphinx-build -W --keep-going -n docs build/site``."""

from __future__ import annotations

import sys
from pathlib import Path

import zorivest_async

sys.path.insert(0, str(Path(__file__).with_name("site")))

project = "zorivest-async"
author = project_copyright = "The zorivest-async authors"
version = release = zorivest_async.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "site_links", "site_reference"]
exclude_patterns = ["site"]
nitpicky = True
add_module_names = False
toc_object_entries_show_parents = "hide"
smartquotes_action = "D"  # dashes alone: quotation marks are code

highlight_language = "text"  # of blocks that name no language: commands and drawings
pygments_style = "friendly"
pygments_dark_style = "github-dark"

html_theme = "furo"
html_title = "zorivest-async"
html_favicon = "../examples/journal_web/static/icon.svg"
html_static_path = ["site/static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False

myst_heading_anchors = 3  # as a code host makes them

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True  # as they are written: 20 * 1024 * 1024
maximum_signature_line_length = 88
napoleon_numpy_docstring = False
napoleon_use_rtype = False
