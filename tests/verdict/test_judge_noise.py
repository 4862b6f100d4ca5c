"""Intervals hold with a noisy judge, and its share of the variance is what it is."""

import math
from typing import Any

import numpy as np
import pytest

from llmsearch_optuna.verdict.finalist_scores import FinalistScores
from llmsearch_optuna.verdict.judge_noise import JudgedText, noise_share
from llmsearch_optuna.verdict.judging import judge
from llmsearch_optuna.verdict.verdict import Verdict

SAMPLES, SEEDS = 48, 2


def finalist(name: str, random: np.random.Generator, quality: Any, noise: float, repeats: int) -> FinalistScores:
    """A finalist whose completions differ by seed, each judged `repeats` times with noise."""
    true = quality[:, None] + random.normal(0.0, 0.3, (SAMPLES, SEEDS))
    judged = true[..., None] + random.normal(0.0, noise, (SAMPLES, SEEDS, repeats))
    texts = {}
    if repeats > 1:
        variances = judged.var(axis=-1, ddof=1) / repeats
        texts = {
            f"{name} {index}": JudgedText(1.0 / (SAMPLES * SEEDS), float(variance))
            for index, variance in enumerate(variances.ravel())
        }
    return FinalistScores(name=name, scores=judged.mean(axis=-1), judge_noise=texts)


def verdict(finalists: list[FinalistScores]) -> Verdict:
    return judge(
        finalists,
        best="best",
        reference="greedy",
        metric="judge",
        greater_is_better=True,
        held_out=True,
        samples=SAMPLES,
    )


@pytest.mark.parametrize(("noise", "repeats"), [(0.0, 1), (0.5, 1), (2.0, 1), (2.0, 3), (2.0, 8)])
def test_the_interval_covers_the_gain_with_any_noise_of_the_judge(noise: float, repeats: int) -> None:
    random = np.random.default_rng(0)
    studies, gain, hits = 400, 0.2, 0
    for _ in range(studies):
        quality = random.normal(3.0, 1.0, SAMPLES)
        better = quality + gain + random.normal(0.0, 0.3, SAMPLES)
        result = verdict(
            [
                finalist("greedy", random, quality, noise, repeats),
                finalist("best", random, better, noise, repeats),
            ]
        ).comparisons[0]
        hits += result.low <= gain <= result.high
    assert hits / studies >= 0.95 - 2.6 * math.sqrt(0.05 * 0.95 / studies)


@pytest.mark.parametrize("noise", [0.1, 0.5, 2.0])
def test_the_share_is_that_of_the_true_variances(noise: float) -> None:
    random, repeats = np.random.default_rng(1), 3
    shares = []
    for _ in range(30):
        quality = random.normal(3.0, 1.0, SAMPLES)
        better = quality + random.normal(0.0, 0.3, SAMPLES)
        result = verdict(
            [
                finalist("greedy", random, quality, noise, repeats),
                finalist("best", random, better, noise, repeats),
            ]
        )
        assert result.judge_share is not None
        shares.append(result.judge_share)
    of_judge = 2.0 * noise**2 / repeats / SEEDS
    others = 0.3**2 + 2.0 * 0.3**2 / SEEDS
    assert np.mean(shares) == pytest.approx(of_judge / (of_judge + others), abs=0.08)


def test_a_judgement_that_both_finalists_have_is_no_noise() -> None:
    text = JudgedText(0.5, 0.04)
    assert noise_share({"a": text}, {"a": text}, 0.1) == 0.0
    assert noise_share({"a": text}, {"b": text}, 1.0) == pytest.approx(2 * 0.25 * 0.04)
    assert noise_share({"a": JudgedText(1.0, 0.04)}, {}, 1.0) == pytest.approx(0.04)
    assert noise_share({"a": text}, {}, 0.01) == 1.0
    assert noise_share({"a": text}, {}, 0.0) == 0.0
    assert noise_share({}, {}, 1.0) is None
