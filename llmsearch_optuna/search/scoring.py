"""What one sample asks of an engine, and what its completion must be before it counts."""

from collections.abc import Callable, Sequence

from llmsearch_optuna.data.task import Sample
from llmsearch_optuna.engine.base import Completion, Request, Stopping
from llmsearch_optuna.errors import ScorerError, TrialError
from llmsearch_optuna.metrics import ScoreRange
from llmsearch_optuna.space.params import GenerationParams

__all__ = ["check_scores", "processed_text", "request_of"]


def request_of(sample: Sample, params: GenerationParams, stopping: Stopping) -> Request:
    """What an engine must know to complete a sample."""
    return Request(
        prompt=sample.prompt,
        prompt_ids=sample.token_ids,
        params=sample.limited(params),
        stopping=stopping,
        row=sample.row,
    )


def processed_text(output_preproc: Callable[[str], str], sample: Sample, completion: Completion) -> str:
    """A completion as the metric shall see it.

    Raises:
        TrialError: `output_preproc` raised, or returned no text.
    """
    try:
        text = output_preproc(completion.text)
    except Exception as error:
        raise TrialError(f"output_preproc raised {type(error).__name__}: {error} on row {sample.row}") from error
    if not isinstance(text, str):
        raise TrialError(f"output_preproc must return a string, got {type(text).__name__}")
    return text


def check_scores(
    samples: Sequence[Sample], scores: Sequence[float], score_range: ScoreRange | None, label: str = ""
) -> None:
    """Refuses scores that the metric was said not to give.

    Args:
        samples: The samples.
        scores: Their scores.
        score_range: The least and the largest; ``None`` refuses nothing.
        label: What the message begins with.

    Raises:
        ScorerError: A score is outside.
    """
    if score_range is None:
        return
    low, high = score_range
    for sample, score in zip(samples, scores, strict=True):
        if not low <= score <= high:
            raise ScorerError(f"{label}row {sample.row} scored {score}, but `score_range` is [{low}, {high}]")
