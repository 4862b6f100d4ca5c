"""The steps of every evaluation: requests, completions, stored rows and checked scores."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from llmsearch_optuna.data.task import InputLimits, Sample, check_window
from llmsearch_optuna.engine.base import Completion, Engine, Request, Stopping, TokenCallback
from llmsearch_optuna.engine.thinking import ThinkingCutter
from llmsearch_optuna.errors import ConfigurationError, MetricError, ScorerError, TrialError
from llmsearch_optuna.metrics import CorpusMetric, Metric, ScoreRange, Scores, call_metric
from llmsearch_optuna.metrics.calls import never
from llmsearch_optuna.metrics.reducers import MEAN, for_each_completion, reduce_scores, reducer_of
from llmsearch_optuna.space.completions import completion_params
from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.space.search_space import SearchSpace
from llmsearch_optuna.space.settings import TEMPLATE, settings_in
from llmsearch_optuna.storage import FurtherCompletion, StoredCompletion

if TYPE_CHECKING:
    from llmsearch_optuna.data.variants import PromptVariants

__all__ = ["Evaluator", "Score"]


class Score(NamedTuple):
    """The metric over all samples, and the completions as they were scored, in the order of the rows.

    A row with several completions has them one after another.
    """

    value: float
    outputs: list[str]


@dataclass(frozen=True, kw_only=True)
class Evaluator:
    """Generates completions of samples and scores them.

    Attributes:
        engine: Generates the completions.
        metric: Scores them.
        further_metrics: Score them, too, by label: for people and constraints.
        stopping: The conditions that end a completion.
        variants: The prompts of trials that choose arguments of the chat template. None if no trial does.
        output_preproc: Applied to every completion before it is scored and stored.
        thinking: Cuts thoughts from the completions; None if completions are answers as a whole.
        score_range: The minimum and the maximum score of a sample; None if they are not known.
        callbacks: Called without arguments after every call of the engine.
        is_to_end: Whether the search is to end, and thus a scorer that hangs is to be given up.
    """

    engine: Engine
    metric: Metric
    stopping: Stopping
    further_metrics: Mapping[str, Metric] = field(default_factory=dict)
    variants: "PromptVariants | None" = None
    output_preproc: Callable[[str], str] = str.strip
    thinking: ThinkingCutter | None = None
    score_range: ScoreRange | None = None
    callbacks: Sequence[Callable[[], object]] = ()
    is_to_end: Callable[[], bool] = never

    def check(self, samples: Sequence[Sample], space: SearchSpace, window: InputLimits) -> None:
        """Raise an error if a search of a space would fail for its prompts or its metrics.

        A prompt may leave no room for its completion, or not be rendered with a template argument. The numbers of
        completions per sample may not fit the reducer of a metric.

        Args:
            samples: The samples.
            space: The search space of the trials.
            window: The limits of the model.

        Raises:
            TaskError: The message names the row or the argument.
            ConfigurationError: A reducer does not fit; the message says what to change.
        """
        self._check_space(space)
        check_window(samples, window, space.longest_completion())
        if self.variants is not None:
            self.variants.check(space.settings(TEMPLATE), window, space.longest_completion())

    def _check_space(self, space: SearchSpace) -> None:
        """Raise an error if the numbers of completions per sample do not fit; see `check`."""
        low, high = space.completions_per_sample()
        for reducer in map(reducer_of, (self.metric, *self.further_metrics.values())):
            if high == 1 and reducer is not MEAN:
                raise ConfigurationError(
                    f'`reducer` = "{reducer.name}" needs several completions per sample: set `samples_per_prompt` in '
                    "the space, e.g. to 4"
                )
            if low < reducer.min_completions:
                raise ConfigurationError(
                    f'`samples_per_prompt` must be >= {reducer.min_completions} for `reducer` = "{reducer.name}", got '
                    f"{low}"
                )
        if high > 1 and space.is_always_greedy:
            raise ConfigurationError(
                "`samples_per_prompt` > 1 has no effect, as every trial decodes greedily: set do_sample = true or a "
                "temperature in the space"
            )
        if high > 1 and isinstance(self.metric, CorpusMetric):
            raise ConfigurationError(
                f"`samples_per_prompt` > 1 needs a metric that scores single samples, and `{self.metric.name}` scores "
                "a corpus"
            )

    def check_completions(self, params: GenerationParams, trial: str) -> None:
        """Raise an error if the number of completions per sample of a baseline or a preset does not fit a metric.

        Args:
            params: Its parameters.
            trial: What the message names it.

        Raises:
            ConfigurationError: The message says what to change.
        """
        count = len(completion_params(params))
        for reducer in map(reducer_of, (self.metric, *self.further_metrics.values())):
            if count < reducer.min_completions and not params.greedy:
                raise ConfigurationError(
                    f"`samples_per_prompt` of {trial} must be >= {reducer.min_completions} for `reducer` = "
                    f'"{reducer.name}", got {count}'
                )
        if count > 1 and isinstance(self.metric, CorpusMetric):
            raise ConfigurationError(
                f"`samples_per_prompt` of {trial} must be 1, as `{self.metric.name}` scores a corpus, got {count}"
            )

    def variant(self, sample: Sample, params: GenerationParams) -> Sample:
        """Return a sample with the prompt for the template arguments among the parameters."""
        if self.variants is None:
            return sample
        return self.variants.variant(sample, settings_in(dict(params.settings), TEMPLATE))

    def requests(self, sample: Sample, params: GenerationParams) -> list[Request]:
        """Return the requests for the completions of a sample, one per completion."""
        sample = self.variant(sample, params)
        return [
            Request(
                prompt=sample.prompt,
                prompt_ids=sample.token_ids,
                params=sample.limited(single),
                stopping=self.stopping,
                row=sample.row,
            )
            for single in completion_params(params)
        ]

    def generate(
        self, requests: Sequence[Request], on_tokens: TokenCallback | None = None, upcoming: Sequence[Request] = ()
    ) -> list[Completion]:
        """Generate one completion per request, call the callbacks, count the prompts, and cut the thoughts."""
        completions = [
            completion
            if completion.prompt_token_count
            else replace(completion, prompt_token_count=len(request.prompt_ids))
            for request, completion in zip(requests, self.engine.generate(requests, on_tokens, upcoming), strict=True)
        ]
        for callback in self.callbacks:
            callback()
        if self.thinking is not None:
            cut = self.thinking.cut
            return [cut(request, completion) for request, completion in zip(requests, completions, strict=True)]
        return completions

    def text(self, sample: Sample, completion: Completion) -> str:
        """Return a completion's text as it is scored and stored.

        Raises:
            TrialError: `output_preproc` raised an exception or did not return a string.
        """
        try:
            text = self.output_preproc(completion.text)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # the user's code may raise anything, and call sys.exit
            raise TrialError(f"output_preproc raised {type(error).__name__}: {error} on row {sample.row}") from error
        if not isinstance(text, str):
            raise TrialError(f"output_preproc must return a string, got {type(text).__name__}")
        return text

    def stored(self, position: int, sample: Sample, completions: Sequence[Completion]) -> StoredCompletion:
        """Return the completions of a sample in the form that the database stores, with the score None.

        Args:
            position: The sample's index in its split. All trials share the order of a split.
            sample: The sample.
            completions: Its completions, at least one.

        Raises:
            TrialError: `output_preproc` failed; see the method `text`.
        """
        first = completions[0]
        return StoredCompletion(
            position=position,
            row=sample.row,
            text=self.text(sample, first),
            token_ids=first.token_ids,
            finish_reason=first.finish_reason,
            score=None,
            token_count_reported=first.token_count_reported,
            thinking_token_count=sum(completion.thinking_token_count for completion in completions),
            further=tuple(
                FurtherCompletion(
                    text=self.text(sample, completion),
                    token_ids=completion.token_ids,
                    finish_reason=completion.finish_reason,
                    token_count_reported=completion.token_count_reported,
                    thinking_token_count=completion.thinking_token_count,
                )
                for completion in completions[1:]
            ),
            prompt_token_count=sum(completion.prompt_token_count for completion in completions),
        )

    def score(self, samples: Sequence[Sample], texts: Sequence[Sequence[str]]) -> Scores:
        """Score the completions of one or more samples, and reduce the scores of each sample to one.

        Args:
            samples: The samples, length n.
            texts: The completions of each sample, length n.

        Raises:
            MetricError: The references do not fit the metric, or the scores do not fit the reducer.
            ScorerError: The scorer raised an exception, did not return in time, or returned the wrong number of scores,
                NaN, or a score outside `score_range`. The message names the row.
            ScoringGivenUpError: The search is to end, and the scorer has not returned.
        """
        scores = self._call(self.metric, samples, texts)
        if scores.per_sample is not None:
            self.check_range(for_each_completion(samples, texts), scores.per_sample)
        return reduce_scores(self.metric, scores, texts)

    def score_further(self, samples: Sequence[Sample], texts: Sequence[Sequence[str]]) -> list[dict[str, float]]:
        """Score the completions of samples under the further metrics, and reduce the scores of each sample to one.

        Args:
            samples: The samples, length n.
            texts: The completions of each sample, length n.

        Returns:
            The scores of each sample by label.

        Raises:
            MetricError: The references do not fit a metric, or it returned one number for all samples.
            ScorerError: See `score`. The message names the label, too.
            ScoringGivenUpError: The search is to end, and a scorer has not returned.
        """
        by_label: dict[str, tuple[float, ...]] = {}
        for label, metric in self.further_metrics.items() if samples else ():
            try:
                per_sample = reduce_scores(metric, self._call(metric, samples, texts), texts).per_sample
            except ScorerError as error:
                raise ScorerError(f"metric `{label}`: {error}") from error
            if per_sample is None:
                raise MetricError(
                    f"the further metric `{label}` must return one score per sample, and it returned one number for all"
                )
            by_label[label] = per_sample
        return [{label: scores[index] for label, scores in by_label.items()} for index in range(len(samples))]

    def _call(self, metric: Metric, samples: Sequence[Sample], texts: Sequence[Sequence[str]]) -> Scores:
        """Return the scores of all completions of the samples, one after another."""
        of_completions = for_each_completion(samples, texts)
        return call_metric(
            metric,
            [sample.reference for sample in of_completions],
            list(itertools.chain.from_iterable(texts)),
            sample_ids=[sample.row for sample in of_completions],
            is_to_end=self.is_to_end,
        )

    def fingerprint(self) -> dict[str, Any]:
        """Return the arguments of `build_fingerprint` that say how completions end and are scored."""
        return {
            "metric": self.metric.name,
            "further_metrics": {label: metric.name for label, metric in self.further_metrics.items()},
            "output_preproc": self.output_preproc,
            "stopping": vars(self.stopping),
            "thinking": None if self.thinking is None else vars(self.thinking.marks),
        }

    def evaluate(self, samples: Sequence[Sample], params: GenerationParams) -> Score:
        """Generate the completions of samples with one set of parameters, and score them.

        Raises:
            TrialError: The completions cannot be generated or scored.
        """
        requests = [self.requests(sample, params) for sample in samples]
        completions = iter(self.generate(list(itertools.chain.from_iterable(requests))))
        texts = [
            [self.text(sample, next(completions)) for _ in of_sample]
            for sample, of_sample in zip(samples, requests, strict=True)
        ]
        return Score(self.score(samples, texts).value, list(itertools.chain.from_iterable(texts)))

    def check_range(self, samples: Sequence[Sample], scores: Sequence[float], label: str = "") -> None:
        """Raise an error if a score lies outside `score_range`.

        Args:
            samples: The samples, length n.
            scores: Their scores, length n.
            label: The beginning of the message.

        Raises:
            ScorerError: A score lies outside `score_range`. The message names its row.
        """
        if self.score_range is None:
            return
        low, high = self.score_range
        for sample, score in zip(samples, scores, strict=True):
            if not low <= score <= high:
                raise ScorerError(f"{label}row {sample.row} scored {score}, but `score_range` is [{low}, {high}]")
