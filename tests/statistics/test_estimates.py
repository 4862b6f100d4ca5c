import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmsearch_optuna.statistics.estimates import (
    MeanEstimates,
    posterior,
    regress,
    regression_estimates,
    shrunk_means,
)
from llmsearch_optuna.statistics.regression import ridge_weights

Floats = npt.NDArray[np.float64]


def simulated(seed: int, population: int = 96) -> tuple[Floats, Floats]:
    """Scores of 8 complete and 30 other candidates, and the chance of each to be right on each sample."""
    random = np.random.default_rng(seed)
    ease = random.normal(0.0, 1.5, population)
    skill = random.normal(0.0, 0.7, (38, 1))
    chances = 1 / (1 + np.exp(-ease - skill - random.normal(0.0, 0.5, (38, population))))
    scores = (random.random((38, population)) < chances).astype(float)
    return scores[:8], scores[8:]


def test_estimates_are_nearer_to_the_truth_than_running_means_and_rank_better() -> None:
    errors: list[tuple[float, float]] = []
    ranks: list[tuple[float, float]] = []
    for seed in range(20):
        complete, others = simulated(seed)
        seen = np.random.default_rng(seed).choice([8, 16, 32], len(others))
        partial = [scores[:size] for scores, size in zip(others, seen, strict=True)]
        truth, running = others.mean(1), np.array([scores.mean() for scores in partial])
        estimates = shrunk_means(partial, complete)
        errors.append((float(((estimates - truth) ** 2).mean()), float(((running - truth) ** 2).mean())))
        ranks.append((float(np.corrcoef(estimates, truth)[0, 1]), float(np.corrcoef(running, truth)[0, 1])))
    ours, plain = np.mean(errors, axis=0)
    assert ours < 0.5 * plain
    ours, plain = np.mean(ranks, axis=0)
    assert ours > plain


def test_what_is_known_is_not_shrunk_and_what_differs_by_chance_is() -> None:
    complete, others = simulated(1)
    estimates = shrunk_means([others[0], others[1][:8]], complete)
    assert estimates[0] == pytest.approx(others[0].mean())
    assert estimates[1] != pytest.approx(others[1][:8].mean())
    random = np.random.default_rng(0)
    equal = [(random.random(8) < 0.5).astype(float) for _ in range(40)]
    assert shrunk_means(equal, (random.random((3, 400)) < 0.5).astype(float)).std() < 0.1 * np.std(
        [scores.mean() for scores in equal]
    )


def test_easy_samples_do_not_count_as_skill() -> None:
    """The first eight samples are easy for all candidates."""
    complete = np.repeat([[1.0, 0.0], [1.0, 0.25]], [8, 40], axis=1)
    (estimate,) = shrunk_means([np.ones(8)], complete)
    assert estimate < 0.75


def one_by_one(partial: list[Floats], complete: Floats) -> Floats:
    """`shrunk_means` with the equations of every candidate on its own."""
    means, squares, seen = np.empty(len(partial)), 0.0, np.array(list(map(len, partial)))
    for index, scores in enumerate(partial):
        weights, first = ridge_weights(scores, complete), complete[:, : len(scores)]
        means[index] = scores.mean() + weights @ (complete.mean(axis=1) - first.mean(axis=1))
        residuals = scores - scores.mean() - weights @ (first - first.mean(axis=1)[:, None])
        squares += residuals @ residuals
    variances = squares / (seen - 1).sum() / seen * (1.0 - seen / complete.shape[1])
    every = np.concatenate([complete.mean(axis=1), means])
    between = max(float(every.var() - variances.sum() / len(every)), 0.0)
    return posterior(MeanEstimates(means, variances), every.mean(), between).means


@pytest.mark.parametrize("count", [1, 2, 64])
def test_candidates_that_share_equations_are_estimated_bit_by_bit_as_alone(count: int) -> None:
    """Proposals depend on every bit of the estimates: a study must propose the same as before."""
    random = np.random.default_rng(count)
    complete = random.random((count, 96))
    partial = [random.random(size) for size in (8, 16, 8, 96, 8, 40, 16)]
    assert shrunk_means(partial, complete).tolist() == one_by_one(partial, complete).tolist()


def test_only_the_last_64_complete_candidates_are_covariates() -> None:
    """The order of the scores of a candidate has no effect if only its mean counts."""
    random = np.random.default_rng(0)
    complete, partial = random.integers(0, 2, (65, 96)).astype(float), [random.random(size) for size in (8, 16)]
    for number, has_effect in ((0, False), (1, True)):
        changed = complete.copy()
        changed[number] = changed[number, ::-1]
        is_same = shrunk_means(partial, changed).tolist() == shrunk_means(partial, complete).tolist()
        assert is_same != has_effect


@given(
    st.lists(st.lists(st.floats(0, 1), min_size=1, max_size=12), min_size=1, max_size=5),
    st.lists(st.lists(st.floats(0, 1), min_size=12, max_size=12), min_size=1, max_size=3),
    st.floats(0.1, 10),
    st.floats(-5, 5),
)
def test_units_do_not_matter_and_estimates_are_finite(
    partial: list[list[float]], complete: list[list[float]], scale: float, shift: float
) -> None:
    estimates = shrunk_means(partial, complete)
    assert np.isfinite(estimates).all()
    others = shrunk_means([scale * np.array(scores) + shift for scores in partial], scale * np.array(complete) + shift)
    assert others == pytest.approx(scale * estimates + shift, abs=1e-3)


def test_errors_of_regression_estimates_have_half_the_stated_variance() -> None:
    """Their variances are doubled on purpose."""
    ratios = []
    for seed in range(40):
        complete, others = simulated(seed)
        seen = np.random.default_rng(seed).choice([8, 16, 32, 64], len(others))
        partial = [scores[:size] for scores, size in zip(others, seen, strict=True)]
        means, variances = regression_estimates(regress(partial, complete), population=96, scale=1.0)
        ratios.append(((means - others.mean(1)) ** 2 / variances).mean())
    assert 0.35 < np.mean(ratios) < 0.65


def test_regression_estimates_of_complete_candidates_are_exact() -> None:
    complete, others = simulated(0)
    regressions = regress([others[0], others[1][:8]], complete)
    means, variances = regression_estimates(regressions, population=96, scale=1.0)
    assert means[0] == others[0].mean()
    assert variances[0] == 0.0 < variances[1]


def test_a_candidate_is_estimated_alike_alone_and_in_company() -> None:
    complete, others = simulated(0)
    partial = [scores[:size] for scores, size in zip(others, [8, 16, 8, 24, 16], strict=False)]
    together = np.array(regress(partial, complete))
    alone = [np.array(regress([scores], complete))[:, 0] for scores in partial]
    assert together == pytest.approx(np.array(alone).T, rel=1e-12)
