"""The steps of every evaluation: requests, completions, stored rows and checked scores."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from llmsearch_optuna.data.task import InputLimits, Sample, check_window
from llmsearch_optuna.engine.base import Completion, Engine, Request, Stopping, TokenCallback
from llmsearch_optuna.engine.thinking import ThinkingCutter
from llmsearch_optuna.errors import ScorerError, TrialError
from llmsearch_optuna.metrics import Metric, ScoreRange, Scores, call_metric
from llmsearch_optuna.metrics.calls import never
from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.space.search_space import SearchSpace
from llmsearch_optuna.space.settings import TEMPLATE, settings_in
from llmsearch_optuna.storage import StoredCompletion

if TYPE_CHECKING:
    from llmsearch_optuna.data.variants import PromptVariants

__all__ = ["Evaluator", "Score"]


class Score(NamedTuple):
    """The metric over all samples, and the completions as they were scored, in the order of the rows."""

    value: float
    outputs: list[str]


@dataclass(frozen=True, kw_only=True)
class Evaluator:
    """Generates completions of samples and scores them.

    Attributes:
        engine: Generates the completions.
        metric: Scores them.
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
    variants: "PromptVariants | None" = None
    output_preproc: Callable[[str], str] = str.strip
    thinking: ThinkingCutter | None = None
    score_range: ScoreRange | None = None
    callbacks: Sequence[Callable[[], object]] = ()
    is_to_end: Callable[[], bool] = never

    def check_prompts(self, samples: Sequence[Sample], space: SearchSpace, window: InputLimits | None) -> None:
        """Raise an error if a prompt leaves no room for its completion, or cannot be rendered with a template argument.

        Args:
            samples: The samples.
            space: The search space of the trials.
            window: The limits of the model; None if they are unknown.

        Raises:
            TaskError: The message names the row or the argument.
        """
        check_window(samples, window, space.longest_completion())
        if self.variants is not None:
            self.variants.check(space.settings(TEMPLATE), window, space.longest_completion())

    def request(self, sample: Sample, params: GenerationParams) -> Request:
        """Return the request for one completion of a sample."""
        if self.variants is not None:
            sample = self.variants.variant(sample, settings_in(dict(params.settings), TEMPLATE))
        return Request(
            prompt=sample.prompt,
            prompt_ids=sample.token_ids,
            params=sample.limited(params),
            stopping=self.stopping,
            row=sample.row,
        )

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

    def outputs(self, samples: Sequence[Sample], params: GenerationParams) -> list[str]:
        """Generate one completion per sample, and return their texts as they are scored.

        Raises:
            TrialError: A completion cannot be generated, or `output_preproc` failed.
        """
        completions = self.generate([self.request(sample, params) for sample in samples])
        return [self.text(sample, completion) for sample, completion in zip(samples, completions, strict=True)]

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

    def stored(self, position: int, sample: Sample, completion: Completion) -> StoredCompletion:
        """Return a completion in the form that the database stores, with the score None.

        Args:
            position: The sample's index in its split. All trials share the order of a split.
            sample: The sample.
            completion: Its completion.

        Raises:
            TrialError: `output_preproc` failed; see the method `text`.
        """
        return StoredCompletion(
            position=position,
            row=sample.row,
            text=self.text(sample, completion),
            token_ids=completion.token_ids,
            finish_reason=completion.finish_reason,
            score=None,
            token_count_reported=completion.token_count_reported,
            thinking_token_count=completion.thinking_token_count,
            prompt_token_count=completion.prompt_token_count,
        )

    def score(self, samples: Sequence[Sample], texts: Sequence[str]) -> Scores:
        """Score the completions of one or more samples.

        Args:
            samples: The samples, length n.
            texts: Their completions, length n.

        Raises:
            MetricError: The references do not fit the metric.
            ScorerError: The scorer raised an exception, did not return in time, or returned the wrong number of scores,
                NaN, or a score outside `score_range`. The message names the row.
            ScoringGivenUpError: The search is to end, and the scorer has not returned.
        """
        references = [sample.reference for sample in samples]
        rows = [sample.row for sample in samples]
        scores = call_metric(self.metric, references, texts, sample_ids=rows, is_to_end=self.is_to_end)
        if scores.per_sample is not None:
            self.check_range(samples, scores.per_sample)
        return scores

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
