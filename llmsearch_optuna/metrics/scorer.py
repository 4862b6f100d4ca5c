"""Scorers that users write: functions of references and predictions, as in the package ``llmsearch``."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Any, NamedTuple

from llmsearch_optuna.errors import LlmsearchError, ScorerError
from llmsearch_optuna.identity import identify
from llmsearch_optuna.metrics.base import Reference, Scores, mean_scores, plain, sample_numbers

__all__ = ["CallableMetric", "Scorer", "one_line", "run_scorer"]

Scorer = Callable[[list[dict[str, Any]], list[str]], object]
"""``(references, predictions) -> score``: one real number, or a sequence of one number per sample."""


@dataclass(frozen=True, kw_only=True)
class CallableMetric:
    """A user's scorer as a `Metric`.

    Attributes:
        function: Called with the references as dicts and the predictions, both positionally. It returns one real number
            (of Python or NumPy, or a tensor of any library), or one per sample, whose mean is the value.
        greater_is_better: Whether a study maximises the value.
        name: The module, the qualified name and a hash of the source, so that an edited scorer is another metric.
    """

    function: Scorer
    greater_is_better: bool = True
    name: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", identify(self.function))

    def __call__(
        self, references: Sequence[Reference], predictions: Sequence[str], *, sample_ids: Sequence[int] | None = None
    ) -> Scores:
        """See `Metric`."""
        samples = sample_numbers(references, predictions, sample_ids)
        return run_scorer(self.name.partition("#")[0], self.function, references, predictions, samples)


class _Outcome(NamedTuple):
    result: object
    error: Exception | None


def run_scorer(
    label: str,
    function: Scorer,
    references: Sequence[Reference],
    predictions: Sequence[str],
    samples: Sequence[int],
) -> Scores:
    """Call a scorer and validate its result.

    If the scorer raises an exception, or returns one number that is not finite, it is called on each sample alone. The
    error message then names the first sample that fails in the same way.

    Args:
        label: The scorer's name in error messages.
        function: The scorer.
        references: The references, length n.
        predictions: The completions, length n.
        samples: The numbers of the samples in error messages, length n.

    Returns:
        The scores. If the scorer returned one number, they have no `per_sample`.

    Raises:
        ScorerError: The scorer raised, or returned a wrong type, a wrong number of scores, NaN or infinity.
        LlmsearchError: An error of this package that the scorer raised; it is passed on.
    """

    def culprit(fails: Callable[[_Outcome], bool]) -> str:
        for sample, reference, prediction in zip(samples, references, predictions, strict=True):
            if fails(_attempt(function, [reference], [prediction])):
                return f" on sample {sample}"
        return ""

    result, error = _attempt(function, references, predictions)
    if error is not None:
        kind = type(error)
        where = culprit(lambda alone: type(alone.error) is kind)
        raise ScorerError(f"scorer `{label}` raised {kind.__name__}: {one_line(error)}{where}") from error
    if isinstance(result, Real):
        value = _to_float(result)
        if not math.isfinite(value):
            where = culprit(lambda alone: isinstance(alone.result, Real) and not math.isfinite(_to_float(alone.result)))
            raise ScorerError(f"scorer `{label}` returned {value}{where}; scores must be finite")
        return Scores(value, None)
    if not isinstance(result, Sequence) or isinstance(result, str | bytes | bytearray):
        raise ScorerError(f"scorer `{label}` must return a number or one per sample, got {type(result).__name__}")
    if len(result) != len(references):
        raise ScorerError(f"scorer `{label}` returned {len(result)} scores for {len(references)} samples")
    per_sample = [_sample_score(label, score, sample) for score, sample in zip(result, samples, strict=True)]
    try:
        return mean_scores(per_sample)
    except OverflowError as error:
        raise ScorerError(f"scorer `{label}` returned scores too large to average") from error


def _attempt(function: Scorer, references: Sequence[Reference], predictions: Sequence[str]) -> _Outcome:
    try:
        result = function([dict(reference) for reference in references], list(predictions))
        return _Outcome(plain(result), None)
    except LlmsearchError:
        raise
    except Exception as error:  # noqa: BLE001  # the user's code may raise anything; the caller reports it
        return _Outcome(None, error)


def _to_float(number: Real) -> float:
    try:
        return float(number)
    except OverflowError:  # an integer too large for a float
        return math.inf


def _sample_score(label: str, score: object, sample: int) -> float:
    number = plain(score)
    if not isinstance(number, Real):
        raise ScorerError(f"scorer `{label}` must return numbers, got {type(number).__name__} for sample {sample}")
    value = _to_float(number)
    if not math.isfinite(value):
        raise ScorerError(f"scorer `{label}` returned {value} for sample {sample}; scores must be finite")
    return value


def one_line(error: BaseException) -> str:
    """Return an exception's message on one printable line. Messages of over 200 characters are shortened."""
    printable = (character if character.isprintable() else " " for character in str(error)[:1000])
    text = " ".join("".join(printable).split())
    return text if len(text) <= 200 else text[:200] + "..."
