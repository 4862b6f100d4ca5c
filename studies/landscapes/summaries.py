"""Make ``summaries.jsonl``, the data of the landscape *summaries*: documentation of numpy, and its one-line summary.

Usage: python -m studies.landscapes.summaries

The rows depend on the version of numpy, which `constraints.txt` pins. They are not in the repository, as they are
numpy's texts.
"""

from pathlib import Path

from studies.docstrings import write_rows

if __name__ == "__main__":
    write_rows(Path(__file__).with_suffix(".jsonl"), size=420, characters=500)
