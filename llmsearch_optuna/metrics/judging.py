"""A judge at work: questions asked, answers read, judgements kept by their content, and unreadable ones counted."""

import hashlib
import itertools
import json
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from llmsearch_optuna.errors import ScorerError, TrialError, one_line
from llmsearch_optuna.metrics.base import Reference, ScoreRange, Scores, mean_scores, sample_numbers
from llmsearch_optuna.metrics.calls import ScorerCalls, ScoringGivenUpError
from llmsearch_optuna.metrics.judge import Form, JudgeMetric, Question
from llmsearch_optuna.metrics.judge_prompts import disarmed

__all__ = ["Inquiry", "Judge", "JudgeAnswer", "JudgedMetric", "Judgement", "JudgementCache", "MemoryCache"]

_LOG = logging.getLogger(__name__)

_BATCH = 64  # judgements that are asked for together; they are stored after each batch


class Inquiry(NamedTuple):
    """What a judge is asked.

    Attributes:
        messages: The prompt, then the judge's unreadable answers and a reminder after each.
        temperature: 0 for greedy decoding.
        seed: The seed of an answer that is drawn.
        max_new_tokens: The maximum number of tokens of the answer.
        sample: The number of the sample in error messages.
        begin: What an answer of one line begins with, if the judge can go on from there; empty for a free answer.
    """

    messages: tuple[str, ...]
    temperature: float
    seed: int
    max_new_tokens: int
    sample: int
    begin: str = ""


class JudgeAnswer(NamedTuple):
    """What a judge answers.

    Attributes:
        text: The answer.
        is_complete: Whether it ended before the maximum number of tokens.
        prompt_tokens: The number of tokens of the messages.
        tokens: The number of tokens of the answer.
    """

    text: str
    is_complete: bool
    prompt_tokens: int
    tokens: int


class Judge(Protocol):
    """A model that answers."""

    @property
    def identity(self) -> str:
        """What the answers depend on beside the inquiry."""
        ...

    @property
    def label(self) -> str:
        """The judge's name in that of the metric."""
        ...

    def ask(self, inquiries: Sequence[Inquiry]) -> list[JudgeAnswer]:
        """Return the answers, in the order of the inquiries.

        Raises:
            TrialError: An inquiry failed.
            ServerError: The judge cannot be reached.
        """
        ...


class Judgement(NamedTuple):
    """What a judge said of one completion.

    Attributes:
        score: The score, with `pairwise` the mean of both orders; None if it cannot be read.
        answers: The last answer to each question.
        order_changed: Whether the order of a pair changed the answer; None without a pair.
        requests: The number of inquiries.
        prompt_tokens: The number of tokens of their messages.
        tokens: The number of tokens of all answers.
    """

    score: float | None
    answers: tuple[str, ...]
    order_changed: bool | None
    requests: int
    prompt_tokens: int
    tokens: int


class JudgementCache(Protocol):
    """Keeps judgements by keys of 32 characters."""

    def load(self, keys: Sequence[str]) -> Mapping[str, Judgement]:
        """Return those of the judgements that are kept."""
        ...

    def save(self, judgements: Mapping[str, Judgement]) -> None:
        """Keep judgements. One that is kept already and has a score keeps it."""
        ...


class MemoryCache:
    """Keeps judgements as long as the process lives."""

    def __init__(self) -> None:
        self._judgements: dict[str, Judgement] = {}

    def load(self, keys: Sequence[str]) -> Mapping[str, Judgement]:
        """See `JudgementCache`."""
        return {key: self._judgements[key] for key in keys if key in self._judgements}

    def save(self, judgements: Mapping[str, Judgement]) -> None:
        """See `JudgementCache`."""
        self._judgements |= judgements


class _Case(NamedTuple):
    """One judgement to make: the key, the questions of a completion, and the number of the repeat."""

    key: str
    questions: Sequence[Question]
    repeat: int
    sample: int


@dataclass
class _Exchange:
    """A question of a case with its answers so far, and the score that the last of them states."""

    case: _Case
    form: Form
    messages: tuple[str, ...]
    answers: list[JudgeAnswer] = field(default_factory=list)
    score: float | None = None


@dataclass(frozen=True, kw_only=True)
class JudgedMetric:
    """A `JudgeMetric` with its judge: a `Metric`.

    Attributes:
        settings: The settings.
        judge: Answers the questions.
        cache: Keeps the judgements.
    """

    settings: JudgeMetric
    judge: Judge
    cache: JudgementCache = field(default_factory=MemoryCache)

    @property
    def name(self) -> str:
        """See `Metric`."""
        return f"{self.settings.name} by {self.judge.label}"

    @property
    def greater_is_better(self) -> bool:
        """See `Metric`."""
        return self.settings.greater_is_better

    @property
    def score_range(self) -> ScoreRange:
        """See `Metric`."""
        return self.settings.score_range

    @property
    def calls(self) -> ScorerCalls:
        """See `Metric`."""
        return self.settings.calls

    def __call__(
        self,
        references: Sequence[Reference],
        predictions: Sequence[str],
        *,
        sample_ids: Sequence[int] | None = None,
        calls: ScorerCalls | None = None,
    ) -> Scores:
        """Score completions; see `Metric`. `calls` says how often to ask, and when the search is to end.

        Raises:
            ScorerError: A judgement cannot be read and has no score, or an inquiry failed.
            ScoringGivenUpError: The search is to end. All judgements so far are kept.
        """
        samples = sample_numbers(references, predictions, sample_ids)
        cases = [
            self._cases(reference, prediction, sample)
            for reference, prediction, sample in zip(references, predictions, samples, strict=True)
        ]
        judgements = self._judgements([case for of_sample in cases for case in of_sample], calls or self.calls)
        return mean_scores([self._score(of_sample, judgements) for of_sample in cases])

    def repeated_scores(
        self, references: Sequence[Reference], predictions: Sequence[str]
    ) -> list[tuple[str, tuple[float, ...]]]:
        """Return the key of each completion, and the kept scores of its repeats that can be read."""
        cases = [self._cases(*pair, 0) for pair in zip(references, predictions, strict=True)]
        kept = self.cache.load([case.key for of_text in cases for case in of_text])
        scores = []
        for of_text in cases:
            read = (kept[case.key].score for case in of_text if case.key in kept)
            scores.append((of_text[0].key, tuple(score for score in read if score is not None)))
        return scores

    def _cases(self, reference: Reference, prediction: str, sample: int) -> list[_Case]:
        questions = self.settings.questions(reference, prediction, sample)
        asked = [self.judge.identity, self._temperature, self.settings.max_new_tokens]
        asked += [(prompt, form.reminder) for prompt, form in questions]
        return [_Case(_key([*asked, repeat]), questions, repeat, sample) for repeat in range(self.settings.repeats)]

    @property
    def _temperature(self) -> float:
        return 0.0 if self.settings.repeats == 1 else 1.0

    def _score(self, cases: Sequence[_Case], made: Mapping[str, Judgement]) -> float:
        """Return the mean score of the repeats of one completion."""
        judgements = [made[case.key] for case in cases]
        scores = [judgement.score for judgement in judgements if judgement.score is not None]
        if scores:
            return math.fsum(scores) / len(scores)
        if self.settings.unreadable is None:
            raise ScorerError(
                f"the judge's answer on sample {cases[0].sample} cannot be read, after {judgements[0].requests} "
                f"requests: it must end with {self.settings.form.line}, and ends with "
                f"{_ending(judgements[0].answers[-1])!r}{self._limit_hint(judgements[0])}; `unreadable` sets a score "
                "for that"
            )
        return float(self.settings.unreadable)

    def _limit_hint(self, judgement: Judgement) -> str:
        """Return what to change if the length limit may have ended the answers; empty if it has not."""
        limit = self.settings.max_new_tokens
        if all(map(str.strip, judgement.answers)) and judgement.tokens < judgement.requests * limit:
            return ""
        return f"; the limit `max_new_tokens` = {limit}, which counts hidden thoughts, too, may have ended it: raise it"

    def _judgements(self, cases: Sequence[_Case], calls: ScorerCalls) -> dict[str, Judgement]:
        distinct = {case.key: case for case in cases}
        judgements = dict(self.cache.load(list(distinct)))
        missing = [
            case
            for key, case in distinct.items()
            # What failed a trial is asked for again if the trial is repeated.
            if key not in judgements or (judgements[key].score is None and self.settings.unreadable is None)
        ]
        for start in range(0, len(missing), _BATCH):
            if start and calls.is_to_end():
                raise ScoringGivenUpError("the judge has not answered all questions, and the search ends")
            batch = missing[start : start + _BATCH]
            made = self._ask(batch, calls.retries)
            self.cache.save(made)
            judgements |= {**made, **self.cache.load(list(made))}  # another worker may have been faster
        return judgements

    def _ask(self, cases: Sequence[_Case], retries: int) -> dict[str, Judgement]:
        """Ask the questions of some cases, again if the answers cannot be read, and return the judgements by key."""
        asked = {case.key: [_Exchange(case, form, (prompt,)) for prompt, form in case.questions] for case in cases}
        for _ in range(retries + 1):
            unread = [exchange for exchange in itertools.chain(*asked.values()) if exchange.score is None]
            if not unread:
                break
            for exchange, answer in zip(unread, self._answers(unread), strict=True):
                exchange.answers.append(answer)
                exchange.score = exchange.form.read(answer.text) if answer.is_complete else None
                exchange.messages += (disarmed(answer.text), exchange.form.reminder)
        made = {key: _judgement(exchanges) for key, exchanges in asked.items()}
        self._warn([case.sample for case in cases if made[case.key].score is None], made)
        return made

    def _answers(self, exchanges: Sequence[_Exchange]) -> list[JudgeAnswer]:
        begin = "" if self.settings.explain else f"{self.settings.form.key}:"
        limit = self.settings.max_new_tokens
        inquiries = [
            Inquiry(exchange.messages, self._temperature, exchange.case.repeat, limit, exchange.case.sample, begin)
            for exchange in exchanges
        ]
        try:
            return self.judge.ask(inquiries)
        except TrialError as error:
            raise ScorerError(f"the judge has not answered: {error}") from error

    def _warn(self, samples: Sequence[int], made: Mapping[str, Judgement]) -> None:
        if samples:
            example = next(judgement for judgement in made.values() if judgement.score is None)
            _LOG.warning(
                "%d of %d judgements cannot be read (of samples %s); one answer ends with %r%s",
                len(samples),
                len(made),
                ", ".join(map(str, sorted(set(samples))[:6])) + (", ..." if len(set(samples)) > 6 else ""),
                _ending(example.answers[-1]),
                self._limit_hint(example),
            )


def _judgement(exchanges: Sequence[_Exchange]) -> Judgement:
    scores = [exchange.score for exchange in exchanges if exchange.score is not None]
    is_read = len(scores) == len(exchanges)
    answers = [answer for exchange in exchanges for answer in exchange.answers]
    return Judgement(
        score=math.fsum(scores) / len(scores) if is_read else None,
        answers=tuple(exchange.answers[-1].text for exchange in exchanges),
        order_changed=len(set(scores)) > 1 if is_read and len(scores) > 1 else None,
        requests=len(answers),
        prompt_tokens=sum(answer.prompt_tokens for answer in answers),
        tokens=sum(answer.tokens for answer in answers),
    )


def _key(parts: Sequence[object]) -> str:
    return hashlib.blake2b(json.dumps(parts).encode(), digest_size=16).hexdigest()


def _ending(answer: str) -> str:
    """Return the end of an answer on one line."""
    text = one_line(ValueError(answer[-200:].strip()))
    return text if len(text) <= 60 else f"...{text[-60:]}"
