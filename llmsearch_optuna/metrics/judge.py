"""Judging by a model: the settings, the questions and how answers become scores."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol, runtime_checkable

from llmsearch_optuna.errors import MetricError, check_minimum, one_line
from llmsearch_optuna.metrics.base import (
    Reference,
    ScoreRange,
    Scores,
    acceptable_texts,
    check_score_range,
    plain,
    read_column,
    sample_numbers,
)
from llmsearch_optuna.metrics.calls import ScorerCalls
from llmsearch_optuna.metrics.judge_prompts import Part, Scale, last_word, pair_prompt, rubric_prompt

__all__ = ["Form", "JudgeMetric", "JudgeServer", "Question", "read_rubric"]

_PAIR = Scale(0.0, 1.0, {"A": 1.0, "B": 0.0, "tie": 0.5})


@runtime_checkable
class JudgeServer(Protocol):
    """A server, `OpenAIServer`: metrics do not import engines."""

    base_url: str


class Form(NamedTuple):
    """How an answer must end.

    Attributes:
        key: What its last line begins with.
        scale: What may follow.
        is_reversed: Whether the score counts from the other end of the scale.
    """

    key: str
    scale: Scale
    is_reversed: bool = False

    def read(self, answer: str) -> float | None:
        """Return the score that an answer states; None if it cannot be read."""
        score = self.scale.read(last_word(answer, self.key))
        return None if score is None else self.scale.low + self.scale.high - score if self.is_reversed else score

    @property
    def line(self) -> str:
        """The last line, in words."""
        return f"`{self.key}: X`, where X is {self.scale.form}"

    @property
    def reminder(self) -> str:
        """What the judge is told if its answer cannot be read."""
        return f"Your answer cannot be read. Write only one line of the form {self.line}."


class Question(NamedTuple):
    """A prompt for the judge, and the form of its answer."""

    prompt: str
    form: Form


@dataclass(frozen=True, kw_only=True)
class JudgeMetric:
    """How well a completion meets a rubric, as another model judges it (LLM as a judge, Zheng et al. 2023).

    The judge is a model behind a server (`server`), or the study's own (`engine = "study"`). It sees the rubric, all
    evaluation columns under their names, and the completion. If it must see the question, add the column of the
    question to `eval_cols`. It is asked at temperature 0, and states a score of the `scale` in the last line of its
    answer. With `pairwise`, it compares the completion with the reference in both orders. The score is the mean of both
    answers: 1 for better, 0.5 for a tie, 0 for worse.

    The judge receives completions as data: they stand between marks that occur in none of them. If an answer cannot be
    read, the judge is asked again in the same conversation, up to `retries` times (2 by default). If no answer can be
    read, the trial fails, or the score is `unreadable` if that is set. Both cases are counted and shown. Judgements are
    stored in the study's database by their content, and none is asked for twice. The judge's tokens do not count as
    tokens of the search.

    Attributes:
        name: The identity of the metric with its columns and arguments.
        column: The reference column with a right answer, which `pairwise` needs; by default the only one. The judge
            sees the others, too.
        rubric: What to judge by, in words.
        rubric_file: A file with the rubric, in place of `rubric`.
        scale: The lowest and the highest score, or words from the worst to the best, as in ``["no", "yes"]``, which
            score evenly from 0 to 1.
        pairwise: Whether the completion is compared with the reference.
        repeats: The number of judgements of each completion, whose mean counts. If there are several, they are drawn at
            temperature 1 with different seeds.
        explain: Whether the judge gives reasons before the score. If not, the beginning of the answer is given to the
            study's own model, and to servers that can continue an answer. Small models then keep to the form, too.
        max_new_tokens: The maximum number of tokens of an answer. A longer one cannot be read.
        unreadable: The score of a completion if no answer can be read.
        server: Where the judge is, with the keys of `[server]`.
        engine: ``"study"`` for the study's own model and engine.
        price: The price of a million tokens of the judge, as in ``{ input = 0.15, output = 0.6 }``.
        greater_is_better: Whether a study maximises the value.
        calls: How often an answer is asked for again.

    Raises:
        MetricError: An argument is invalid.
    """

    name: str
    column: str | None = None
    rubric: str | None = None
    rubric_file: str | Path | None = None
    scale: Sequence[Any] = (1, 5)
    pairwise: bool = False
    repeats: int = 1
    explain: bool = True
    max_new_tokens: int = 256
    unreadable: float | int | None = None
    server: JudgeServer | None = None
    engine: str | None = None
    price: Mapping[str, Any] | None = None
    greater_is_better: bool = True
    calls: ScorerCalls = field(default_factory=ScorerCalls)
    unnamed: ClassVar[Sequence[str]] = ("server", "engine", "price", "rubric", "rubric_file")
    score_text: ClassVar[str] = "each sample, within `scale`; words and `pairwise` from 0 to 1"

    def __post_init__(self) -> None:
        if not (self.rubric or "").strip():
            raise MetricError(f"`rubric` of metric `judge` must say what to judge by, got {self.rubric!r}")
        if (self.server is None) == (self.engine is None):
            both = self.server is not None
            raise MetricError(
                f"metric `judge` needs {'either' if both else 'to know where the judge is:'} a table `server`, or "
                f'engine = "study" for the study\'s own model{", not both" if both else ""}'
            )
        if self.engine not in (None, "study"):
            raise MetricError(f'`engine` of metric `judge` must be "study", got {self.engine!r}')
        check_minimum("repeats", self.repeats, 1, MetricError)
        check_minimum("max_new_tokens", self.max_new_tokens, 8, MetricError)
        if self.calls.timeout_s is not None:
            raise MetricError("`timeout_s` has no effect on metric `judge`: set `timeout_s` of its `server`")
        if self.pairwise and tuple(self.scale) != (1, 5):
            raise MetricError("`scale` has no effect with `pairwise`: leave it out")
        low, high = self.score_range
        if self.unreadable is not None and not low <= self.unreadable <= high:
            raise MetricError(f"`unreadable` must be a score within [{low:g}, {high:g}], got {self.unreadable!r}")

    @property
    def form(self) -> Form:
        """How an answer must end."""
        if self.pairwise:
            return Form("Better", _PAIR)
        are_words = all(isinstance(word, str) and word.strip() == word and word for word in self.scale)
        if are_words and not isinstance(self.scale, str):
            if len({word.casefold() for word in self.scale}) < max(2, len(self.scale)):
                raise MetricError(f"`scale` must hold two or more different words, got {self.scale!r}")
            top = len(self.scale) - 1
            return Form("Score", Scale(0.0, 1.0, {word: index / top for index, word in enumerate(self.scale)}))
        try:
            return Form("Score", Scale(*check_score_range(self.scale)))
        except MetricError as error:
            raise MetricError(
                f"`scale` must be two numbers, the smaller first, or words, got {self.scale!r}"
            ) from error

    @property
    def score_range(self) -> ScoreRange:
        """The minimum and the maximum score of a sample."""
        scale = self.form.scale
        return scale.low, scale.high

    def __call__(
        self,
        references: Sequence[Reference],
        predictions: Sequence[str],
        *,
        sample_ids: Sequence[int] | None = None,
    ) -> Scores:
        """Raise an error: a judge is asked within a `Tuner`, which knows the engine and the database."""
        sample_numbers(references, predictions, sample_ids)
        raise MetricError("metric `judge` works in a study only: `Tuner` connects it with its judge")

    def questions(self, reference: Reference, prediction: str, sample: int) -> list[Question]:
        """Return the questions about a completion: one, or with `pairwise` one for each order.

        Args:
            reference: The evaluation columns.
            prediction: The completion.
            sample: The number of the sample in error messages.

        Raises:
            MetricError: With `pairwise`, there is no reference, or several.
        """
        rubric, form = self.rubric or "", self.form
        if self.column is not None:
            read_column([reference], self.column, [sample])
        if not self.pairwise:
            parts = [
                Part("reference answer" if name == self.column else name, _text(value))
                for name, value in reference.items()
            ]
            parts.append(Part("completion", prediction))
            return [Question(rubric_prompt(rubric, form.line, parts, explain=self.explain), form)]
        (accepted,) = acceptable_texts([reference], self.column, [sample])
        if len(accepted) > 1:
            raise MetricError(f"`pairwise` needs one reference for each sample, and sample {sample} has several")
        other, right = accepted[0], self.column or next(iter(reference))
        context = [Part(name, _text(value)) for name, value in reference.items() if name != right]
        questions = []
        for first, second, is_reversed in ((prediction, other, False), (other, prediction, True)):
            parts = [*context, Part("answer A", first), Part("answer B", second)]
            prompt = pair_prompt(rubric, parts, explain=self.explain)
            questions.append(Question(prompt, form._replace(is_reversed=is_reversed)))
        return questions


def read_rubric(rubric_file: str | Path, directory: Path | None = None) -> str:
    """Return the rubric in a file, whose path is relative to `directory`.

    Raises:
        MetricError: It cannot be read.
    """
    path = (directory or Path()) / rubric_file
    try:
        return path.read_text(encoding="utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise MetricError(f"`rubric_file` must be a text file, and {path} is none: {one_line(error)}") from error


def _text(value: object) -> str:
    value = plain(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
