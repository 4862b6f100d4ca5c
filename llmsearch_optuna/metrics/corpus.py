"""BLEU and chrF: metrics of the whole corpus, by ``sacrebleu``, scaled to [0, 1]."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from llmsearch_optuna.metrics.base import Reference, Scores, acceptable_texts, check_lengths

__all__ = ["CorpusMetric", "bleu", "chrf"]

Texts = Sequence[Sequence[str]]


@dataclass(frozen=True, kw_only=True)
class CorpusMetric:
    """Scores all predictions at once; there is no score of a single sample.

    Attributes:
        name: Identifies the metric, its column and arguments.
        score: ``(predictions, acceptable texts of each) -> float``.
        column: The reference column, as for `SampleMetric`.
        greater_is_better: Whether the study maximises the value.
    """

    name: str
    score: Callable[[Sequence[str], Texts], float]
    column: str | None = None
    greater_is_better: bool = True

    def __call__(
        self, references: Sequence[Reference], predictions: Sequence[str], *, sample_ids: Sequence[int] | None = None
    ) -> Scores:
        """See `Metric`."""
        check_lengths(references, predictions, sample_ids)
        return Scores(self.score(predictions, acceptable_texts(references, self.column, sample_ids)), None)


def bleu(predictions: Sequence[str], references: Texts, *, lowercase: bool = False) -> float:
    """Corpus BLEU (Papineni et al. 2002) with sacrebleu's defaults: 13a tokens, up to 4-grams, exponential smoothing.

    A corpus without a single 4-gram scores 0.
    """
    from sacrebleu.metrics.bleu import BLEU  # noqa: PLC0415  # slow

    # force: completions that look tokenised are the model's doing, and no reason for sacrebleu's warning
    return _scaled(BLEU(lowercase=lowercase, force=True).corpus_score(predictions, _streams(references)).score)


def chrf(predictions: Sequence[str], references: Texts, *, lowercase: bool = False) -> float:
    """Corpus chrF (Popovic 2015) with sacrebleu's defaults: characters up to 6-grams, beta 2."""
    from sacrebleu.metrics.chrf import CHRF  # noqa: PLC0415  # slow

    return _scaled(CHRF(lowercase=lowercase).corpus_score(predictions, _streams(references)).score)


def _streams(references: Texts) -> Texts:
    """The references as sacrebleu wants them: stream k holds every sample's k-th text, or ``None``."""
    return list(zip_longest(*references))


def _scaled(percent: float) -> float:
    return min(percent / 100.0, 1.0)  # rounding takes it slightly above
