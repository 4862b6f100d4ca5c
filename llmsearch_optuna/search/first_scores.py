"""The first scores of a search: whether they measure anything, and the likely cause if they do not."""

import json
import logging
import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import Literal, NamedTuple

import optuna
from optuna.trial import FrozenTrial, TrialState

from llmsearch_optuna.data.task import InputLimits, Sample, check_window
from llmsearch_optuna.errors import ConfigurationError, MetricError, TrialError
from llmsearch_optuna.metrics.words import normal_form
from llmsearch_optuna.search.baselines import with_settings
from llmsearch_optuna.search.evaluation import GenerationObjective
from llmsearch_optuna.search.observers import SearchObserver, TrialProgress
from llmsearch_optuna.search.scoring import Evaluator
from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.space.search_space import SearchSpace
from llmsearch_optuna.space.settings import is_setting
from llmsearch_optuna.study.attributes import BASELINE, FINISH_REASONS, THINKING_TOKENS
from llmsearch_optuna.study.trials import trial_params
from llmsearch_optuna.terminal import printable

__all__ = ["FirstScores", "ScoredExample", "describe_example", "likely_cause"]

_LOG = logging.getLogger(__name__)

# Without baselines, this number of complete trials is looked at.
_TRIALS = 2

# A cause that less than a tenth of the completions show may be a coincidence.
_SHARE = 10

_MAX_HEAD, _MAX_TAIL = 280, 120
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


class ScoredExample(NamedTuple):
    """A completion with its sample and its score.

    Attributes:
        sample: The sample.
        text: The completion as it was scored.
        finish_reason: Why it ended; see `Completion`.
        score: Its score. None if the metric scores only a corpus.
    """

    sample: Sample
    text: str
    finish_reason: str
    score: float | None

    @property
    def references(self) -> list[str]:
        """The strings and numbers of the reference, also those in lists."""
        values = [
            item
            for value in self.sample.reference.values()
            for item in (value if isinstance(value, list | tuple) else [value])
        ]
        return [str(value).strip() for value in values if isinstance(value, str | int | float) and str(value).strip()]

    def topics(self) -> dict[str, str]:
        """Return prompt, completion, reference and score by topic, each as a readable string on one line."""
        prompt = self.sample.prompt  # chat messages are JSON already
        reference = dict(self.sample.reference)
        only = next(iter(reference.values())) if len(reference) == 1 else reference
        return {
            f"prompt of row {self.sample.row}": _excerpt(prompt) if prompt.startswith("[{") else _quoted(prompt),
            "reference": _quoted(only),
            "completion": f"{_quoted(self.text)} (ended by: {self.finish_reason})",
            "score": "the metric scores only all samples together" if self.score is None else f"{self.score:.4g}",
        }


class _Cause(NamedTuple):
    """A likely cause of equal scores, and an example of it."""

    text: str
    example: ScoredExample


def likely_cause(examples: Sequence[ScoredExample], *, rank: Literal["worst", "best", "other"] = "worst") -> _Cause:
    """Return the likely cause of scores that are all equal, with the first example that shows it.

    Args:
        examples: The completions, at least one.
        rank: Whether their score is the worst possible one, the best possible one, or neither.
    """
    empty = [example for example in examples if not example.text.strip()]
    if 2 * len(empty) >= len(examples):
        return _Cause(f"empty text: {_why_empty(empty[0].finish_reason)}", empty[0])
    if rank == "best":
        return _Cause("every completion is right: the task is too easy, or the metric accepts anything", examples[0])
    if rank == "other":
        return _Cause("the metric gives every completion the same score: look at what it reads", examples[0])
    shown = [(text, [example for example in examples if shows(example)]) for text, shows in _CAUSES]
    for text, examples_of in shown:
        if len(examples_of) * _SHARE >= len(examples):
            return _Cause(text, examples_of[0])
    for reason, text in _ENDS.items():
        ended = [example for example in examples if example.finish_reason == reason]
        if 2 * len(ended) >= len(examples):
            return _Cause(text.format(len(ended), len(examples)), ended[0])
    for text, examples_of in shown:
        if examples_of:
            return _Cause(text, examples_of[0])
    return _Cause(
        "completions and references have nothing in common: look at the prompt, the reference's column and the metric",
        examples[0],
    )


def describe_example(evaluator: Evaluator, sample: Sample, space: SearchSpace, window: InputLimits) -> dict[str, str]:
    """Generate and score one greedy completion, and return prompt, reference, completion and score by topic.

    Args:
        evaluator: Generates and scores it.
        sample: The sample.
        space: The space whose length limit and fixed settings the completion has.
        window: The limits of the model.

    Raises:
        TaskError: Prompt and completion exceed the window, or the chat template does not read a setting.
    """
    params = with_settings(space, GenerationParams(do_sample=False, max_new_tokens=space.longest_completion()))
    sample = evaluator.variant(sample, params)
    check_window([sample], window, params.max_new_tokens)
    try:
        (completion,) = evaluator.generate(evaluator.requests(sample, params))
        text = evaluator.text(sample, completion)
    except TrialError as error:
        return {**ScoredExample(sample, "", "", None).topics(), "completion": f"none: {error}", "score": "none"}
    example = ScoredExample(sample, text, completion.finish_reason, None)
    try:
        example = example._replace(score=evaluator.score([sample], [(text,)]).value)
    except (TrialError, MetricError) as error:
        return {**example.topics(), "score": f"none: {error}"}
    if example.score != _worst(evaluator):
        return example.topics()
    return {**example.topics(), "likely cause": likely_cause([example]).text}


class FirstScores(SearchObserver):
    """Warns once, as soon as the baselines are complete, if nothing is measured.

    That is the case if all scores so far are equal, if at least half of the baselines' completions are empty, or if a
    tenth of them have the worst score although they are the reference, but for case, punctuation or spaces.

    Args:
        study: The study that is searched.
        objective: Evaluates its trials and stores their completions.
    """

    def __init__(self, study: optuna.Study, objective: GenerationObjective) -> None:
        self._study = study
        self._objective = objective
        self._has_looked = False

    def trial_ended(self, trial: FrozenTrial, progress: TrialProgress | None, seconds: float) -> None:  # noqa: ARG002
        """Look at the scores if the baselines are complete."""
        self._look(is_over=False)

    def ended(self) -> None:
        """Look at the scores of a search that ended before there were enough."""
        self._look(is_over=True)

    def _look(self, *, is_over: bool) -> None:
        if self._has_looked or self._objective.store is None:
            return
        trials = self._study.get_trials(deepcopy=False)
        baselines = [trial for trial in trials if BASELINE in trial.user_attrs]
        complete = [trial for trial in baselines or trials if trial.state == TrialState.COMPLETE]
        is_ready = all(trial.state.is_finished() for trial in baselines) if baselines else len(complete) >= _TRIALS
        if not complete or not (is_ready or is_over):
            return
        self._has_looked = True
        self._check_thinking(complete)
        if (message := self._finding(complete if baselines else complete[:_TRIALS], trials)) is not None:
            _LOG.warning("%s", message)

    def _check_thinking(self, complete: Sequence[FrozenTrial]) -> None:
        """Raise an error if no thought has an end, or marks of thoughts are given that no completion has.

        Raises:
            ConfigurationError: The message has the number of completions, and says what to change.
        """
        reasons: Counter[str] = Counter()
        for trial in complete:
            reasons.update(trial.user_attrs.get(FINISH_REASONS, {}))
        count = reasons.total()
        # A setting may turn thinking off.
        if count and reasons["thinking"] == count and not any(map(is_setting, self._objective.space.dimensions)):
            raise ConfigurationError(
                f"none of {count} completions has an answer, as the length limit or a stop string ended every thought: "
                "raise max_new_tokens, or turn thinking off"
            )
        thinking = self._objective.thinking
        if thinking is None or not thinking.is_given or any(THINKING_TOKENS in trial.user_attrs for trial in complete):
            return
        raise ConfigurationError(
            f"`thinking`: none of {count} completions has a thought between {thinking.marks.start!r} and "
            f"{thinking.marks.end!r}: correct the marks, or leave them out"
        )

    def _finding(self, complete: Sequence[FrozenTrial], trials: Sequence[FrozenTrial]) -> str | None:
        """Return what is wrong with the scores of complete trials; None if they measure something."""
        examples = [example for trial in complete for example in self._examples(trial)]
        where = ", ".join(str(trial.user_attrs.get(BASELINE, f"trial {trial.number}")) for trial in complete)
        where = f"{len(examples)} completions of {where}"
        score = self._constant(complete, trials, examples)
        empty = sum(not example.text.strip() for example in examples)
        worst = _worst(self._objective)
        missed = [example for example in examples if example.score == worst and _differs_in_form(example)]
        if score is not None:
            first = f"nothing is measured so far: every score is {score:.4g} ({where})"
        elif 2 * empty >= len(examples):
            first = f"{empty} of {where} are empty"
        elif missed and len(missed) * _SHARE >= len(examples):
            first = f"{len(missed)} of {where} differ only in form from the reference, and score {worst:.4g}"
            examples = missed
        else:
            return None
        cause, example = likely_cause(examples, rank="worst" if examples is missed else self._rank(score))
        lines = [f"{name}: {text}" for name, text in example.topics().items()]
        return "\n    ".join([first, *lines, f"likely cause: {cause}"])

    def _rank(self, score: float | None) -> Literal["worst", "best", "other"]:
        if score == _worst(self._objective):
            return "worst"
        ends = self._objective.score_range or (0.0, math.inf)
        return "best" if score in ends else "other"

    def _constant(
        self, complete: Sequence[FrozenTrial], trials: Sequence[FrozenTrial], examples: Sequence[ScoredExample]
    ) -> float | None:
        """Return the score that all samples of all trials have so far; None if scores differ or tell nothing.

        If the metric scores only a corpus, equal scores may be a coincidence, and only the score 0 is returned.
        """
        scores = {example.score for example in examples}
        if len(examples) < 2 or len(scores) > 1:
            return None
        (score,) = scores
        if score is None:
            values = {trial.values[0] for trial in complete if trial.values}
            return 0.0 if values == {0.0} else None
        further = [value for trial in trials for value in trial.intermediate_values.values()]
        return score if all(math.isclose(score, value) for value in further) else None

    def _examples(self, trial: FrozenTrial) -> list[ScoredExample]:
        objective = self._objective
        stored = [] if objective.store is None else objective.store.load(objective.study_key, trial.number)
        params = trial_params(trial)
        return [
            ScoredExample(
                objective.variant(objective.samples[row.position], params), row.text, row.finish_reason, row.score
            )
            for row in stored
        ]


def _worst(evaluator: Evaluator) -> float:
    """Return the worst score that a sample may have."""
    low, high = evaluator.score_range or (0.0, math.inf)
    return low if evaluator.metric.greater_is_better else high


def _why_empty(finish_reason: str) -> str:
    return {
        "stop": "a stop string ends the completion at once; look at `stop` and at the end of the prompt",
        "eos": "the model ends its turn at once; look at the end of the prompt (the chat template's assistant header)",
        "thinking": "the thought takes all of `max_new_tokens`; raise it",
        "length": "only special tokens or white space within `max_new_tokens`; raise it",
    }.get(finish_reason, f"the completion ended by {finish_reason}")


def _differs_in_case(example: ScoredExample) -> bool:
    return any(
        _holds(example.text.casefold(), reference.casefold()) and not _holds(example.text, reference)
        for reference in example.references
    )


def _is_within(example: ScoredExample) -> bool:
    return any(
        _holds(example.text, reference) and reference != example.text.strip() for reference in example.references
    )


def _differs_in_form(example: ScoredExample) -> bool:
    return any(
        _letters(reference) == _letters(example.text) != ""
        or (_words(reference) == _words(example.text) and _numbers(reference) == _numbers(example.text) != set())
        for reference in example.references
    )


def _holds(text: str, part: str) -> bool:
    """Return whether a text contains a part that does not stand within a word of ASCII letters and digits."""
    return re.search(rf"(?<![A-Za-z0-9]){re.escape(part)}(?![A-Za-z0-9])", text) is not None


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, normal_form(text)))


def _words(text: str) -> str:
    return "".join(filter(str.isalpha, normal_form(text)))


def _numbers(text: str) -> set[float]:
    return {float(number) for number in _NUMBER.findall(text.replace(",", ""))}


def _quoted(value: object) -> str:
    """Return a value as JSON on one line; of a long one the beginning and the end."""
    return _excerpt(json.dumps(value, ensure_ascii=False, default=str))


def _excerpt(text: str) -> str:
    """Return a text on one line; of a long one the beginning and the end."""
    text = printable(text)
    if len(text) <= _MAX_HEAD + _MAX_TAIL + 40:
        return text
    left_out = len(text) - _MAX_HEAD - _MAX_TAIL
    return f"{text[:_MAX_HEAD]} ... ({left_out:,} characters) ... {text[-_MAX_TAIL:]}"


_EXTRACTION = (
    "extraction: the completion holds the reference and other text; extract the answer (`output_preproc` in Python), "
    "choose a metric that searches for it (contains, numeric), or ask for the answer alone"
)

_CAUSES = (
    ("case: completion and reference differ in upper and lower case, which the metric tells apart", _differs_in_case),
    (_EXTRACTION, _is_within),
    ("form: completion and reference differ only in punctuation, spaces or the writing of a number", _differs_in_form),
)
"""Likely causes of the worst score, and whether an example shows them."""

_ENDS = {
    "length": "length limit reached: {} of {} completions end at `max_new_tokens`, maybe before the answer",
    "stop": "stop string: {} of {} completions end at a stop string, maybe before the answer",
}
"""Likely causes of the worst score, by the reason why completions end."""
