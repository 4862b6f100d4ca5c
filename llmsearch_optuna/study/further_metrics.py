"""Further metrics of a study, which are shown and may be constrained, but not optimised."""

from collections.abc import Mapping, Sequence

from optuna.trial import FrozenTrial

from llmsearch_optuna.errors import MetricError
from llmsearch_optuna.metrics import CorpusMetric, Metric, Reference, check_references, make_metric
from llmsearch_optuna.metrics.judge import JudgeMetric
from llmsearch_optuna.metrics.reducers import unreduced
from llmsearch_optuna.study.attributes import METRIC
from llmsearch_optuna.study.objectives import EXPENSES, SCORE

__all__ = ["check_label", "make_further_metrics", "metric_means"]


def make_further_metrics(metrics: Mapping[str, object] | None, references: Sequence[Reference]) -> dict[str, Metric]:
    """Build the further metrics of a study.

    Args:
        metrics: What `make_metric` takes, by label; None for no further metrics.
        references: The references of all samples, on which the metrics are checked; see `check_references`.

    Returns:
        The metrics by label.

    Raises:
        MetricError: A label or a metric is wrong, a metric scores only a corpus or is a judge, or the references do not
            fit it.
    """
    if metrics is not None and not isinstance(metrics, Mapping):
        raise MetricError(f"`further_metrics` must be metrics by label, got {metrics!r}")
    further = {}
    for label, spec in (metrics or {}).items():
        check_label(label)
        further[label] = metric = make_metric(spec)
        if isinstance(metric, CorpusMetric):
            raise MetricError(
                f"the further metric `{label}` must score single samples, and `{metric.name}` scores a corpus"
            )
        if isinstance(unreduced(metric), JudgeMetric):  # whose judgements are counted for one judge of a study
            raise MetricError(
                f"the further metric `{label}` must not be a judge: only the metric that is optimised may"
            )
        check_references(metric, references)
    return further


def check_label(label: object) -> None:
    """Raise an error if something cannot be the label of a further metric.

    Raises:
        MetricError: It is no text on one line, or the name of an objective.
    """
    if not isinstance(label, str) or not label.isprintable() or not label.strip():
        raise MetricError(f"the label of a further metric must be text on one line, got {label!r}")
    if label in (SCORE, *EXPENSES):
        raise MetricError(f"the label of a further metric must not be the name of an objective, got `{label}`")


def metric_means(trial: FrozenTrial) -> dict[str, float]:
    """Return the mean score of an evaluated trial under each further metric, by label."""
    return {
        name.removeprefix(METRIC): float(value) for name, value in trial.user_attrs.items() if name.startswith(METRIC)
    }
