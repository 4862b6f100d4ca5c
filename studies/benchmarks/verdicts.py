"""Simulated studies whose truth is known: how often a verdict claims too much, and how often its intervals hold."""

from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from optuna.trial import TrialState, create_trial

from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.verdict.finalist_scores import FinalistScores
from llmsearch_optuna.verdict.finalists import Finalist, Finalists
from llmsearch_optuna.verdict.judging import judge
from llmsearch_optuna.verdict.stages import Stage, in_stages, plan_stages
from llmsearch_optuna.verdict.verdict import Verdict

__all__ = ["SimulatedVerdicts", "simulate_verdicts"]

_Floats = npt.NDArray[np.float64]
_Flags = npt.NDArray[np.bool_]

_CONFIGURATIONS = 16
_BASELINES = 2
_SEARCHED_FINALISTS = 3  # the best and two runners-up
_SEARCH_SAMPLES = 96
_DECIDED = 0.4  # the share of samples on which every configuration scores the same
_INTERACTION = 0.15  # by how much a configuration suits a sample better or worse than it suits others
_RUNNERS_UP = ("runner-up 1", "runner-up 2", "runner-up 3")
_NAMES = ("reference", "other baseline", "best", *_RUNNERS_UP[:2])
_TRIAL = create_trial(state=TrialState.COMPLETE, value=0.0)
_CONCENTRATION = 4.0  # of continuous scores: their variance between seeds is p (1 - p) / 5


class SimulatedVerdicts(NamedTuple):
    """What became of each study.

    Attributes:
        claimed: Whether an improvement over the reference baseline is claimed. Shape: (studies,).
        covered: Whether all intervals hold the true differences. Shape: (studies,).
        passes: How many passes over the held-out samples the verdict took. Shape: (studies,).
        gains: The true gain of the best over the reference. Shape: (studies,).
    """

    claimed: _Flags
    covered: _Flags
    passes: npt.NDArray[np.int64]
    gains: _Floats


def simulate_verdicts(
    studies: int = 1000,
    *,
    kind: Literal["binary", "continuous"] = "binary",
    spread: float = 0.0,
    holdout_samples: int = 48,
    seeds: int = 4,
) -> SimulatedVerdicts:
    """Search by score with one seed per configuration, and judge the finalists on held-out samples with fresh seeds.

    Two of the configurations are baselines, and one of these has no noise (greedy decoding). The finalists are both and
    the three best others; the reference is the baseline that did better on the search split. Some samples are decided:
    every configuration scores the same on them. On the others, configurations differ by what suits a sample, and scores
    vary from seed to seed.

    Args:
        studies: How many.
        kind: Scores of 0 and 1, or between them.
        spread: By how much the configurations' true means may lie from their middle, at most 0.3; 0 makes all equal.
        holdout_samples: Samples that only the verdict sees.
        seeds: Fresh seeds per finalist.
    """
    random = np.random.default_rng(0)
    means = random.uniform(-spread, spread, (studies, _CONFIGURATIONS))
    searched = _scores(random, means, _SEARCH_SAMPLES, 1, kind)[..., 0]
    order = np.argsort(-searched.mean(axis=-1), axis=-1)
    others = order[order >= _BASELINES].reshape(studies, -1)[:, :_SEARCHED_FINALISTS]
    baselines = order[order < _BASELINES].reshape(studies, -1)
    finalists = np.concatenate([baselines, others], axis=1)
    row = np.arange(studies)[:, None]

    held_out = _scores(random, means[row, finalists], holdout_samples, seeds, kind)
    true = (1.0 - _DECIDED) * (means[row, finalists] - means[row, finalists[:, :1]])
    # If a baseline is the best, the search found nothing better, and says so.
    verdicts = [
        _verdict(held_out[study], finalists[study] == _BASELINES - 1, is_better=order[study, 0] >= _BASELINES)
        for study in range(studies)
    ]
    return SimulatedVerdicts(
        claimed=np.array([verdict.best == "best" and _claims(verdict) for verdict in verdicts]),
        covered=np.array([_covers(verdict, gains) for verdict, gains in zip(verdicts, true, strict=True)]),
        passes=np.array([sum(result.seeds for result in verdict.finalists) for verdict in verdicts]),
        gains=true[:, _BASELINES],
    )


def _verdict(held_out: _Floats, is_greedy: _Flags, *, is_better: bool) -> Verdict:
    """The verdict on finalists in the order of `_NAMES`. Shape of their scores: (finalists, samples, seeds)."""
    names = _NAMES if is_better else (*_NAMES[:_BASELINES], *_RUNNERS_UP)
    params = [GenerationParams(do_sample=not greedy, temperature=1.0) for greedy in is_greedy]
    selected = tuple(Finalist(name, _TRIAL, value) for name, value in zip(names, params, strict=True))
    finalists = Finalists(selected, names[_BASELINES] if is_better else names[0], names[0])
    scores = dict(zip(names, held_out, strict=True))

    def judge_stage(stage: Stage) -> Verdict:
        return judge(
            [
                FinalistScores(
                    name=finalist.name,
                    scores=scores[finalist.name][:, : 1 if finalist.params.greedy else stage.seeds],
                    trial=None,
                    search_score=None,
                    params=finalist.params,
                )
                for finalist in stage.finalists
            ],
            best=finalists.best,
            reference=finalists.reference,
            metric="simulated",
            greater_is_better=True,
            held_out=True,
            samples=held_out.shape[1],
            max_difference=1.0,
            alpha=stage.alpha,
        )

    return in_stages(plan_stages(finalists, held_out.shape[2], has_several=False), judge_stage)


def _claims(verdict: Verdict) -> bool:
    return any(other.low > 0.0 for other in verdict.comparisons if other.name not in _NAMES[:_BASELINES])


def _covers(verdict: Verdict, gains: _Floats) -> bool:
    names = _NAMES if verdict.best == "best" else (*_NAMES[:_BASELINES], *_RUNNERS_UP)
    true = dict(zip(names, gains, strict=True))
    return all(other.low <= true[other.name] <= other.high for other in verdict.comparisons)


def _scores(
    random: np.random.Generator, means: _Floats, samples: int, seeds: int, kind: Literal["binary", "continuous"]
) -> _Floats:
    """Scores of some configurations on samples that they share. Shape: (studies, configurations, samples, seeds)."""
    studies, configurations = means.shape
    shape = (studies, configurations, samples)
    ease = random.uniform(0.45, 0.55, (studies, 1, samples))
    chance = ease + means[..., None] + random.uniform(-_INTERACTION, _INTERACTION, shape)
    everywhere = np.broadcast_to(chance[..., None], (*shape, seeds))
    if kind == "binary":
        open_scores = (random.random(everywhere.shape) < everywhere).astype(np.float64)
        decided_scores = (random.random((studies, 1, samples, 1)) < 0.5).astype(np.float64)
    else:
        open_scores = random.beta(_CONCENTRATION * everywhere, _CONCENTRATION * (1.0 - everywhere))
        decided_scores = random.random((studies, 1, samples, 1))
    is_decided = random.random((studies, 1, samples, 1)) < _DECIDED
    return np.where(is_decided, decided_scores, open_scores)
