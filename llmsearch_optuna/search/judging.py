"""The metric `judge` in a study: connected with its judge, and with the database that keeps the judgements."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from llmsearch_optuna.engine.http import OpenAIServer
from llmsearch_optuna.engine.judge import server_judge, study_judge
from llmsearch_optuna.errors import ConfigurationError, MetricError
from llmsearch_optuna.metrics import Metric
from llmsearch_optuna.metrics.judge import JudgeMetric
from llmsearch_optuna.metrics.judging import JudgedMetric, Judgement
from llmsearch_optuna.metrics.reducers import ReducedMetric, unreduced
from llmsearch_optuna.storage import CompletionStore, JudgementStore, StoredJudgement
from llmsearch_optuna.study.judge import judge_cost
from llmsearch_optuna.study.price import Price

if TYPE_CHECKING:
    from llmsearch_optuna.engine.backend import Backend

__all__ = ["StoredJudgements", "judge_attribute", "judge_spending", "with_server", "with_store", "with_study_engine"]


class StoredJudgements:
    """The judgements of a database as a `JudgementCache`."""

    def __init__(self, store: JudgementStore) -> None:
        self.store = store

    def load(self, keys: Sequence[str]) -> Mapping[str, Judgement]:
        """See `JudgementCache`."""
        return {key: Judgement(*stored) for key, stored in self.store.load(keys).items()}

    def save(self, judgements: Mapping[str, Judgement]) -> None:
        """See `JudgementCache`."""
        self.store.save({key: StoredJudgement(*judgement) for key, judgement in judgements.items()})


def with_server(metric: Metric) -> Metric:
    """Connect a judge behind a server of its own. Other metrics are returned unchanged.

    Raises:
        ConfigurationError: The price is wrong, or the server does not have the model.
        ServerError: The server cannot be reached.
    """
    settings = unreduced(metric)
    if not isinstance(settings, JudgeMetric):
        return metric
    if settings.price is not None:
        _check_price(settings.price)
    if settings.server is None:
        return metric
    if not isinstance(settings.server, OpenAIServer):
        raise MetricError(f"`server` of metric `judge` must be an OpenAIServer, got {settings.server!r}")
    return _replaced(metric, JudgedMetric(settings=settings, judge=server_judge(settings.server)))


def with_study_engine(metric: Metric, backend: "Backend") -> Metric:
    """Connect a judge that is the study's own model. Other metrics are returned unchanged."""
    settings = unreduced(metric)
    if not isinstance(settings, JudgeMetric):
        return metric
    return _replaced(metric, JudgedMetric(settings=settings, judge=study_judge(backend)))


def with_store(metric: Metric, store: CompletionStore, study_key: str) -> Metric:
    """Return a metric whose judgements, if it has any, are kept in a database.

    Args:
        metric: The metric.
        store: The database.
        study_key: The study that asks for the judgements.
    """
    judged = unreduced(metric)
    if not isinstance(judged, JudgedMetric):
        return metric
    return _replaced(metric, dataclasses.replace(judged, cache=StoredJudgements(store.judgements(study_key))))


def judge_attribute(metric: Metric) -> dict[str, Any] | None:
    """Return what a study stores of its judge, the name and the price; None without one."""
    judged = unreduced(metric)
    if not isinstance(judged, JudgedMetric):
        return None
    price = judged.settings.price
    return {"name": judged.judge.label, "price": None if price is None else Price.of(price).to_dict()}


def judge_spending(metric: Metric) -> float:
    """Return what the stored judgements of a study have cost; 0 without a judge or its price."""
    judged = unreduced(metric)
    if not isinstance(judged, JudgedMetric) or not isinstance(judged.cache, StoredJudgements):
        return 0.0
    return judge_cost(judge_attribute(metric), judged.cache.store.counts()) or 0.0


def _replaced(metric: Metric, single: Metric) -> Metric:
    return dataclasses.replace(metric, metric=single) if isinstance(metric, ReducedMetric) else single


def _check_price(price: Mapping[str, Any]) -> None:
    try:
        Price.of(price)
    except ConfigurationError as error:
        raise MetricError(f"metric `judge`: {error}") from error
