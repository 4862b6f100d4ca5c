from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from llmsearch_optuna.errors import ScorerError
from llmsearch_optuna.metrics import Metric, make_metric
from llmsearch_optuna.verdict.finalist_scores import corpus_scores, score_groups

REFERENCES = [{"answer": text} for text in ("a cat", "two dogs", "the mouse", "a bird")]
GOOD = ["a cat", "two dogs ran", "the mouse", "birds"]
POOR = ["a dog", "two cats", "no mouse at all", "a bird"]


class Counted:
    """A scorer that counts its calls."""

    def __init__(self, function: Any) -> None:
        self.calls = 0
        self._function = function

    def __call__(self, references: list[dict[str, str]], predictions: list[str]) -> Any:
        self.calls += 1
        return self._function(references, predictions)


def matches(references: list[dict[str, str]], predictions: list[str]) -> float:
    """A scorer as in llmsearch: it returns one number, a mean."""
    return float(np.mean([a["answer"] == b for a, b in zip(references, predictions, strict=True)]))


def spread(references: list[dict[str, str]], predictions: list[str]) -> float:
    return float(np.std([len(prediction) for prediction in predictions]))


def more_than_one(references: list[dict[str, str]], predictions: list[str]) -> float:
    if len(predictions) == 1:
        raise ValueError("one is too few")
    return matches(references, predictions)


def scored(metric: Metric, groups: Sequence[Sequence[str]] = (GOOD, POOR)) -> list[tuple[float, ...] | None]:
    return [scores.per_sample for scores in score_groups(metric, REFERENCES, single(groups), names=["good", "poor"])]


def single(groups: Sequence[Sequence[str]]) -> list[list[tuple[str, ...]]]:
    """Return completions of which every sample has one."""
    return [[(text,) for text in group] for group in groups]


def test_a_mean_is_taken_apart() -> None:
    scorer = Counted(matches)
    assert scored(make_metric(scorer)) == [(1.0, 0.0, 1.0, 0.0), (0.0, 0.0, 0.0, 1.0)]
    assert scorer.calls == 2 + 8


@pytest.mark.parametrize("function", [spread, more_than_one])
def test_what_is_no_mean_stays_whole(function: Any) -> None:
    assert scored(make_metric(function)) == [None, None]


def test_corpus_metrics_and_metrics_of_samples_are_called_once_a_group() -> None:
    assert scored(make_metric("bleu")) == [None, None]
    scorer = Counted(lambda references, predictions: [1.0] * len(predictions))
    assert scored(make_metric(scorer)) == [(1.0,) * 4] * 2
    assert scorer.calls == 2


def test_a_failing_scorer_names_the_group() -> None:
    def fragile(references: list[dict[str, str]], predictions: list[str]) -> list[float]:
        return [float("nan") if "all" in prediction else 1.0 for prediction in predictions]

    with pytest.raises(ScorerError, match=r"^poor cannot be scored: scorer .* returned nan for sample 12; scores must"):
        score_groups(
            make_metric(fragile), REFERENCES, single([GOOD, POOR]), names=["good", "poor"], sample_ids=[10, 11, 12, 13]
        )


@pytest.mark.parametrize("metric", ["bleu", "chrf", spread])
def test_corpus_scores_of_a_selection(metric: Any) -> None:
    made = make_metric(metric)
    indices = np.array([3, 3, 0, 1])
    expected = [made([REFERENCES[i] for i in indices], [texts[i] for i in indices]).value for texts in (GOOD, POOR)]
    assert corpus_scores(made, REFERENCES, [GOOD, POOR])(indices) == pytest.approx(expected)
