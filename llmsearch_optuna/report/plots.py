"""The figures of the report as single plots, for notebooks.

Every function takes a study and its database: an opened storage, a file or a URL. It raises `StorageError` if the
database cannot be read; see `read_study`.
"""

import optuna
import plotly.graph_objects as go
from optuna.storages import RDBStorage

from llmsearch_optuna.errors import ConfigurationError, StorageError, unknown_name
from llmsearch_optuna.report import drawing, tradeoffs
from llmsearch_optuna.report.curves import best_band
from llmsearch_optuna.report.outcomes import cost, quality_by_expense, seed_scores, summarize_finalists
from llmsearch_optuna.report.parameters import MINIMUM_TRIALS, importances, parameter_slice
from llmsearch_optuna.report.record import StudyRecord, read_study
from llmsearch_optuna.report.samples import sample_scores
from llmsearch_optuna.report.variants import variants
from llmsearch_optuna.storage import Storage

__all__ = [
    "plot_cost",
    "plot_history",
    "plot_importances",
    "plot_learning_curves",
    "plot_quality",
    "plot_samples",
    "plot_seeds",
    "plot_slice",
    "plot_standings",
    "plot_variants",
]


def plot_standings(study: optuna.Study, storage: RDBStorage | Storage) -> go.Figure:
    """Plot the finalists' scores on the search split, with 95 % intervals, and on the hold-out split.

    Raises:
        StorageError: No trial is fully evaluated yet.
    """
    record = _read_complete(study, storage)
    return drawing.draw_standings(record, summarize_finalists(record))


def plot_history(study: optuna.Study, storage: RDBStorage | Storage) -> go.Figure:
    """Plot the optimisation history, with pruned and failed trials."""
    return drawing.draw_history(read_study(study, storage))


def plot_learning_curves(study: optuna.Study, storage: RDBStorage | Storage) -> go.Figure:
    """Plot the metric over the first samples by trial, with the band of the best trial; see `best_band`."""
    record = read_study(study, storage)
    return drawing.draw_learning_curves(record, best_band(record))


def plot_quality(study: optuna.Study, storage: RDBStorage | Storage) -> go.Figure:
    """Plot the metric against the tokens per sample, or the cost of 1,000, with the Pareto front.

    Raises:
        StorageError: No trial is fully evaluated yet.
    """
    record = _read_complete(study, storage)
    return tradeoffs.draw_quality(record, quality_by_expense(record))


def plot_variants(study: optuna.Study, storage: RDBStorage | Storage) -> go.Figure:
    """Plot the metric against tokens or cost by variant of the prompts or requests; see `variants`.

    Raises:
        StorageError: The fully evaluated trials have no setting under ``template.`` or ``body.`` with several values.
    """
    record = read_study(study, storage)
    groups = variants(record)
    if not groups:
        raise StorageError(f"study `{study.study_name}` has no fully evaluated trials of several variants")
    return tradeoffs.draw_variants(record, groups)


def plot_seeds(study: optuna.Study, storage: RDBStorage | Storage) -> go.Figure:
    """Plot how the metric varies with the seed, on the hold-out split or between trials; see `seed_scores`.

    Raises:
        StorageError: No trial is fully evaluated yet.
    """
    record = _read_complete(study, storage)
    return drawing.draw_seeds(seed_scores(record), record.score_name)


def plot_cost(study: optuna.Study, storage: RDBStorage | Storage) -> go.Figure:
    """Plot the tokens generated and the tokens saved by pruning, by trial."""
    return drawing.draw_cost(cost(read_study(study, storage)))


def plot_importances(study: optuna.Study, storage: RDBStorage | Storage) -> go.Figure:
    """Plot the importance of each parameter, with intervals from a bootstrap over trials; see `importances`.

    Raises:
        StorageError: Too few trials are fully evaluated, or all score the same.
    """
    importance = importances(read_study(study, storage))
    if not importance.rows:
        raise StorageError(
            f"importances need at least {MINIMUM_TRIALS} fully evaluated trials of the sampler with different scores, "
            f"study `{study.study_name}` has {importance.trials}"
        )
    return drawing.draw_importances(importance)


def plot_slice(study: optuna.Study, storage: RDBStorage | Storage, parameter: str) -> go.Figure:
    """Plot the score along one parameter of the search space, with its uncertainty; see `parameter_slice`.

    Raises:
        ConfigurationError: No trial has a sampled value of this parameter.
    """
    record = read_study(study, storage)
    if parameter not in record.parameters:
        raise ConfigurationError(unknown_name("searched parameter", parameter, record.parameters))
    return drawing.draw_slice(record, parameter_slice(record, parameter))


def plot_samples(study: optuna.Study, storage: RDBStorage | Storage) -> go.Figure:
    """Plot a heat map of all scores: one row per sample, hardest first, and one column per trial; see `sample_scores`.

    Raises:
        StorageError: No trial is fully evaluated yet, or the metric scores only a corpus.
    """
    record = _read_complete(study, storage)
    scores = sample_scores(record)
    if scores is None:
        raise StorageError(
            f"study `{study.study_name}` has no scores of single samples: its metric scores only a corpus"
        )
    return drawing.draw_samples(scores, record.score_name, maximize=record.maximize)


def _read_complete(study: optuna.Study, storage: RDBStorage | Storage) -> StudyRecord:
    record = read_study(study, storage)
    if record.best is None:
        raise StorageError(f"study `{study.study_name}` has no fully evaluated trial yet")
    return record
