"""The files of a release agree with the package."""

import re
from pathlib import Path

import yaml

from llmsearch_optuna import __version__

ROOT = Path(__file__).parents[2]


def test_the_citation_names_the_version_that_comes_next() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == re.sub(r"\.dev\d+$", "", __version__)


def test_only_the_step_that_publishes_may_ask_for_a_token() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8"))
    assert workflow["permissions"] == {"contents": "read"}
    assert [name for name, job in workflow["jobs"].items() if "permissions" in job] == ["publish"]
    assert workflow["jobs"]["publish"]["permissions"] == {"id-token": "write"}
    assert workflow["jobs"]["publish"]["needs"] == "build"


def test_the_image_of_a_worker_copies_what_there_is() -> None:
    """Docker is not needed: what is copied must exist and must not be ignored."""
    copied = re.findall(r"^COPY (.+) \S+$", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    names = [name for line in copied for name in line.split()]
    kept = re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(names) == sorted(kept)
    assert all((ROOT / name).exists() for name in names)
