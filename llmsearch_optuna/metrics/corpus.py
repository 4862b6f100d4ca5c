"""BLEU and chrF, corpus metrics of ``sacrebleu``, scaled to [0, 1]."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from llmsearch_optuna.errors import MetricError, one_line, unknown_name
from llmsearch_optuna.metrics.base import (
    Metric,
    Reference,
    ScoreRange,
    Scores,
    acceptable_texts,
    bound_arguments,
    check_score_range,
    known_range,
    sample_numbers,
)
from llmsearch_optuna.metrics.calls import ONCE, ScorerCalls

__all__ = ["BLEU_TOKENIZER", "CorpusMetric", "bleu", "choose_score_range", "chrf", "load_bleu", "max_difference"]

Texts = Sequence[Sequence[str]]

BLEU_TOKENIZER = "13a"
"""sacrebleu's default."""


@dataclass(frozen=True, kw_only=True)
class CorpusMetric:
    """A metric that scores all predictions together and has no scores of single samples.

    Attributes:
        name: The identity of the metric with its column and arguments.
        score: ``(predictions, acceptable strings of each) -> float``.
        column: The reference column, as for `SampleMetric`.
        greater_is_better: Whether a study maximises the value.
        calls: How the metric is called: retries and time limit.
    """

    name: str
    score: Callable[[Sequence[str], Texts], float]
    column: str | None = None
    greater_is_better: bool = True
    calls: ScorerCalls = ONCE

    def __call__(
        self, references: Sequence[Reference], predictions: Sequence[str], *, sample_ids: Sequence[int] | None = None
    ) -> Scores:
        """See `Metric`."""
        samples = sample_numbers(references, predictions, sample_ids)
        return Scores(self.score(predictions, acceptable_texts(references, self.column, samples)), None)

    def resampled(
        self, references: Sequence[Reference], predictions: Sequence[str]
    ) -> Callable[[Sequence[int]], float]:
        """Return a function that scores selections of the samples, in which samples may repeat, e.g. for a bootstrap.

        BLEU and chrF add up statistics of the samples, which are computed once. Another `score` is called on the texts
        of each selection.

        Args:
            references: The references, length n.
            predictions: The completions, length n.

        Returns:
            ``(indices of samples) -> score``.

        Raises:
            MetricError: The references do not fit the metric.
        """
        import numpy as np  # noqa: PLC0415  # every command imports this module; few resample

        texts = acceptable_texts(references, self.column, sample_numbers(references, predictions, None))
        function, arguments = bound_arguments(self.score)
        if function not in _LIBRARIES:
            return lambda indices: self.score([predictions[i] for i in indices], [texts[i] for i in indices])
        # Both metrics are functions of sums over the samples, as in sacrebleu's own significance tests.
        library = _LIBRARIES[function](**arguments)
        counts = np.array(library._extract_corpus_statistics(predictions, _streams(texts)))  # noqa: SLF001

        def score(indices: Sequence[int]) -> float:
            return _scaled(library._aggregate_and_compute([counts[indices].sum(axis=0).tolist()]).score)  # noqa: SLF001

        return score


def bleu(
    predictions: Sequence[str], references: Texts, *, lowercase: bool = False, tokenize: str = BLEU_TOKENIZER
) -> float:
    """Return corpus BLEU (Papineni et al. 2002) with sacrebleu's defaults: 13a tokens, 4-grams, exponential smoothing.

    A corpus without a single 4-gram scores 0.

    Args:
        predictions: The completions.
        references: The acceptable strings of each sample.
        lowercase: Whether to ignore case.
        tokenize: sacrebleu's tokenizer: ``13a``, ``intl``, ``zh``, ``ja-mecab``, ``ko-mecab``, ``char``, ``flores200``,
            ...

    Raises:
        MetricError: sacrebleu does not have the tokenizer, or it needs a package that is not installed.
    """
    return _scaled(
        load_bleu(lowercase=lowercase, tokenize=tokenize).corpus_score(predictions, _streams(references)).score
    )


def chrf(predictions: Sequence[str], references: Texts, *, lowercase: bool = False) -> float:
    """Return corpus chrF (Popovic 2015) with sacrebleu's defaults: character n-grams up to 6, beta 2.

    Args:
        predictions: The completions.
        references: The acceptable strings of each sample.
        lowercase: Whether to ignore case.
    """
    return _scaled(_chrf(lowercase=lowercase).corpus_score(predictions, _streams(references)).score)


def load_bleu(*, lowercase: bool = False, tokenize: str = BLEU_TOKENIZER) -> Any:
    """Return sacrebleu's BLEU.

    Raises:
        MetricError: sacrebleu does not have the tokenizer, or it needs a package that is not installed.
    """
    from sacrebleu.metrics.bleu import BLEU  # noqa: PLC0415  # slow

    if tokenize not in BLEU.TOKENIZERS:
        raise MetricError(unknown_name("tokenizer of `bleu`", tokenize, BLEU.TOKENIZERS))
    try:
        # force: no warning about predictions that look tokenised, because the model wrote them that way
        return BLEU(lowercase=lowercase, tokenize=tokenize, force=True)
    except Exception as error:
        raise MetricError(f"the tokenizer `{tokenize}` of `bleu` cannot be loaded: {one_line(error)}") from error


def _chrf(*, lowercase: bool = False) -> Any:
    from sacrebleu.metrics.chrf import CHRF  # noqa: PLC0415  # slow

    return CHRF(lowercase=lowercase)


_LIBRARIES: Mapping[Callable[..., float], Callable[..., Any]] = {bleu: load_bleu, chrf: _chrf}


def _streams(references: Texts) -> Texts:
    """Transpose the references for sacrebleu: stream k holds the k-th string of every sample, or ``None``."""
    return list(zip_longest(*references))


def _scaled(percent: float) -> float:
    return min(percent / 100.0, 1.0)  # rounding errors can exceed 1


def choose_score_range(metric: Metric, declared: ScoreRange | None) -> ScoreRange | None:
    """Return the range of a sample's scores: `declared` if given, else the metric's own; ``None`` if unknown.

    Raises:
        MetricError: `declared` is invalid, or given for a metric that does not score single samples.
    """
    if declared is None:
        return known_range(metric)
    if isinstance(metric, CorpusMetric):
        raise MetricError(f"metric `{metric.name}` scores no single samples: leave `score_range` out")
    return check_score_range(declared)


def max_difference(metric: Metric, score_range: ScoreRange | None) -> float | None:
    """Return the maximum difference of two scores of a metric; None if it is not known.

    Args:
        metric: The metric.
        score_range: The minimum and the maximum score of a sample; None if they are not known.
    """
    if score_range is not None:
        return score_range[1] - score_range[0]
    is_bounded = isinstance(metric, CorpusMetric) and bound_arguments(metric.score)[0] in _LIBRARIES
    return 1.0 if is_bounded else None
