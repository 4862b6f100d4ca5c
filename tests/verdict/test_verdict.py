"""Judging scores: what the verdict states, and its wording."""

import dataclasses
import json
import math
from typing import Any

import numpy as np
import numpy.typing as npt
import optuna
import pytest

from llmsearch_optuna.cli.gate import CONDITION_MET, exit_status
from llmsearch_optuna.errors import StorageError
from llmsearch_optuna.metrics import make_metric
from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.statistics.intervals import adjusted_alpha, difference_intervals
from llmsearch_optuna.study.attributes import STOPPED
from llmsearch_optuna.verdict.comparison import Comparison
from llmsearch_optuna.verdict.expenses import Expenses
from llmsearch_optuna.verdict.finalist_scores import FinalistScores, corpus_scores
from llmsearch_optuna.verdict.judging import judge
from llmsearch_optuna.verdict.verdict import Verdict, keep_verdict, no_holdout, stored_verdict

Floats = npt.NDArray[np.float64]

SAMPLES = 48


def noisy(mean: float, *, seeds: int = 4, noise: float = 0.1, key: int = 0) -> Floats:
    """Scores of 48 samples, each equally hard for all finalists. Shape: (samples, seeds)."""
    ease = np.random.default_rng(0).uniform(-0.2, 0.2, (SAMPLES, 1))
    return mean + ease + np.random.default_rng(key + 1).normal(0, noise, (SAMPLES, seeds))


def verdict_on(scores: dict[str, Any], tokens: dict[str, Floats] | None = None, **changes: Any) -> Verdict:
    arguments: dict[str, Any] = {
        "best": "best",
        "reference": "greedy",
        "metric": "token_f1",
        "greater_is_better": True,
        "held_out": True,
        "samples": SAMPLES,
    }
    trials = {"best": 14, "greedy": 1, "model default": 0, "runner-up 1": 7, "runner-up 2": 9, "front 1": 7}
    finalists = [
        FinalistScores(
            name=name,
            scores=by_sample,
            expenses=None if tokens is None else Expenses(tokens[name], 128.0),
            trial=trials.get(name),
            search_score=0.5,
            params=GenerationParams(temperature=0.5, generation_seed=3),
        )
        for name, by_sample in scores.items()
    ]
    return judge(finalists, **{**arguments, "expense": None if tokens is None else "tokens", **changes})


# Sentences.


def test_an_improvement_is_told_with_its_interval() -> None:
    verdict = verdict_on({"greedy": noisy(0.4, seeds=1), "best": noisy(0.5, key=1)})
    (comparison,) = verdict.comparisons
    exact = difference_intervals(noisy(0.5, key=1) - noisy(0.4, seeds=1))
    assert (comparison.gain, comparison.low, comparison.high) == tuple(map(float, exact[:3]))
    assert verdict.improved
    assert verdict.sentence == (
        f"improved by {exact.estimate:.3f} [{exact.low:.3f}, {exact.high:.3f}] over `greedy` on 48 held-out samples "
        "x 4 seeds"
    )
    assert [(finalist.name, finalist.seeds) for finalist in verdict.finalists] == [("greedy", 1), ("best", 4)]
    assert verdict.finalists[1].score == pytest.approx(noisy(0.5, key=1).mean())


def lengths(mean: float, *, key: int = 0) -> Floats:
    """Tokens of the completions. Shape: (samples, seeds)."""
    return np.round(mean + np.random.default_rng(key).normal(0, 1.0, (SAMPLES, 4)))


def test_with_tokens_the_front_is_told_and_all_intervals_are_right_at_once() -> None:
    scores = {"greedy": noisy(0.4), "best": noisy(0.5, key=1), "front 1": noisy(0.4, key=2)}
    tokens = {"greedy": lengths(20), "best": lengths(25, key=1), "front 1": lengths(11, key=2)}
    verdict = verdict_on(scores, tokens)
    alpha = adjusted_alpha(0.05, 4)
    exact = difference_intervals(lengths(20) - lengths(11, key=2), alpha=alpha)
    best, front = verdict.savings
    assert (front.gain, front.low, front.high) == pytest.approx(tuple(map(float, exact[:3])))
    assert verdict.comparisons[0].low == pytest.approx(
        float(difference_intervals(noisy(0.5, key=1) - noisy(0.4), alpha=alpha).low)
    )
    assert verdict.sentence.startswith("improved by 0.1")
    assert verdict.sentence.endswith(
        f"x 4 seeds; {-best.gain:.2f} [{-best.high:.2f}, {-best.low:.2f}] tokens more per sample than `greedy`"
    )
    (sentence,) = verdict.front_sentences
    assert sentence == (
        f"`front 1` (trial 7): {front.gain:.2f} [{front.low:.2f}, {front.high:.2f}] tokens fewer per sample than "
        f"`greedy`; no difference in score shown ({verdict.comparisons[1]})"
    )
    assert [finalist.tokens for finalist in verdict.finalists] == pytest.approx(
        [counts.mean() for counts in tokens.values()]
    )
    assert Verdict.from_dict(json.loads(json.dumps(verdict.to_dict()))) == verdict


def test_a_better_and_a_worse_score_of_the_front_and_no_difference_in_tokens() -> None:
    tokens = {"greedy": lengths(20), "best": lengths(20, key=1), "front 1": lengths(20, key=2)}
    for mean, clause in ((0.6, "; a better score by 0."), (0.2, "; a worse score by 0.")):
        scores = {"greedy": noisy(0.4), "best": noisy(0.7, key=1), "front 1": noisy(mean, key=2)}
        (sentence,) = verdict_on(scores, tokens).front_sentences
        assert sentence.startswith("`front 1` (trial 7): no difference in tokens shown (")
        assert clause in sentence


def test_costs_are_told_as_costs_and_as_tokens_by_an_older_verdict() -> None:
    scores = {"greedy": noisy(0.5), "front 1": noisy(0.5, key=2)}
    costs = {"greedy": lengths(20), "front 1": lengths(11, key=2)}
    verdict = verdict_on(scores, costs, best="greedy", expense="cost")
    assert "] cheaper per 1,000 samples than `greedy`" in verdict.front_sentences[0]
    assert verdict.next_step.endswith("for its lower cost")
    assert {result.tokens for result in verdict.finalists} == {None}
    older = verdict_on(scores, costs, best="greedy").to_dict()
    del older["expense"]
    assert Verdict.from_dict(older).expense == "tokens"


def test_a_baseline_that_scores_best_may_still_be_beaten_in_tokens() -> None:
    scores = {"greedy": noisy(0.5), "front 1": noisy(0.5, key=2)}
    verdict = verdict_on(scores, {"greedy": lengths(20), "front 1": lengths(11, key=2)}, best="greedy")
    assert verdict.sentence == "no gain: the search found nothing that scores better than the baseline `greedy`"
    assert "tokens fewer per sample than `greedy`" in verdict.front_sentences[0]
    alone = verdict_on({"best": noisy(0.5)}, {"best": lengths(20)}, reference=None)
    assert not alone.front_sentences
    assert not alone.savings


def test_no_gain_shown_tells_how_many_samples_it_would_take() -> None:
    verdict = verdict_on({"greedy": noisy(0.45), "best": noisy(0.46, key=1)})
    (comparison,) = verdict.comparisons
    assert comparison.low < 0 < comparison.gain
    assert not verdict.improved
    needed = comparison.samples_needed
    assert needed is not None
    assert needed > SAMPLES
    start, _, end = verdict.sentence.partition("; about ")
    assert start == (
        f"no gain shown: {comparison.gain:+.3f} [{comparison.low:.3f}, {comparison.high:.3f}] against `greedy` on 48 "
        "held-out samples x 4 seeds"
    )
    number, _, rest = end.partition(" ")
    assert needed <= int(number.replace(",", "")) <= 1.11 * needed
    assert rest == "samples would be needed to show a difference as large as the one observed"


def test_a_loss_is_told() -> None:
    verdict = verdict_on({"greedy": noisy(0.6), "best": noisy(0.4, key=1)})
    assert not verdict.improved
    assert verdict.sentence == ("no gain: worse by 0.195 [0.176, 0.213] than `greedy` on 48 held-out samples x 4 seeds")


def test_the_same_scores_everywhere_are_no_certainty() -> None:
    same = np.round(noisy(0.5))
    verdict = verdict_on({"greedy": same, "best": same}, max_difference=1.0)
    assert verdict.comparisons[0].samples_needed is None
    assert verdict.sentence == (
        "no gain shown: +0.00 [-0.07, 0.07] against `greedy` on 48 held-out samples x 4 seeds; the two score the same"
    )


def test_equal_scores_of_all_completions_measure_nothing() -> None:
    zeros = np.zeros((SAMPLES, 4))
    for scores in ({"greedy": zeros[:, :1], "best": zeros}, {"greedy": zeros[:, :1], "runner-up 1": zeros}):
        best = "best" if "best" in scores else "greedy"
        verdict = verdict_on({name: array + 0.5 for name, array in scores.items()}, best=best)
        assert verdict.constant == 0.5
        assert verdict.sentence == (
            "nothing was measured: every completion scores 0.5 on 48 held-out samples x 4 seeds, so that no parameters "
            "can be better than others"
        )
        assert "look at the completions" in verdict.next_step
        assert verdict.seed_sentence is None
        assert not verdict.improved
        assert Verdict.from_dict(json.loads(json.dumps(verdict.to_dict()))) == verdict
    # The search split had other scores: the held-out samples alone are too easy or too hard.
    assert verdict_on({"greedy": zeros, "best": zeros}).constant is None
    assert verdict_on({"greedy": noisy(0.5), "best": noisy(0.5)}).constant is None


def test_after_every_verdict_it_is_said_what_to_do() -> None:
    higher, lower, close = noisy(0.7, key=1), noisy(0.3, key=1), noisy(0.46, key=1)
    steps = {
        "export": verdict_on({"greedy": noisy(0.45), "best": higher}),
        "worse": verdict_on({"greedy": noisy(0.45), "best": lower}),
        "tie": verdict_on({"greedy": noisy(0.45), "best": noisy(0.45)}),
        "slightly worse": verdict_on({"greedy": noisy(0.451, key=3), "best": noisy(0.45, key=1)}),
        "more": verdict_on({"greedy": noisy(0.45), "best": close}),
        "baseline": verdict_on({"greedy": noisy(0.5), "runner-up 1": noisy(0.4)}, best="greedy"),
        "runner-up": verdict_on({"greedy": noisy(0.4), "best": noisy(0.41, key=1), "runner-up 1": noisy(0.6, key=2)}),
        "no baseline": verdict_on({"best": noisy(0.5)}, reference=None),
        "files": verdict_on({"greedy": noisy(0.45), "best": higher}, held_out=False),
    }
    assert {name: verdict.next_step for name, verdict in steps.items() if name != "more"} == {
        "export": "export the parameters of trial 14 (`llmsearch-optuna export`), and use them",
        "worse": "stop here and keep `greedy`",
        "tie": "stop here and keep `greedy`",
        "slightly worse": "stop here and keep `greedy`",
        "baseline": "stop here and keep `greedy`, or search a wider space",
        "runner-up": "narrow the space to parameters like those of trial 7, and search again with other samples",
        "no baseline": "search again with a baseline that can be scored",
        "files": "use `best`",
    }
    assert steps["more"].next_step.startswith("hold out about ")
    assert steps["more"].next_step.endswith(" or stop here and keep `greedy`")
    (comparison,) = steps["slightly worse"].comparisons
    assert comparison.gain < 0.0 < comparison.high
    assert "samples would be needed" not in steps["slightly worse"].sentence
    assert "samples would be needed" in steps["more"].sentence


def test_no_baseline_gives_no_verdict_but_scores() -> None:
    verdict = verdict_on({"best": noisy(0.5), "runner-up 1": noisy(0.4)}, reference=None)
    assert verdict.comparisons == ()
    assert not verdict.improved
    assert verdict.sentence.startswith("no verdict: the study has no fully evaluated baseline to compare with")
    assert "the best scores 0.5" in verdict.sentence


def test_a_baseline_that_is_the_best_is_told() -> None:
    scores = {"greedy": noisy(0.5), "runner-up 1": noisy(0.4)}
    verdict = verdict_on(scores, best="greedy")
    assert verdict.sentence == "no gain: the search found nothing better than the baseline `greedy`"
    assert not verdict.improved


def test_a_runner_up_that_improved_is_told_where_the_best_did_not() -> None:
    scores = {"greedy": noisy(0.4), "best": noisy(0.41, key=1), "runner-up 1": noisy(0.6, key=2)}
    verdict = verdict_on(scores)
    assert verdict.sentence.startswith("no gain shown: ")
    assert "; yet `runner-up 1` (trial 7) improved by 0.2" in verdict.sentence
    assert verdict.shows_gain
    assert exit_status([dataclasses.replace(verdict, held_out=True)], "not-better") == 0
    without = verdict_on({name: scores[name] for name in ("greedy", "best")})
    assert not without.shows_gain
    assert exit_status([dataclasses.replace(without, held_out=True)], "not-better") == CONDITION_MET
    assert "yet" not in verdict_on({**scores, "best": noisy(0.6, key=1)}).sentence


def test_another_baseline_that_is_better_is_no_gain_of_the_search() -> None:
    scores = {"greedy": noisy(0.4), "model default": noisy(0.6, key=2), "frontend": noisy(0.5, key=3)}
    verdict = verdict_on({**scores, "best": noisy(0.41, key=1)})
    assert [comparison.low > 0.0 for comparison in verdict.comparisons[:2]] == [True, True]
    assert not verdict.shows_gain
    assert exit_status([verdict], "not-better") == CONDITION_MET
    assert "keep `model default`" in verdict.next_step
    assert "like those of trial" not in verdict.next_step
    assert verdict_on({**scores, "runner-up 1": noisy(0.5, key=1)}, best="greedy").shows_gain
    # The best trial has the parameters of a baseline, with another seed than that.
    lucky = verdict_on(scores, best="model default")
    assert lucky.recommended
    assert exit_status([lucky], "not-better") == CONDITION_MET


def test_a_baseline_whose_name_begins_like_the_fronts_is_none_of_it() -> None:
    scores = {"greedy": noisy(0.5), "frontend": noisy(0.5, key=1), "front 1": noisy(0.5, key=2)}
    tokens = {"greedy": lengths(20), "frontend": lengths(11, key=1), "front 1": lengths(11, key=2)}
    (sentence,) = verdict_on(scores, tokens, best="greedy").front_sentences
    assert sentence.startswith("`front 1` (trial 7): ")


@pytest.mark.parametrize("greater_is_better", [True, False])
def test_gain_is_for_the_better(greater_is_better: bool) -> None:
    verdict = verdict_on({"greedy": noisy(0.6), "best": noisy(0.4, key=1)}, greater_is_better=greater_is_better)
    assert verdict.improved == (not greater_is_better)
    assert verdict.comparisons[0].gain == pytest.approx((0.2 if not greater_is_better else -0.2), abs=0.03)
    assert verdict.finalists[0].score == pytest.approx(0.6, abs=0.05)


@pytest.mark.parametrize(
    ("gain", "low", "high", "shown"),
    [
        (0.0812, 0.031, 0.1313, "0.08 [0.03, 0.13]"),
        (0.41, 0.387, 0.437, "0.410 [0.387, 0.437]"),
        (12.3, 4.0, 21.0, "12 [4, 21]"),
        (0.5, 0.0004, 1.1, "0.5000 [0.0004, 1.1000]"),
        (1e-9, 5e-10, 2e-9, "0.000000 [0.000000, 0.000000]"),
    ],
)
def test_figures_are_as_many_as_the_interval_bears(gain: float, low: float, high: float, shown: str) -> None:
    comparison = Comparison(name="best", gain=gain, low=low, high=high, seed_share=None, samples_needed=1)
    verdict = Verdict(
        metric="score",
        greater_is_better=True,
        samples=5,
        seeds=1,
        held_out=False,
        confidence=0.95,
        finalists=(),
        best="best",
        reference="greedy",
        comparisons=(comparison,),
    )
    assert verdict.sentence == f"improved by {shown} over `greedy` on 5 samples x 1 seed"


# Several finalists.


def test_intervals_allow_for_all_comparisons() -> None:
    scores = {"model default": noisy(0.4), "greedy": noisy(0.45), "best": noisy(0.5, key=1), "runner-up 1": noisy(0.5)}
    verdict = verdict_on(scores)
    assert [comparison.name for comparison in verdict.comparisons] == ["model default", "best", "runner-up 1"]
    best = verdict.comparisons[1]
    exact = difference_intervals(scores["best"] - scores["greedy"], alpha=adjusted_alpha(0.05, 3))
    assert (best.low, best.high) == (float(exact.low), float(exact.high))
    alone = verdict_on({name: scores[name] for name in ("greedy", "best")}).comparisons[0]
    assert alone.high - alone.low < best.high - best.low
    as_if_three = verdict_on({name: scores[name] for name in ("greedy", "best")}, comparisons=3).comparisons[0]
    assert (as_if_three.low, as_if_three.high) == (best.low, best.high)


# Seeds.


@pytest.mark.parametrize(("noise", "least", "most"), [(0.0, 0.0, 1e-6), (0.2, 0.5, 1.0)])
def test_how_much_is_owed_to_the_seeds(noise: float, least: float, most: float) -> None:
    ease = np.random.default_rng(8).normal(0, 0.05, (SAMPLES, 1))  # how easy each sample is, for any seed
    verdict = verdict_on({"greedy": noisy(0.4, seeds=1), "best": noisy(0.5, noise=noise, key=1) + ease})
    share = verdict.comparisons[0].seed_share
    assert share is not None
    assert least <= share <= most
    sd = verdict.finalists[1].seed_sd
    assert sd == pytest.approx(noise / math.sqrt(SAMPLES), rel=0.15)
    assert verdict.seed_sentence == (
        f"from one generation_seed to another, the score of `best` varies by {sd:.2g} (standard deviation); seeds make "
        f"up {100 * share:.0f} % of the variance of the gain, samples the rest"
    )


def test_noise_that_two_share_is_none() -> None:
    """Finalists with the same seeds share much of their noise and are compared seed by seed."""
    best = noisy(0.5, noise=0.3)
    shares = [
        verdict_on({"greedy": other, "best": best}).comparisons[0].seed_share
        for other in (best - 0.1 + noisy(0, noise=0.02, key=5), noisy(0.4, noise=0.3, key=6))
    ]
    assert verdict_on({"greedy": best - 0.1, "best": best}).comparisons[0].seed_share == 0.0
    assert shares[1] is not None
    assert shares[1] > 0.8


def test_one_seed_tells_nothing_of_seeds() -> None:
    verdict = verdict_on({"greedy": noisy(0.4, seeds=1), "best": noisy(0.5, seeds=1, key=1)})
    assert verdict.comparisons[0].seed_share is None
    assert verdict.finalists[1].seed_sd is None
    assert verdict.seed_sentence is None
    assert "x 1 seed" in verdict.sentence


def test_why_the_search_stopped_is_the_last_detail() -> None:
    verdict = verdict_on({"greedy": noisy(0.4, seeds=1), "best": noisy(0.5, key=1)})
    assert verdict.details == (verdict.seed_sentence,)
    stopped = dataclasses.replace(verdict, stopped="the search stopped after 14 of 50 trials: nothing to gain")
    assert stopped.details == (verdict.seed_sentence, stopped.stopped)
    assert Verdict.from_dict(json.loads(json.dumps(stopped.to_dict()))) == stopped


def test_unequal_numbers_of_seeds_do_not_pair() -> None:
    three, four = noisy(0.4, seeds=3, noise=0.2), noisy(0.5, seeds=4, noise=0.2, key=1)
    (comparison,) = verdict_on({"greedy": three, "best": four}).comparisons
    assert comparison.gain == pytest.approx(four.mean() - three.mean())
    expected = 0.04 * (1 / 3 + 1 / 4) / SAMPLES
    total = (four.mean(axis=1) - three.mean(axis=1)).var(ddof=1) / SAMPLES
    assert comparison.seed_share == pytest.approx(min(1.0, expected / total), abs=0.2)


# Corpus metrics.

WORDS = list("abcdefghijklmnop")


def texts(change: float, seeds: int) -> tuple[list[dict[str, str]], list[list[str]]]:
    """References of nine words of one letter, and completions with a share of them changed."""
    random = np.random.default_rng(0)
    references = [list(random.choice(WORDS, 9)) for _ in range(SAMPLES)]
    completions = [
        [" ".join(w if random.random() > change else "x" for w in words) for words in references] for _ in range(seeds)
    ]
    return [{"answer": " ".join(words)} for words in references], completions


@pytest.mark.parametrize("name", ["bleu", "chrf"])
def test_a_corpus_metric_is_bootstrapped(name: str) -> None:
    metric = make_metric(name)
    references, poor = texts(0.5, 1)
    _, better = texts(0.3, 3)
    arguments: dict[str, Any] = {"resamples": 200, "seed": 4}
    scores = {"greedy": corpus_scores(metric, references, poor), "best": corpus_scores(metric, references, better)}
    verdict = verdict_on(scores, **arguments)
    expected = np.mean([metric(references, texts).value for texts in better]) - metric(references, poor[0]).value
    (comparison,) = verdict.comparisons
    assert comparison.gain == pytest.approx(expected)
    assert verdict.improved
    assert 0.0 < comparison.high - comparison.low < 0.3
    assert comparison.seed_share is not None
    assert 0.0 < comparison.seed_share < 1.0
    assert verdict_on(scores, **arguments) == verdict
    assert verdict.finalists[1].seeds == 3
    same = verdict_on({"greedy": scores["best"], "best": scores["best"]}, **arguments)
    assert not same.improved
    assert same.comparisons[0].low == pytest.approx(-(1 - 0.025 ** (1 / SAMPLES)))


def test_noise_that_two_share_is_none_over_a_corpus_either() -> None:
    level = np.random.default_rng(3).normal(0, 0.1, SAMPLES)
    luck = np.array([0.2, 0.4, 0.6])

    def shared(indices: npt.NDArray[np.intp]) -> Floats:
        return luck

    def shared_and_better(indices: npt.NDArray[np.intp]) -> Floats:
        return np.asarray(luck + 0.1 + level[indices].mean())

    (comparison,) = verdict_on({"greedy": shared, "best": shared_and_better}, resamples=100).comparisons
    assert comparison.gain == pytest.approx(0.1 + level.mean())
    assert comparison.seed_share == pytest.approx(0.0)

    def one_seed(indices: npt.NDArray[np.intp]) -> Floats:
        return luck[:1]

    (comparison,) = verdict_on({"greedy": one_seed, "best": shared_and_better}).comparisons
    assert comparison.seed_share is not None
    assert comparison.seed_share > 0.9


# Storage.


@pytest.mark.parametrize("reference", ["greedy", None])
def test_a_verdict_survives_json_and_the_study(reference: str | None) -> None:
    verdict = verdict_on({"greedy": noisy(0.4, seeds=1), "best": noisy(0.5, key=1)}, reference=reference)
    values = json.loads(json.dumps(verdict.to_dict(), allow_nan=False))
    assert values["sentence"] == verdict.sentence
    assert values["improved"] is verdict.improved
    assert values["finalists"][1]["params"]["temperature"] == 0.5
    assert Verdict.from_dict(values) == verdict
    study = optuna.create_study()
    assert stored_verdict(study) is None
    keep_verdict(study, verdict)
    assert stored_verdict(study) == verdict
    study.set_user_attr(STOPPED, "the search stopped")  # as it goes on, it may change after the verdict
    assert stored_verdict(study) == dataclasses.replace(verdict, stopped="the search stopped")


@pytest.mark.parametrize("change", [{"news": 1}, {"finalists": [{}]}])
def test_a_verdict_of_another_version_is_refused(change: dict[str, Any]) -> None:
    values = verdict_on({"greedy": noisy(0.4), "best": noisy(0.5)}).to_dict()
    with pytest.raises(StorageError, match=r"^another version of llmsearch_optuna wrote this verdict"):
        Verdict.from_dict({**values, **change})
    del values["samples"]
    with pytest.raises(StorageError, match="another version"):
        Verdict.from_dict(values)


def test_what_to_do_without_held_out_samples() -> None:
    assert no_holdout(0).startswith("no verdict: no samples are held out, ")
    assert no_holdout(1).startswith("no verdict: 1 sample is held out, ")
    assert "set `holdout_size`" in no_holdout(0)


# The lesson that llmsearch published.


def answers(right_before: int, right_after: int, samples: int, discordant: float) -> dict[str, Floats]:
    """The scores of two runs, which differ on a share of the samples. Shapes: (samples, 1)."""
    lost = round((discordant * samples + right_before - right_after) / 2)
    before = np.repeat([1.0, 0.0], [right_before, samples - right_before])
    after = before.copy()
    after[:lost] = 0.0
    after[right_before : right_before + lost + right_after - right_before] = 1.0
    return {"greedy": before[:, None], "best": after[:, None]}


@pytest.mark.parametrize("discordant", [0.02, 0.1, 0.3])
def test_llmsearchs_published_gain_is_none(discordant: float) -> None:
    """GSM8K: 54.5 % became 55.25 % on the 400 tuning questions, and 48.2 % became 47.6 % on 500 held out."""
    verdict = verdict_on(answers(241, 238, 500, discordant), samples=500)
    assert [finalist.score for finalist in verdict.finalists] == [0.482, 0.476]
    assert not verdict.improved
    assert verdict.sentence.startswith("no gain shown: -0.006 [-0.0")
    needed = verdict.comparisons[0].samples_needed
    assert needed is not None
    assert needed > 4 * 500


@pytest.mark.parametrize("discordant", [0.1, 0.3])
def test_llmsearchs_tuning_gain_would_not_be_taken_for_one_either(discordant: float) -> None:
    verdict = verdict_on(answers(218, 221, 400, discordant), samples=400)
    assert [finalist.score for finalist in verdict.finalists] == [0.545, 0.5525]
    assert not verdict.improved
