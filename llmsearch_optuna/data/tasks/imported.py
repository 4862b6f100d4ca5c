"""What a task of another package gives: rows, a metric, stop strings."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llmsearch_optuna._version import requirement
from llmsearch_optuna.errors import TaskError
from llmsearch_optuna.metrics import Metric, Reference, ScoreRange, ScorerCalls, Scores
from llmsearch_optuna.metrics.base import sample_numbers
from llmsearch_optuna.metrics.calls import ONCE
from llmsearch_optuna.metrics.scorer import run_scorer

__all__ = ["ImportedTask", "TaskMetric", "not_installed"]


@dataclass(frozen=True, kw_only=True)
class TaskMetric:
    """The scoring function of a task as a `Metric`.

    Attributes:
        name: The task, and everything that its scores depend on: its arguments and the version of the package.
        score: ``(references, predictions) -> one score per sample``.
        greater_is_better: Whether a study maximises the value.
        score_range: The minimum and the maximum of a score; None if unknown.
        calls: How the function is called.
    """

    name: str
    score: Callable[[list[dict[str, Any]], list[str]], list[Any]]
    greater_is_better: bool = True
    score_range: ScoreRange | None = None
    calls: ScorerCalls = ONCE

    def __call__(
        self, references: Sequence[Reference], predictions: Sequence[str], *, sample_ids: Sequence[int] | None = None
    ) -> Scores:
        """See `Metric`."""
        samples = sample_numbers(references, predictions, sample_ids)
        label = self.name.partition("(")[0]
        return run_scorer(label, self.score, references, predictions, samples, self.calls)


@dataclass(frozen=True, kw_only=True)
class ImportedTask:
    """A task of another package.

    Attributes:
        rows: The rows.
        metric: The metric of the task.
        data: Options of `DataOptions`: the columns and the prompt.
        stop: Strings that end a completion.
        output_preproc: What the task does to a completion before it is scored; for a `Tuner`.
        max_new_tokens: The length limit of a completion in tokens that the task asks for; None if it asks for none.
    """

    rows: Sequence[Mapping[str, Any]]
    metric: Metric
    data: Mapping[str, Any]
    stop: tuple[str, ...] = ()
    output_preproc: Callable[[str], str] = str.strip
    max_new_tokens: int | None = None

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of `Tuner`: dataset, metric, columns, prompt, stop strings, `output_preproc`."""
        data = dict(self.data)
        columns = {key: data.pop(key) for key in ("input_cols", "eval_cols") if key in data}
        return {
            "dataset": self.rows,
            "scorer": self.metric,
            "column_mapping": columns,
            "stop": self.stop,
            "output_preproc": self.output_preproc,
            **data,
        }


def not_installed(task: str, package: str, error: ImportError) -> TaskError:
    """Return the error for a task whose package cannot be imported."""
    return TaskError(f"task `{task}` needs {package}: pip install {requirement('tasks')} ({error})")
