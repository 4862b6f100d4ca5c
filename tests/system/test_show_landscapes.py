"""What the recorded landscapes have to find, and the page that shows it."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from llmsearch_optuna import Float, SearchSpace
from studies.benchmarks.landscape import Configuration, Landscape
from studies.benchmarks.places import NAMES
from studies.benchmarks.show_landscapes import main, summary

pytestmark = [pytest.mark.full, pytest.mark.no_cover]

PAGE = Path(__file__).parents[2] / "docs" / "what_to_tune.md"


def landscape_of(*rows: list[float]) -> Landscape:
    """A landscape whose first two configurations are the baselines."""
    names = ["model default", "greedy", *[None] * (len(rows) - 2)]
    return Landscape(
        space=SearchSpace(temperature=Float(0.1, 1.0), max_new_tokens=4),
        greater_is_better=True,
        configurations=tuple(Configuration(number, name, {}, {}) for number, name in enumerate(names)),
        rows=np.arange(len(rows[0])),
        scores=np.array(rows),
        tokens=np.ones((len(rows), len(rows[0])), dtype=np.int64),
        about={},
    )


def test_a_gain_on_every_sample_is_the_gain() -> None:
    result = summary(landscape_of([0.0] * 8, [0.25] * 8, [0.5] * 8, [0.125] * 8, [0.25] * 8))
    assert result == (3, 8, 0.25, 0.25, 0.5, 1, 0.25)


def test_a_baseline_that_is_best_leaves_nothing_to_gain() -> None:
    assert summary(landscape_of([1.0] * 8, [0.0] * 8, [0.5] * 8)).gain == 0.0


def test_the_best_of_equals_gains_nothing_on_other_samples() -> None:
    scores = np.random.default_rng(0).permuted(np.tile(np.arange(100) % 2, (40, 1)), axis=1).astype(float)
    result = summary(landscape_of(*scores.tolist()))
    assert result.best == result.baseline == 0.5
    # What is better on one half is worse on the other one, as all means are equal.
    assert -0.3 < result.gain < 0.0


def test_the_page_shows_the_figures(tmp_path: Path) -> None:
    figures = main(["--json", str(tmp_path / "figures.json")])
    assert json.loads((tmp_path / "figures.json").read_text(encoding="utf-8")) == figures
    text = PAGE.read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)`: [^|]+\| (\d+) x (\d+) \| (.+) \|$", text, re.MULTILINE)
    assert [row[0] for row in rows] == list(NAMES)
    for name, configurations, samples, cells in rows:
        values = dict(
            zip(("baseline", "median", "best", "better", "gain"), map(float, cells.split(" | ")), strict=True)
        )
        values |= {"configurations": float(configurations), "samples": float(samples)}
        shown = {key.removeprefix(f"{name}_"): value for key, value in figures.items() if key.startswith(f"{name}_")}
        assert values == pytest.approx(shown, abs=0.0006)
