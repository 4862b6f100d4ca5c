"""The paired pruner: its guarantee in simulations, and its decisions in any Optuna study."""

import pickle
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from laws import scaled
from optuna.trial import FrozenTrial, TrialState, create_trial
from tiers import partly_full

from llmsearch_optuna import PairedPruner, report_scores
from llmsearch_optuna.errors import ConfigurationError, TrialError

Floats = npt.NDArray[np.float64]
Direction = Literal["maximize", "minimize"]

STUDIES = 2000
PEEKS = 8


class Pair(NamedTuple):
    """Scores of two configurations. Shapes: (population,)."""

    incumbent: Floats
    candidate: Floats


def equal_pair(kind: str, population: int, correlation: float) -> Pair:
    """Scores of two configurations with exactly the same mean: some of the scores are permuted."""
    random = np.random.default_rng(population)
    if kind == "binary":
        scores = (np.arange(population) < 0.6 * population).astype(float)
    else:
        scores = random.beta(2.0, 1.5, population)
    candidate = scores.copy()
    dealt = random.permutation(population)[: round((1 - correlation) * population)]
    candidate[dealt] = candidate[random.permutation(dealt)]
    return Pair(scores, candidate)


def in_random_orders(pair: Pair, studies: int) -> Pair:
    """Shapes: (studies, population)."""
    orders = np.random.default_rng(1).permuted(np.tile(np.arange(len(pair.candidate)), (studies, 1)), axis=1)
    return Pair(pair.incumbent[orders], pair.candidate[orders])


def binary_pairs(first: float, second: float, correlation: float, shape: tuple[int, int]) -> Pair:
    covariance = correlation * np.sqrt(first * (1 - first) * second * (1 - second))
    both = first * second + covariance
    kinds = np.random.default_rng(0).choice(
        4, size=shape, p=[both, first - both, second - both, 1 - first - second + both]
    )
    return Pair(np.array([1.0, 1.0, 0.0, 0.0])[kinds], np.array([1.0, 0.0, 1.0, 0.0])[kinds])


def pruned_at(pruner: PairedPruner, studies: Pair) -> Floats:
    """The number of samples after which each candidate is pruned, checked every 8 samples; inf if never."""
    shown = pruner.shown_not_better(
        studies.candidate,
        incumbent=studies.incumbent.mean(1),
        covariates=studies.incumbent[:, None],
        low=0.0,
        high=1.0,
    )
    peeks = np.arange(PEEKS, studies.candidate.shape[1], PEEKS)
    return np.where(shown[:, peeks - 1].any(1), peeks[shown[:, peeks - 1].argmax(1)], np.inf)


# The guarantee.


@pytest.mark.parametrize("population", partly_full([96, 400], fast=[96]))
@pytest.mark.parametrize("correlation", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("kind", ["binary", "continuous"])
def test_equal_configurations_are_hardly_ever_pruned(kind: str, correlation: float, population: int) -> None:
    studies = in_random_orders(equal_pair(kind, population, correlation), STUDIES)
    wrong = np.isfinite(pruned_at(PairedPruner(), studies)).mean()
    assert wrong <= 0.05
    if correlation < 0.9:
        assert np.isfinite(pruned_at(PairedPruner(0.5), studies)).mean() > wrong  # a higher level prunes more


@pytest.mark.full
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_a_repeated_wilcoxon_test_prunes_more_of_them_than_its_level() -> None:
    """The reason for this pruner: the error of Optuna's Wilcoxon pruner at a level of 10 %."""
    studies = in_random_orders(equal_pair("continuous", 400, 0.3), 40)
    pruner = optuna.pruners.WilcoxonPruner(p_threshold=0.1)
    pruned = 0
    for incumbent, candidate in zip(*studies, strict=True):
        study = make_study(pruner)
        study.add_trial(create_trial(value=incumbent.mean(), intermediate_values=dict(enumerate(incumbent))))
        pruned += any(
            pruner.prune(
                study,
                create_trial(state=TrialState.RUNNING, intermediate_values=dict(enumerate(candidate[:seen]))),
            )
            for seen in range(16, 400, 16)
        )
    assert pruned / 40 > 0.25


@pytest.mark.full
def test_the_level_holds_in_whole_studies() -> None:
    """Ten equal configurations in turn on one order of samples. Those that are not pruned become incumbents."""
    population, trials = 96, 10
    random = np.random.default_rng(3)
    base = (np.arange(population) < 0.6 * population).astype(float)
    configurations = np.array([random.permutation(base) for _ in range(trials)])
    orders = np.random.default_rng(1).permuted(np.tile(np.arange(population), (STUDIES, 1)), axis=1)
    scores = configurations[:, orders]
    complete = np.zeros((trials, STUDIES), dtype=bool)
    complete[0] = True
    pruner = PairedPruner()
    for number in range(1, trials):
        counts = complete[:number].sum(0)
        for count in np.unique(counts):
            alike = np.flatnonzero(counts == count)
            survivors = np.argsort(~complete[:number, alike], axis=0, kind="stable")[:count]
            shown = pruner.shown_not_better(
                scores[number, alike],
                incumbent=np.full(len(alike), base.mean()),
                covariates=scores[survivors, alike].swapaxes(0, 1),
                low=0.0,
                high=1.0,
            )
            complete[number, alike] = ~shown[:, PEEKS - 1 : -1 : PEEKS].any(1)
    assert (1 - complete[1:].mean(1)).max() <= 0.05


def test_worse_configurations_are_pruned_early() -> None:
    pruned = pruned_at(PairedPruner(), binary_pairs(0.6, 0.4, 0.3, (STUDIES, 400)))
    assert np.isfinite(pruned).mean() >= 0.99
    assert np.median(pruned) <= 40
    pruned = pruned_at(PairedPruner(), binary_pairs(0.6, 0.4, 0.3, (STUDIES, 96)))
    assert np.isfinite(pruned).mean() >= 0.98
    assert np.median(pruned) <= 32


@pytest.mark.full
def test_a_margin_prunes_near_ties_and_nothing_that_beats_it() -> None:
    studies = in_random_orders(equal_pair("binary", 400, 0.9), STUDIES)
    assert np.isfinite(pruned_at(PairedPruner(margin=0.1), studies)).mean() > 0.99
    better = np.clip(studies.candidate + 0.1, 0.0, 1.1) / 1.1
    shown = PairedPruner(margin=0.1 / 1.1).shown_not_better(
        better, incumbent=studies.incumbent.mean(1) / 1.1, covariates=better[::-1, None], low=0.0, high=1.0
    )
    assert shown[:, :-1].any(1).mean() <= 0.05


# In any Optuna study.

N = 64
RUNGS = range(8, N + 1, 8)
UNIT = (0.0, 1.0)


def scores_of(mean: float, seed: int, size: int = N) -> Floats:
    return (np.random.default_rng(seed).random(size) < mean).astype(float)


def make_study(pruner: optuna.pruners.BasePruner, direction: Direction = "maximize") -> optuna.Study:
    return optuna.create_study(direction=direction, pruner=pruner)


def advance(trial: optuna.Trial, scores: Sequence[float] | Floats, rung: int) -> bool:
    report_scores(trial, list(scores[:rung]))
    trial.report(float(np.mean(scores[:rung])), rung)
    return trial.should_prune()


def run(study: optuna.Study, scores: Sequence[float] | Floats, *, excess: float | None = None) -> int | None:
    """Evaluate a trial, and return the rung at which it is pruned; it violates a constraint by `excess`."""
    trial = study.ask()
    if excess is not None:
        trial.set_constraint("x", excess)
    for rung in RUNGS:
        if advance(trial, scores, rung):
            study.tell(trial, state=TrialState.PRUNED)
            return rung
    study.tell(trial, float(np.mean(scores)))
    return None


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_a_bad_trial_is_pruned_and_a_good_one_is_not(direction: Direction) -> None:
    sign = 1.0 if direction == "maximize" else -1.0
    study = make_study(PairedPruner(score_range=(-1.0, 1.0)), direction)
    assert run(study, sign * scores_of(0.6, 0)) is None
    assert run(study, sign * scores_of(0.1, 1)) == 8
    assert run(study, sign * scores_of(0.6, 0)) is None  # the incumbent itself
    assert run(study, sign * scores_of(0.9, 2)) is None
    assert run(study, sign * scores_of(0.6, 3)) is not None  # there is a better incumbent now


def test_what_cannot_reach_the_incumbent_is_pruned_for_certain() -> None:
    for margin, lost, expected in ((0.0, 2, None), (0.0, 3, 16), (0.01, 2, 16), (0.01, 1, None)):
        study = make_study(PairedPruner(1e-9, margin, score_range=UNIT))
        run(study, np.repeat([1.0, 0.0], [N - 2, 2]))
        assert run(study, np.repeat([1.0, 0.0, 1.0], [13, lost, N - 13 - lost])) == expected


@settings(max_examples=scaled(25))
@given(
    st.lists(st.lists(st.integers(0, 3), min_size=N, max_size=N), min_size=2, max_size=3),
    st.sampled_from(["maximize", "minimize"]),
    st.sampled_from([0.05, 0.5]),
    st.sampled_from([0.0, 0.05]),
)
def test_a_study_decides_as_the_test_does(
    trials: list[list[int]], direction: Direction, alpha: float, margin: float
) -> None:
    *others, candidate = [np.array(scores) / 3 for scores in trials]
    pruner = PairedPruner(alpha, margin, score_range=UNIT)
    study = make_study(optuna.pruners.NopPruner(), direction)
    for scores in others:
        run(study, scores)
    study.pruner = pruner
    sign, low, high = (1.0, 0.0, 1.0) if direction == "maximize" else (-1.0, -1.0, 0.0)
    shown = pruner.shown_not_better(
        sign * candidate,
        incumbent=max(sign * scores.mean() for scores in others),
        covariates=sign * np.array(others),
        low=low,
        high=high,
    )
    expected = next((rung for rung in RUNGS if rung < N and shown[rung - 1]), None)
    assert run(study, candidate) == expected


class Witness(PairedPruner):
    """Records its calls."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.asked: list[dict[str, Any]] = []

    def shown_not_better(self, scores: npt.ArrayLike, **arguments: Any) -> npt.NDArray[np.bool_]:
        self.asked.append(arguments)
        return super().shown_not_better(scores, **arguments)


def test_the_incumbent_may_change_while_the_covariates_stay() -> None:
    witness = Witness(score_range=UNIT)
    study = make_study(witness)
    first, better = scores_of(0.5, 0), scores_of(0.95, 1)
    run(study, first)
    early, late = study.ask(), study.ask()
    assert not advance(early, scores_of(0.6, 2), 8)
    for rung in RUNGS:
        advance(late, better, rung)
    study.tell(late, float(better.mean()))
    witness.asked.clear()
    assert advance(early, scores_of(0.6, 2), 32)
    (asked,) = witness.asked
    assert asked["incumbent"] == better.mean()
    assert asked["covariates"].tolist() == [first.tolist()]


def test_without_a_trial_before_the_first_to_complete_is_the_covariate_for_good() -> None:
    witness = Witness(score_range=UNIT)
    study = make_study(witness)
    running, *others = [study.ask() for _ in range(3)]
    assert not advance(running, scores_of(0.5, 0), 8)
    assert witness.asked == []
    for trial, rung in zip(reversed(others), (16, 24), strict=True):
        scores = scores_of(0.5, trial.number)
        report_scores(trial, scores.tolist())
        study.tell(trial, float(scores.mean()))
        advance(running, scores_of(0.5, 0), rung)
        assert witness.asked[-1]["covariates"].tolist() == [scores_of(0.5, 2).tolist()]


def test_every_process_decides_the_same(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path}/s.db"
    study = optuna.create_study(direction="maximize", storage=storage, study_name="s")
    run(study, scores_of(0.6, 0))
    trial = study.ask()
    report_scores(trial, scores_of(0.2, 1)[:16].tolist())
    trial.report(0.2, 16)
    left = study.trials[-1]
    for _ in range(2):
        other = optuna.load_study(storage=storage, study_name="s", pruner=PairedPruner(score_range=UNIT))
        assert optuna.Trial(other, left._trial_id).should_prune()


def test_trials_that_failed_or_were_pruned_are_no_incumbents() -> None:
    study = make_study(PairedPruner(score_range=UNIT))
    for state in (TrialState.FAIL, TrialState.PRUNED):
        trial = study.ask()
        report_scores(trial, [1.0] * N)
        study.tell(trial, state=state)
    assert run(study, scores_of(0.1, 0)) is None


def test_complete_trials_without_all_scores_are_left_out() -> None:
    study = make_study(PairedPruner(score_range=UNIT))
    run(study, scores_of(0.2, 0))
    study.add_trial(create_trial(value=1.0))
    study.add_trial(create_trial(value=1.0, user_attrs={"llmsearch_scores": [1.0] * 8}))
    assert run(study, scores_of(0.3, 1)) is None
    study = make_study(PairedPruner(population=N, score_range=UNIT))
    study.add_trial(create_trial(value=1.0, user_attrs={"llmsearch_scores": [1.0] * (N + 1)}))
    assert run(study, scores_of(0.3, 1)) is None


def test_the_scores_may_come_from_anywhere() -> None:
    scores_by_trial = {0: scores_of(0.9, 0), 1: scores_of(0.1, 1)}

    def read(study: optuna.Study, trial: FrozenTrial) -> Floats:
        return scores_by_trial[trial.number][: trial.last_step]

    study = make_study(PairedPruner(score_range=UNIT, scores=read))
    for _ in scores_by_trial:
        trial = study.ask()
        for rung in RUNGS:
            trial.report(0.0, rung)
            if pruned := trial.should_prune():
                break
        study.tell(trial, None if pruned else 0.0, state=TrialState.PRUNED if pruned else TrialState.COMPLETE)
    assert [trial.last_step for trial in study.trials] == [N, 8]


def test_clocks_decide_only_where_there_are_no_rounds() -> None:
    """A complete trial that began with round 0 and passed 2 ended before the one that began with round 2."""
    now = datetime.now()  # noqa: DTZ005  # as Optuna notes it
    witness = Witness(score_range=UNIT)
    study = make_study(witness)
    for number, end in enumerate((2, 3)):
        trial = create_trial(
            value=0.5,
            intermediate_values=dict.fromkeys(range(end), 0.5),
            user_attrs={"llmsearch_scores": scores_of(0.5, number).tolist(), "round": 0},
        )
        trial.datetime_complete = now - timedelta(hours=1 if end == 3 else -1)
        study.add_trial(trial)
    candidate = study.ask()
    candidate.set_user_attr("round", 2)
    advance(candidate, scores_of(0.5, 3), 8)
    assert witness.asked[0]["covariates"].tolist() == [scores_of(0.5, 0).tolist()]


def test_a_study_with_it_can_be_pickled() -> None:
    study = make_study(PairedPruner(score_range=UNIT))
    run(study, scores_of(0.6, 0))
    run(study, scores_of(0.1, 1))
    again = pickle.loads(pickle.dumps(study))
    assert run(again, scores_of(0.1, 1)) == 8


# Ranges.


def test_without_a_range_it_is_that_of_all_scores_and_one_line_says_so(caplog: pytest.LogCaptureFixture) -> None:
    study = make_study(PairedPruner())
    assert run(study, 100 * scores_of(0.7, 0)) is None
    assert run(study, 100 * scores_of(0.1, 1)) == 8
    assert run(study, 100 * scores_of(0.1, 2)) == 8
    (record,) = caplog.records
    assert "no `score_range` is declared" in record.message


def test_equal_scores_prove_nothing() -> None:
    study = make_study(PairedPruner())
    assert [run(study, [0.5] * N) for _ in range(3)] == [None] * 3


def test_a_score_outside_the_range_fails_the_trial() -> None:
    study = make_study(PairedPruner(score_range=UNIT))
    run(study, scores_of(0.5, 0))
    with pytest.raises(TrialError, match=r"^`score_range` is \[0.0, 1.0\], but trial 1 scored 1.5 on sample 1$"):
        advance(study.ask(), [0.5, 1.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5], 8)
    with pytest.raises(TrialError, match=r"but trial 2 scored nan on sample 0$"):
        advance(study.ask(), [float("nan")] * 8, 8)
    with pytest.raises(TrialError, match=r"^trial 3 has 72 scores, there are only 64 samples$"):
        advance(study.ask(), [0.5] * 72, 72)


def test_a_range_that_older_trials_break_is_wrong() -> None:
    study = make_study(optuna.pruners.NopPruner())
    run(study, 2 * scores_of(0.5, 0))
    study.pruner = PairedPruner(score_range=UNIT)
    with pytest.raises(ConfigurationError, match=r"^`score_range` is \[0.0, 1.0\], but trial 0 scored 2.0 on sample "):
        advance(study.ask(), [0.5] * 8, 8)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"alpha": 2}, r"^`alpha` must be in \(0, 1\), got 2$"),
        ({"alpha": 0.0}, r"^`alpha` must be in \(0, 1\), got 0.0$"),
        ({"alpha": "0.1"}, r"^`alpha` must be in \(0, 1\), got '0.1'$"),
        ({"margin": -0.1}, "^`margin` must be >= 0, got -0.1$"),
        ({"margin": float("inf")}, "^`margin` must be >= 0, got inf$"),
        ({"population": 0}, "^`population` must be >= 1, got 0$"),
        ({"score_range": (1.0, 0.0)}, r"^`score_range` must be two numbers, the smaller first, got \(1.0, 0.0\)$"),
    ],
)
def test_bad_input_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        PairedPruner(**arguments)


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_a_better_trial_that_breaks_a_constraint_prunes_no_feasible_one(direction: Direction) -> None:
    sign = 1.0 if direction == "maximize" else -1.0
    study = make_study(PairedPruner(score_range=(-1.0, 1.0)), direction)
    assert run(study, sign * scores_of(0.9, 0), excess=0.1) is None
    assert run(study, sign * scores_of(0.1, 1), excess=0.0) is None  # nothing feasible to compare with
    assert run(study, sign * scores_of(0.7, 2), excess=0.0) is None
    assert run(study, sign * scores_of(0.1, 1), excess=0.0) is not None  # against 0.7
    assert study.best_trial.number == 2
