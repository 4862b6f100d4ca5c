"""A look at a search before it begins: some samples as the model sees them, and what the search may take."""

import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass

import optuna

from llmsearch_optuna.search.evaluation import GenerationObjective
from llmsearch_optuna.search.first_scores import ScoredExample
from llmsearch_optuna.search.further_scores import FurtherScores
from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.statistics.power import PairedSpread, smallest_gain
from llmsearch_optuna.storage import TokenCounts
from llmsearch_optuna.study.trials import describe_params

__all__ = ["Preview", "preview"]

_SAMPLES = 16
_CORRELATION = 0.5
_PASSES = (3, 17)
"""The usual minimum and maximum number of passes of a verdict without named baselines; see `verdict.stages`."""
_PASSES_OF_BASELINE = 4
"""The maximum number of passes of a further baseline: one with each seed."""


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What some samples of a search look like, and what they lead to expect.

    Attributes:
        params: The generation parameters of the completions, a random point of the space.
        examples: The samples with their completions and scores.
        expectations: What the whole search may take, and what its hold-out can show, by topic.
    """

    params: GenerationParams
    examples: tuple[ScoredExample, ...]
    expectations: Mapping[str, str]


def preview(
    objective: GenerationObjective,
    *,
    trials: int,
    held_out: int,
    seed: int,
    named_baselines: int = 0,
    max_tokens: int | None = None,
) -> Preview:
    """Generate and score some samples, and extrapolate.

    The numbers of tokens and the time are those of a search that prunes, replays and copies nothing. They are random,
    as the completions are those of one random point of the space. What the hold-out can show rests on the variance of
    the scores, and on the assumption that two scores of the same sample correlate by 0.5.

    Args:
        objective: The objective of the search.
        trials: The number of trials.
        held_out: The number of held-out samples.
        seed: The seed of the random point.
        named_baselines: The number of baselines that the user names.
        max_tokens: The number of generated tokens at which the search ends; None if there is no limit.

    Raises:
        TrialError: A completion cannot be generated or scored.
    """
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed))
    params = objective.space.suggest(study.ask())
    samples = objective.samples[:_SAMPLES]
    requests = [objective.requests(sample, params) for sample in samples]
    started = time.perf_counter()
    completions = iter(objective.generate([request for of_sample in requests for request in of_sample]))
    seconds = time.perf_counter() - started
    rows = [
        objective.stored(position, sample, [next(completions) for _ in of_sample])
        for position, (sample, of_sample) in enumerate(zip(samples, requests, strict=True))
    ]
    scores = objective.score(samples, [row.texts for row in rows])
    by_sample = scores.per_sample or [None] * len(rows)
    examples = tuple(
        ScoredExample(objective.variant(sample, params), row.shown_text, row.finish_reason, score)
        for sample, row, score in zip(samples, rows, by_sample, strict=True)
    )
    evaluations = trials * len(objective.samples)
    counts, share = TokenCounts.of(rows), evaluations / len(rows)
    tokens = counts.generated * share
    is_cut = max_tokens is not None and max_tokens < tokens
    expectations = {
        "completions": f"with {describe_params(params)}, a random point of the space",
        "tokens per sample": f"{counts.prompt / len(rows):,.0f} in, {counts.generated / len(rows):,.1f} out"
        + (f", of which {counts.thinking / len(rows):,.1f} thinking" if counts.thinking else ""),
        "at most": f"{trials} trials x {len(objective.samples)} samples = {evaluations:,} evaluations, about "
        f"{tokens:,.0f} tokens and {_duration(seconds * share)}; pruning, replay and an early stop take from it"
        + (f", and `max_tokens_total` ends it at {max_tokens:,} tokens" if is_cut else ""),
    }
    expectations |= _verdict(held_out, counts.generated / len(rows), named_baselines)
    further = FurtherScores(objective, ())
    further.add(samples, rows)
    expectations |= {label: f"{mean:.4g} on these samples" for label, mean in further.means.items()}
    if objective.price is not None:
        expectations["cost at most"] = f"about {objective.price.rates_of(params).cost(counts) * share:.4g}"
    return Preview(params=params, examples=examples, expectations=expectations | _shown(scores.per_sample, held_out))


def _shown(scores: tuple[float, ...] | None, held_out: int) -> dict[str, str]:
    """Return what the hold-out can show, by topic; empty if the scores do not tell."""
    if held_out < 2:
        return {"hold-out": "no samples are held out: the search will end without a verdict"}
    if scores is None or len(set(scores)) == 1:
        return {}
    variance = 2.0 * (1.0 - _CORRELATION) * statistics.variance(scores)
    limit = 100.0 * variance**0.5
    gain = smallest_gain(held_out, lambda _: PairedSpread(variance, 1.0), limit=limit)
    if gain is None:
        return {}
    return {
        "hold-out": f"{held_out} samples show gains from about {gain:.2g}, as far as the scores of {len(scores)} "
        f"samples tell (two scores of a sample are assumed to correlate by {_CORRELATION:g})"
    }


def _verdict(held_out: int, tokens_per_sample: float, named_baselines: int) -> dict[str, str]:
    """Return what the verdict takes, by topic; empty without one."""
    if held_out < 2:
        return {}
    least, most = _PASSES[0], _PASSES[1] + _PASSES_OF_BASELINE * named_baselines
    low, high = (passes * held_out * tokens_per_sample for passes in (least, most))
    return {
        "verdict": f"{least} to {most} passes over {held_out} held-out samples, about {low:,.0f} to "
        f"{high:,.0f} tokens, which no limit of the search includes"
    }


def _duration(seconds: float) -> str:
    if seconds < 90.0:
        return f"{seconds:.0f} s"
    minutes = seconds / 60.0
    return f"{minutes:.0f} minutes" if minutes < 90.0 else f"{minutes / 60.0:.1f} hours"
