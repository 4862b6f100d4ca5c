"""When a verdict ends after its first stage."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from optuna.trial import TrialState, create_trial

from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.verdict.finalist_scores import FinalistScores
from llmsearch_optuna.verdict.finalists import Finalist, Finalists
from llmsearch_optuna.verdict.judging import judge
from llmsearch_optuna.verdict.stages import Stage, in_stages, plan_stages
from llmsearch_optuna.verdict.verdict import Verdict

SAMPLES = 60
SAMPLED = GenerationParams(temperature=0.7)
GREEDY = GenerationParams(do_sample=False)


USUAL = {
    "model default": SAMPLED,
    "greedy": GREEDY,
    "best": SAMPLED,
    "runner-up 1": SAMPLED,
    "runner-up 2": SAMPLED,
}


def finalists(
    best: str = "best",
    reference: str | None = "model default",
    params: Mapping[str, GenerationParams] = USUAL,
) -> Finalists:
    trial = create_trial(state=TrialState.COMPLETE, value=0.5)
    selected = [Finalist(name, trial, value) for name, value in params.items()]
    return Finalists(tuple(selected), best, reference)


def planned(chosen: Finalists, seeds: int = 4, *, has_several: bool = False) -> list[tuple[list[str], int, int]]:
    stages = plan_stages(chosen, seeds, has_several=has_several)
    assert sum(stage.alpha for stage in stages) == pytest.approx(0.05)
    return [([finalist.name for finalist in stage.finalists], stage.seeds, stage.passes) for stage in stages]


def names_of(chosen: Finalists) -> list[str]:
    return [finalist.name for finalist in chosen.selected]


def test_the_best_and_the_reference_come_first() -> None:
    every = names_of(finalists())
    assert planned(finalists()) == [(["model default", "best"], 2, 4), (every, 4, 17)]
    assert planned(finalists(reference="greedy")) == [(["greedy", "best"], 2, 3), (every, 4, 17)]
    assert planned(finalists(), seeds=3)[0] == (["model default", "best"], 1, 2)


def test_a_baseline_that_is_the_best_is_compared_with_the_next_one() -> None:
    assert planned(finalists(best="greedy", reference="greedy"))[0] == (["greedy", "runner-up 1"], 2, 3)


@pytest.mark.parametrize(
    ("chosen", "seeds", "has_several"),
    [
        (finalists(), 1, False),
        (finalists(), 4, True),
        (finalists(reference=None), 4, False),
        (finalists(reference="greedy", params={"greedy": GREEDY, "best": GREEDY}), 4, False),
        (finalists(best="greedy", reference="greedy", params={"greedy": GREEDY}), 4, False),
    ],
    ids=["one seed", "a front", "no baseline", "nothing to draw", "one finalist"],
)
def test_one_stage_where_a_first_one_would_not_be_cheaper(chosen: Finalists, seeds: int, has_several: bool) -> None:
    ((names, stage_seeds, _),) = planned(chosen, seeds, has_several=has_several)
    assert (names, stage_seeds) == (names_of(chosen), seeds)


class Judge:
    """Judges made-up scores, and counts the stages."""

    def __init__(
        self, gain: float, *, sample_noise: float = 0.2, seed_noise: float = 0.2, constant: bool = False
    ) -> None:
        rng = np.random.default_rng(0)
        base = rng.normal(0.0, 1.0, (SAMPLES, 1)) + seed_noise * rng.normal(size=(SAMPLES, 4))
        difference = sample_noise * rng.normal(size=(SAMPLES, 1)) + seed_noise * rng.normal(size=(SAMPLES, 4))
        better = base + difference - difference.mean(axis=0) + gain
        self._scores = {"best": better, "runner-up 1": better, "runner-up 2": base, "model default": base}
        self._scores["greedy"] = base[:, :1]
        if constant:
            self._scores = {name: np.zeros_like(scores) for name, scores in self._scores.items()}
        self.stages: list[Stage] = []

    def __call__(self, stage: Stage) -> Verdict:
        self.stages.append(stage)
        scores = [
            FinalistScores(
                name=finalist.name,
                scores=self._scores[finalist.name][:, : 1 if finalist.params.greedy else stage.seeds],
                trial=0,
                search_score=0.0,
                params=finalist.params,
            )
            for finalist in stage.finalists
        ]
        arguments: dict[str, Any] = {"metric": "m", "greater_is_better": True, "held_out": True, "samples": SAMPLES}
        return judge(scores, best="best", reference="model default", alpha=stage.alpha, **arguments)


def judged(gain: float, **noise: Any) -> tuple[Verdict, int]:
    judging = Judge(gain, **noise)
    verdict = in_stages(plan_stages(finalists(), 4, has_several=False), judging)
    return verdict, len(judging.stages)


def test_a_clear_answer_ends_the_verdict() -> None:
    for gain in (0.5, -0.5):
        verdict, stages = judged(gain)
        assert stages == 1
        assert verdict.ended == "the verdict took 4 of 17 passes over the held-out samples: the answer is clear"
        assert verdict.improved == (gain > 0.0)
        assert verdict.details[-1] == verdict.ended


def test_a_gain_that_more_seeds_would_not_show_ends_the_verdict() -> None:
    verdict, stages = judged(0.0)
    assert stages == 1
    assert verdict.ended is not None
    assert verdict.ended.endswith(": the others would hardly show a gain")
    assert verdict.sentence.startswith("no gain shown")


def test_what_more_seeds_may_show_goes_on() -> None:
    """Half of the seeds show nothing, but the seeds make up most of the variance."""
    verdict, stages = judged(0.07, sample_noise=0.05, seed_noise=0.45)
    assert stages == 2
    assert verdict.ended is None
    assert len(verdict.comparisons) == 4


def test_seeds_that_make_no_difference_are_not_asked_for() -> None:
    verdict, stages = judged(0.05, seed_noise=0.0)
    assert stages == 1
    assert not verdict.improved


def test_equal_scores_end_the_verdict() -> None:
    verdict, stages = judged(0.0, constant=True)
    assert stages == 1
    assert verdict.ended is not None
    assert verdict.ended.endswith("scores do not differ")
