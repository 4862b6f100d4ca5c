"""The configuration of the documentation's site: ``sphinx-build -W -b html docs site``."""

import re
import shutil
from pathlib import Path

from sphinx.application import Sphinx

project = "llmsearch_optuna"
html_title = project
html_theme = "furo"
html_show_copyright = False
extensions = ["myst_parser"]
myst_heading_anchors = 4
html_extra_path = ["llms.txt"]

_SECTION = re.compile(r"^## (.+)\n\n((?:[- ] .+\n)+)", re.MULTILINE)
_PAGE = re.compile(r"^- \[.+?\]\((.+?)\.md\)", re.MULTILINE)


def add_toctrees(_: Sphinx, name: str, content: list[str]) -> None:
    """Make a table of contents from each section of the index, whose lists of links read well without Sphinx, too."""
    if name == "index":
        for section, pages in _SECTION.findall(content[0]):
            entries = "\n".join(_PAGE.findall(pages))
            content[0] += f"\n```{{toctree}}\n:hidden:\n:caption: {section}\n\n{entries}\n```\n"


def copy_sources(app: Sphinx, error: Exception | None) -> None:
    """Publish the Markdown of the pages beside them, as llms.txt links to it."""
    if error is None:
        for name in app.env.found_docs:
            shutil.copyfile(app.env.doc2path(name), Path(app.outdir, f"{name}.md"))


def setup(app: Sphinx) -> None:
    """Connect the functions to the build."""
    app.connect("source-read", add_toctrees)
    app.connect("build-finished", copy_sources)
