"""The report's benchmark."""

import json
from pathlib import Path

import pytest

from studies.benchmarks.browser import chromium_path
from studies.benchmarks.report import main


@pytest.mark.full
@pytest.mark.skipif(chromium_path() is None, reason="Chromium is not installed")
def test_it_measures_what_it_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--trials", "5", "--samples", "8", "--repeats", "1", "--json", str(tmp_path / "figures.json")]
    figures = main(arguments)
    assert json.loads((tmp_path / "figures.json").read_text()) == figures
    assert {"build_s", "megabytes", "open_s"} < figures.keys()
    assert all(value > 0 for value in figures.values())
    assert "open_s: " in capsys.readouterr().out
