"""What the command lines of the benchmarks have in common: ``--json``, and the file that it names."""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path

__all__ = ["make_parser", "write_figures"]


def make_parser(docstring: str | None) -> argparse.ArgumentParser:
    """Return a parser with the option ``--json``, described by the first line of a module's docstring."""
    parser = argparse.ArgumentParser(description=(docstring or "").partition("\n")[0])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to this file, as a JSON object")
    return parser


def write_figures(path: Path | None, figures: Mapping[str, object]) -> None:
    """Write the figures as JSON, if there is a path."""
    if path is not None:
        path.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
