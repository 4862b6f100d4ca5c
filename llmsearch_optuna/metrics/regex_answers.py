"""Answers that a regular expression finds in completions."""

from collections import deque
from dataclasses import dataclass
from typing import Any

from llmsearch_optuna.errors import MetricError, ScorerError
from llmsearch_optuna.metrics.text import exact_answer, exact_match

__all__ = ["RegexAnswers"]

_LIMIT_S = 10.0  # for one completion; a thousand times what an ordinary expression needs


@dataclass(frozen=True, kw_only=True)
class RegexAnswers:
    """Whether the last match of a regular expression equals the reference.

    Both are compared as by `exact_match`. The expression is not applied to the reference. A completion without a match
    scores 0. If an expression takes more than 10 s on a completion, the trial fails; nested repetitions such as
    ``(a+)+$`` may do so. `timeout_s` cannot interrupt an expression.

    Attributes:
        pattern: The regular expression, in the syntax of Python's `re` (and of the package ``regex``), where ``(?m)``
            and the like set flags.
        group: The number or name of the group to compare. By default the first group, or the whole match if there is no
            group.
        first: Whether the first match counts, not the last.
        ignore_case: Whether upper and lower case are equal, in the match and in the comparison.

    Raises:
        MetricError: `pattern` is invalid, or has no such group.
    """

    pattern: str
    group: int | str | None = None
    first: bool = False
    ignore_case: bool = False

    def __post_init__(self) -> None:
        compiled = _compiled(self.pattern, self.ignore_case)
        groups = {*range(compiled.groups + 1), *compiled.groupindex}
        if self.group is not None and self.group not in groups:
            raise MetricError(
                f"`group` of metric `regex` must be one of {', '.join(map(str, groups))}, got {self.group!r}"
            )

    def score(self, prediction: str, reference: str) -> float:
        """Return 1 if the match equals the reference, else 0."""
        text = self._match(prediction)
        return 0.0 if text is None else exact_match(text, reference, ignore_case=self.ignore_case)

    def answer(self, prediction: str) -> str | None:
        """Return the match as it is compared; None if there is none, or it is empty."""
        return exact_answer(self._match(prediction) or "", ignore_case=self.ignore_case)

    def _match(self, text: str) -> str | None:
        compiled = _compiled(self.pattern, self.ignore_case)
        group = self.group if self.group is not None else min(1, compiled.groups)
        try:
            matches = compiled.finditer(text, timeout=_LIMIT_S)
            match = next(matches, None) if self.first else next(iter(deque(matches, maxlen=1)), None)
        except TimeoutError as error:
            raise ScorerError(
                f"`pattern` of metric `regex` takes more than {_LIMIT_S:g} s on a completion: simplify its nested "
                f"repetitions, got {self.pattern!r}"
            ) from error
        return None if match is None else match[group]


def _compiled(pattern: str, ignore_case: bool) -> Any:
    import regex  # noqa: PLC0415  # slow

    try:
        return regex.compile(pattern, regex.IGNORECASE if ignore_case else 0)  # which keeps what it has compiled
    except regex.error as error:
        raise MetricError(
            f"`pattern` of metric `regex` must be a regular expression: {error}, got {pattern!r}"
        ) from error
