"""Scorers that users write: functions of references and predictions, as in the package ``llmsearch``."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

from llmsearch_optuna.errors import ScorerError, one_line
from llmsearch_optuna.identity import identify
from llmsearch_optuna.metrics.base import Reference, Scores, mean_scores, plain, sample_numbers
from llmsearch_optuna.metrics.calls import Outcome, ScorerCalls

__all__ = ["CallableMetric", "Scorer", "finite_score", "run_scorer"]

Scorer = Callable[[list[dict[str, Any]], list[str]], object]
"""``(references, predictions) -> score``: one real number, or a sequence of one number per sample."""


@dataclass(frozen=True, kw_only=True)
class CallableMetric:
    """A user's scorer as a `Metric`.

    Attributes:
        function: Called with the references as dicts and the predictions, both positionally. It returns one real number
            (of Python or NumPy, or a tensor of any library), or one per sample, whose mean is the value.
        greater_is_better: Whether a study maximises the value.
        calls: How the function is called: retries and time limit.
        name: The module, the qualified name and a hash of the source, so that an edited scorer is another metric.
    """

    function: Scorer
    greater_is_better: bool = True
    calls: ScorerCalls = field(default_factory=ScorerCalls)
    name: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", identify(self.function))

    def __call__(
        self,
        references: Sequence[Reference],
        predictions: Sequence[str],
        *,
        sample_ids: Sequence[int] | None = None,
        calls: ScorerCalls | None = None,
    ) -> Scores:
        """See `Metric`. `calls` replaces the attribute."""
        samples = sample_numbers(references, predictions, sample_ids)
        return run_scorer(
            self.name.partition("#")[0], self.function, references, predictions, samples, calls or self.calls
        )


def run_scorer(
    label: str,
    function: Scorer,
    references: Sequence[Reference],
    predictions: Sequence[str],
    samples: Sequence[int],
    calls: ScorerCalls,
) -> Scores:
    """Call a scorer, again after a fault, and validate its result.

    If the last attempt raises an exception, or returns one number that is not finite, the scorer is called on each
    sample alone. The error message then names the first sample that fails in the same way.

    Args:
        label: The scorer's name in error messages.
        function: The scorer.
        references: The references, length n.
        predictions: The completions, length n.
        samples: The numbers of the samples in error messages, length n.
        calls: How the scorer is called.

    Returns:
        The scores. If the scorer returned one number, they have no `per_sample`.

    Raises:
        ScorerError: The scorer raised, did not return in time, or returned a wrong type, a wrong number of scores, NaN
            or infinity.
        ScoringGivenUpError: The search is to end, and the scorer has not returned.
        LlmsearchError: An error of this package that the scorer raised; it is passed on.
    """

    def attempt(references: Sequence[Reference], predictions: Sequence[str]) -> Outcome:
        return calls.attempt(label, lambda: plain(function([dict(row) for row in references], list(predictions))))

    def culprit(fails: Callable[[Outcome], bool]) -> str:
        for sample, reference, prediction in zip(samples, references, predictions, strict=True):
            if fails(attempt([reference], [prediction])):
                return f" on sample {sample}"
        return ""

    def score(is_last: bool) -> Scores:
        outcome = attempt(references, predictions)
        if (error := outcome.error) is not None:
            kind = type(error)
            where = culprit(lambda alone: type(alone.error) is kind) if is_last else ""
            raise ScorerError(f"scorer `{label}` raised {kind.__name__}: {one_line(error)}{where}") from error
        where = culprit(_is_not_finite) if is_last and _is_not_finite(outcome) else ""
        return _checked(label, outcome.result, where, samples)

    return calls.repeated(label, score)


def _is_not_finite(outcome: Outcome) -> bool:
    return isinstance(outcome.result, Real) and not math.isfinite(_to_float(outcome.result))


def _checked(label: str, result: object, where: str, samples: Sequence[int]) -> Scores:
    source = f"scorer `{label}`"
    if isinstance(result, Real):
        return Scores(finite_score(source, result, where), None)
    if not isinstance(result, Sequence) or isinstance(result, str | bytes | bytearray):
        raise ScorerError(f"scorer `{label}` must return a number or one per sample, got {type(result).__name__}")
    if len(result) != len(samples):
        raise ScorerError(f"scorer `{label}` returned {len(result)} scores for {len(samples)} samples")
    per_sample = [
        finite_score(source, score, f" for sample {sample}") for score, sample in zip(result, samples, strict=True)
    ]
    try:
        return mean_scores(per_sample)
    except OverflowError as error:
        raise ScorerError(f"scorer `{label}` returned scores too large to average") from error


def _to_float(number: Real) -> float:
    try:
        return float(number)
    except OverflowError:  # an integer too large for a float
        return math.inf


def finite_score(source: str, score: object, where: str = "") -> float:
    """Return a score as a float.

    Args:
        source: What returned it, in error messages.
        score: A number of Python or NumPy, or a tensor of any library.
        where: The end of the words on the score in error messages, e.g. ``" for sample 7"``.

    Raises:
        ScorerError: It is no number, NaN or infinite.
    """
    number = plain(score)
    if not isinstance(number, Real):
        raise ScorerError(f"{source} must return numbers, got {type(number).__name__}{where}")
    value = _to_float(number)
    if not math.isfinite(value):
        raise ScorerError(f"{source} returned {value}{where}; scores must be finite")
    return value
