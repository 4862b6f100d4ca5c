"""Answers to multiple-choice questions."""

import string
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, ClassVar

from llmsearch_optuna.errors import MetricError
from llmsearch_optuna.metrics.base import (
    Reference,
    ScoreRange,
    Scores,
    mean_scores,
    plain,
    read_column,
    remedy_of_gaps,
    sample_numbers,
    without_column,
)
from llmsearch_optuna.metrics.calls import ONCE, ScorerCalls
from llmsearch_optuna.metrics.choice_texts import choice_form, find_choice, stated_choice
from llmsearch_optuna.metrics.letters import read_letter

__all__ = ["ChoiceMetric"]

_LETTERS = frozenset(string.ascii_uppercase + string.digits)


@dataclass(frozen=True, kw_only=True)
class ChoiceMetric:
    r"""Whether a completion chooses the right answer of a multiple-choice question.

    The choice is the letter that `read_letter` finds: the last in ``\boxed{}``, else the last that is stated (``answer
    is B``, ``Answer: (b)``, ``B is correct``), else one at the beginning (``B) ...``), else the only one that stands
    alone. In ``A cat``, the letter is an article and does not count. ``A or B`` is no choice. With `choices_column`,
    the text of a choice takes precedence over a letter if it is the whole completion, or follows its last ``answer is``
    or ``answer:``. If there is no letter, the text may also be the first line, or the only choice that occurs in the
    completion. A completion with no choice, or with several, scores 0. Completions vote by their letters.

    Attributes:
        name: The identity of the metric with its columns and arguments.
        column: The reference column with the right answer: a letter, the text of a choice, an index (an integer, or its
            digits in a string), or a list of these that are all right. By default the only one other than
            `choices_column`.
        letters: The letters of the choices, in order: capitals or digits.
        index_base: The index of the first choice, 0 or 1.
        choices_column: The reference column with the texts of each sample's choices, in the order of the letters; e.g.
            ``choices.text``, a part of a column.
        greater_is_better: Whether a study maximises the value.
        calls: How the metric is called: retries and time limit.
        score_range: The minimum and the maximum score of a sample: 0 and 1.

    Raises:
        MetricError: An argument is invalid.
    """

    name: str
    column: str | None = None
    letters: str = "ABCD"
    index_base: int = 0
    choices_column: str | None = None
    greater_is_better: bool = True
    calls: ScorerCalls = ONCE
    score_range: ClassVar[ScoreRange] = (0.0, 1.0)

    def __post_init__(self) -> None:
        if len(set(self.letters)) < max(2, len(self.letters)) or set(self.letters) - _LETTERS:
            raise MetricError(f"`letters` must be two or more different capitals or digits, got {self.letters!r}")
        if self.index_base not in (0, 1):
            raise MetricError(f"`index_base` must be 0 or 1, got {self.index_base!r}")

    def __call__(
        self, references: Sequence[Reference], predictions: Sequence[str], *, sample_ids: Sequence[int] | None = None
    ) -> Scores:
        """See `Metric`."""
        samples = sample_numbers(references, predictions, sample_ids)
        answers = read_column(without_column(references, self.choices_column), self.column, samples)
        lists = [None] * len(samples)
        if self.choices_column is not None:
            lists = read_column(references, self.choices_column, samples)
        scores = []
        for prediction, answer, choices, sample in zip(predictions, answers, lists, samples, strict=True):
            texts = [] if self.choices_column is None else self._texts(plain(choices), sample)
            scores.append(float(self._choice(prediction, texts) in self._right(plain(answer), texts, sample)))
        return mean_scores(scores)

    def answer(self, prediction: str) -> str | None:
        """Return the letter that a completion chooses; None if there is none, or more than one."""
        return read_letter(prediction, self.letters)

    def _choice(self, prediction: str, texts: Sequence[str]) -> str | None:
        index = stated_choice(prediction, texts)
        if index is not None and texts[index].upper() not in self.letters:
            return self.letters[index]
        letter = self.answer(prediction)
        if letter is None and (index := find_choice(prediction, texts)) is not None:
            letter = self.letters[index]
        return letter

    def _texts(self, choices: object, sample: int) -> list[str]:
        if not isinstance(choices, list | tuple) or not 2 <= len(choices) <= len(self.letters):
            raise MetricError(
                f"`{self.choices_column}` of sample {sample} must be a list of 2 to {len(self.letters)} texts "
                f"(`letters` = {self.letters!r}), got {choices!r:.60}"
            )
        return [choice_form(str(choice)) for choice in choices]

    def _right(self, answer: Any, texts: Sequence[str], sample: int) -> set[str]:
        """Return the letters of the right answers."""
        right = set()
        for part in answer if isinstance(answer, list | tuple) else [answer]:
            right |= self._letters_of(part, texts)
        if not right or not right <= set(self.letters[: len(texts) or None]):
            raise MetricError(
                f"the answer of sample {sample} must be a letter of {self.letters[: len(texts) or None]!r}, an index "
                f"from {self.index_base} or the text of a choice, got {answer!r:.60}{remedy_of_gaps(answer)}"
            )
        return right

    def _letters_of(self, answer: object, texts: Sequence[str]) -> set[str]:
        if isinstance(answer, str):
            form = choice_form(answer)
            if len(form) == 1 and form.upper() in self.letters:
                return {form.upper()}
            if same := {self.letters[index] for index, text in enumerate(texts) if text == form}:
                return same
            answer = int(form) if form.isdecimal() else None
        if not isinstance(answer, Integral) or isinstance(answer, bool):
            return set()
        index = int(answer) - self.index_base
        return {self.letters[index]} if 0 <= index < len(self.letters) else set()
