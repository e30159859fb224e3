"""How Sphinx makes the documentation: of these pages, the docstrings, and the programs in examples/."""

import os
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # `experiments` and `validation` are in no wheel
os.environ["MPLBACKEND"] = "agg"

metadata = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
project = metadata["name"]
author = metadata["authors"][0]["name"]
copyright = f"2026, {author}"
release = version = metadata["version"]

extensions = ["matplotlib.sphinxext.plot_directive", "numpydoc", "sphinx.ext.autodoc", "sphinx.ext.mathjax"]
nitpicky = True
default_role = "literal"

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings have types, with shapes and units
numpydoc_show_class_members = False  # autodoc lists them
numpydoc_class_members_toctree = False

plot_basedir = str(ROOT / "examples")
plot_include_source = True
plot_html_show_source_link = False
plot_html_show_formats = False
plot_formats = [("png", 110)]
plot_rcparams = {"figure.figsize": (6.4, 4.0), "figure.constrained_layout.use": True}

html_theme = "furo"
html_title = f"{project} {release}"
html_copy_source = False

# What docstrings mention and these pages leave out: another package, and parts that a user has no business with.
nitpick_ignore_regex = [
    (r"py:func", r"scipy\..*"),
    (r"py:mod", r"commits|nets\.chain|nets\.layers\.resampled"),
    (r"py:class", r"nets\.layers\.(composition\.Composed|normalization\.Normalization)"),
    (r"py:data", r"nets\.primitives\..*"),
    (r"py:meth", r"second_order"),
]
