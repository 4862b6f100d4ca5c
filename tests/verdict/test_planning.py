"""Plans of comparisons."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hand_made_studies import refused

from llmsearch_optuna.errors import ConfigurationError, MetricError
from llmsearch_optuna.metrics import make_metric
from llmsearch_optuna.verdict.output_files.line import Selection
from llmsearch_optuna.verdict.outputs import read_scores, score_outputs
from llmsearch_optuna.verdict.planning import Plan, Target, plan_from_numbers, plan_from_pilot


def pilot(path: Path, scores: np.ndarray[Any, Any], **columns: Any) -> Path:
    path.write_text(
        "\n".join(
            json.dumps({"id": number, "score": score, **{key: values[number] for key, values in columns.items()}})
            for number, of_sample in enumerate(scores.tolist())
            for score in of_sample
        )
    )
    return path


def test_two_numbers() -> None:
    plan = plan_from_numbers(Target(gain=0.03), baseline=0.62)
    assert plan.samples == 4041
    assert plan.sentence == "4,041 samples x 1 seed show a gain of 0.03 with a chance of 80 % (interval of 95 %)"
    assert "a correlation of 0 between both scores" in plan.assumptions[0]
    fewer = plan_from_numbers(Target(gain=0.03), baseline=0.62, agreement=0.9, seeds=4)
    assert fewer.samples < 600
    assert fewer.assumptions == (
        "assumed: scores 0 and 1, 0.62 on average for the baseline; the same score on 90 % of the samples",
        "assumed: half of the variance of a difference with one seed comes from the seed",
    )
    inverse = plan_from_numbers(Target(samples=4041), baseline=0.62)
    assert inverse.gain == pytest.approx(0.03, rel=1e-3)
    assert json.loads(json.dumps(inverse.to_dict()))["gain"] == inverse.gain
    none = plan_from_numbers(Target(samples=3), baseline=0.9)
    assert none.sentence == "3 samples x 1 seed show no possible gain with a chance of 80 % (interval of 95 %)"


def test_a_pilot(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    first = random.random((200, 1))
    second = first + random.normal(0.02, 0.1, (200, 2))
    files = pilot(tmp_path / "a", first), pilot(tmp_path / "b", second)

    def planned(target: Target, seeds: int | None = None) -> Plan:
        return plan_from_pilot(target, read_scores(*files, Selection()), seeds=seeds)

    plan = planned(Target(gain=0.01))
    assert plan.seeds == 2
    assert plan.samples == pytest.approx(7.85 * (0.1**2 / 2) / 0.01**2, rel=0.2)
    assert planned(Target(gain=0.01), 1).samples == pytest.approx(2 * plan.samples, rel=0.2)
    assert planned(Target(samples=plan.samples)).gain == pytest.approx(0.01, rel=1e-2)
    assert plan.assumptions[0].startswith("from the pilot: 200 samples x 2 seeds; the standard deviation of a")


def test_clusters_of_a_pilot(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    pages = [number // 10 for number in range(300)]
    first = random.random((300, 1))
    second = first + (random.normal(0.0, 0.1, 30)[pages] + random.normal(0.0, 0.1, 300))[:, None]
    files = pilot(tmp_path / "a", first, page=pages), pilot(tmp_path / "b", second, page=pages)
    alone, together = (
        plan_from_pilot(Target(gain=0.01), read_scores(*files, Selection(cluster=cluster)))
        for cluster in (None, "page")
    )
    assert together.samples > 2 * alone.samples
    assert "300 samples in 30 clusters x 1 seed" in together.assumptions[0]
    assert together.assumptions[1] == "assumed: the clusters of the samples to come have the same sizes"


def test_a_pilot_without_differences_still_needs_samples(tmp_path: Path) -> None:
    scores = np.ones((20, 1))
    files = pilot(tmp_path / "a", scores), pilot(tmp_path / "b", scores)
    assert plan_from_pilot(Target(gain=0.05), read_scores(*files, Selection())).samples > 20


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "give one of `gain` and `samples`: the other is computed"),
        ({"gain": 0.1, "samples": 9}, "give one of `gain` and `samples`: the other is computed"),
        ({"gain": 0.0}, "`gain` must be > 0, got 0.0"),
        ({"gain": math.nan}, "`gain` must be > 0, got nan"),
        ({"samples": 1}, "`samples` must be >= 2, got 1"),
        ({"gain": 0.1, "power": 1.0}, "`power` must be in [0.5, 1), got 1.0"),
        ({"gain": 0.1, "seeds": 0}, "`seeds` must be >= 1, got 0"),
        ({"gain": 0.1, "baseline": 62}, "`baseline` must be in (0, 1), the share of right answers, got 62"),
        ({"gain": 0.5}, "`baseline` + `gain` must be <= 1, got 0.6 + 0.5"),
        ({"gain": 0.1, "correlation": 2.0}, "`correlation` must be in [-1, 1], got 2.0"),
        ({"gain": 0.1, "agreement": -0.1}, "`agreement` must be in [0, 1], got -0.1"),
        (
            {"gain": 0.1, "agreement": 0.99},
            "the agreement must be in [0.3, 0.9], got 0.99, for scores of 0.6 and 0.7",
        ),
    ],
)
def test_wrong_numbers_are_refused(arguments: dict[str, Any], message: str) -> None:
    target = {key: arguments[key] for key in ("gain", "samples", "power") if key in arguments}
    others = {key: value for key, value in arguments.items() if key not in target}

    def plan() -> Plan:
        return plan_from_numbers(Target(**target), **{"baseline": 0.6, **others})

    assert refused(ConfigurationError, plan) == message


def test_wrong_pilots_are_refused(tmp_path: Path) -> None:
    files = pilot(tmp_path / "a", np.zeros((9, 2))), pilot(tmp_path / "b", np.ones((9, 3)))
    with pytest.raises(ConfigurationError, match=r"the same number of seeds, or one, got \(2, 3\)"):
        plan_from_pilot(Target(gain=0.1), read_scores(*files, Selection()))
    rows = [{"id": n, "prediction": "a b c d e", "reference": "a b c d e"} for n in range(4)]
    for path in files:
        path.write_text("\n".join(map(json.dumps, rows)))
    (scored,) = score_outputs(*files, [make_metric("bleu")], Selection(by_metric=True))
    with pytest.raises(MetricError, match="needs a metric that scores every sample, but bleu scores only a corpus"):
        plan_from_pilot(Target(gain=0.1), scored)
