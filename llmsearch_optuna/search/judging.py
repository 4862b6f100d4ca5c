"""The metric `judge` in a study: connected with its judge, and with the database that keeps the judgements."""

import contextlib
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from llmsearch_optuna.data.chat import writes_time
from llmsearch_optuna.engine.http import OpenAIServer
from llmsearch_optuna.engine.judge import server_judge, study_judge
from llmsearch_optuna.errors import ConfigurationError, MetricError, describe_error
from llmsearch_optuna.identity import digest
from llmsearch_optuna.metrics import Metric
from llmsearch_optuna.metrics.judge import JudgeMetric
from llmsearch_optuna.metrics.judging import JudgedMetric, Judgement
from llmsearch_optuna.metrics.reducers import ReducedMetric, unreduced
from llmsearch_optuna.storage import CompletionStore, JudgementStore, StoredJudgement
from llmsearch_optuna.study.judge import judge_cost
from llmsearch_optuna.study.price import Price

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from llmsearch_optuna.data.prompts import PromptSource
    from llmsearch_optuna.engine.backend import Backend

__all__ = [
    "StoredJudgements",
    "asks_with_time",
    "judge_attribute",
    "judge_spending",
    "with_server",
    "with_store",
    "with_study_engine",
]


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
    try:
        if settings.price is not None:
            Price.of(settings.price)
    except ConfigurationError as error:
        raise MetricError(f"metric `judge`: {error}") from error
    if settings.server is None:
        return metric
    if not isinstance(settings.server, OpenAIServer):
        raise MetricError(f"`server` of metric `judge` must be an OpenAIServer, got {settings.server!r}")
    return _replaced(metric, JudgedMetric(settings=settings, judge=server_judge(settings.server)))


def with_study_engine(metric: Metric, backend: "Backend", source: "PromptSource") -> Metric:
    """Connect a judge that is the study's own model. Other metrics are returned unchanged.

    Args:
        metric: The metric, which may be connected already, with another `source`.
        backend: The engine of the study.
        source: Renders the questions as it renders chat messages: with the same arguments and at the same time.

    Raises:
        MetricError: The chat template renders no question.
    """
    settings = _study_judge_settings(metric)
    if settings is None:
        return metric
    identity, tokenizer = backend.identity, backend.tokenizer
    render: Callable[[list[dict[str, Any]]], str] | None = None
    if tokenizer is not None and tokenizer.chat_template:
        render = partial(source.chat_prompt, tokenizer=tokenizer)
        identity += _rendering(source, tokenizer)
    return _replaced(metric, JudgedMetric(settings=settings, judge=study_judge(backend, identity, render)))


def asks_with_time(metric: Metric, tokenizer: "PreTrainedTokenizerBase | None") -> bool:
    """Return whether the study's own model judges, and its chat template may write the time into the questions."""
    return _study_judge_settings(metric) is not None and writes_time(tokenizer)


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


def _study_judge_settings(metric: Metric) -> JudgeMetric | None:
    """Return the settings of a judge that is the study's own model, connected or not; None for other metrics."""
    single = unreduced(metric)
    settings = single.settings if isinstance(single, JudgedMetric) else single
    return settings if isinstance(settings, JudgeMetric) and settings.engine is not None else None


def _rendering(source: "PromptSource", tokenizer: "PreTrainedTokenizerBase") -> str:
    """Return a digest of a rendered question, for the keys of judgements; empty if it is a string in a plain template.

    The keys of such questions are those of earlier versions, which rendered all questions in that way.

    Raises:
        MetricError: The template renders no question.
    """
    question: list[dict[str, Any]] = [{"role": "user", "content": "question"}]
    try:
        rendered = source.chat_prompt(question, tokenizer)
    except Exception as error:  # a template may raise anything
        raise MetricError(
            f"metric `judge`: the chat template of the study's model renders no question: {describe_error(error)}"
        ) from error
    untyped: Any = tokenizer
    plain = ""
    with contextlib.suppress(Exception):  # e.g. because it reads parts
        plain = untyped.apply_chat_template(question, tokenize=False, add_generation_prompt=True)
    return "" if rendered == plain and not writes_time(tokenizer) else f" {digest(rendered)}"


def _replaced(metric: Metric, single: Metric) -> Metric:
    return dataclasses.replace(metric, metric=single) if isinstance(metric, ReducedMetric) else single
