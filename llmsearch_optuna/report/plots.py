"""Every figure of the report by itself, for notebooks."""

import optuna
import plotly.graph_objects as go
from optuna.storages import RDBStorage

from llmsearch_optuna.errors import ConfigurationError, StorageError, unknown_name
from llmsearch_optuna.report.curves import history, learning_curves
from llmsearch_optuna.report.drawing import (
    draw_cost,
    draw_history,
    draw_importances,
    draw_learning_curves,
    draw_quality,
    draw_samples,
    draw_seeds,
    draw_slice,
    draw_standings,
)
from llmsearch_optuna.report.outcomes import cost, quality_by_tokens, seed_scores, standings
from llmsearch_optuna.report.parameters import LEAST_TRIALS, importances, parameter_slice
from llmsearch_optuna.report.record import StudyRecord, read_study
from llmsearch_optuna.report.samples import sample_scores

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
]


def plot_standings(study: optuna.Study, storage: RDBStorage | str) -> go.Figure:
    """Baselines against best: what the finalists scored on the search split, with 95 % intervals, and held out.

    Args:
        study: The study.
        storage: The database that it lives in: opened, or its file or URL.

    Raises:
        StorageError: The database cannot be read, or no trial is fully evaluated yet.
    """
    record = _complete(study, storage)
    return draw_standings(standings(record), record.score_name)


def plot_history(study: optuna.Study, storage: RDBStorage | str) -> go.Figure:
    """The optimisation history, with pruned and failed trials.

    Args:
        study: The study.
        storage: The database that it lives in: opened, or its file or URL.

    Raises:
        StorageError: The database cannot be read.
    """
    record = read_study(study, storage)
    return draw_history(history(record), record.score_name)


def plot_learning_curves(study: optuna.Study, storage: RDBStorage | str) -> go.Figure:
    """The metric over the first samples, trial by trial, and the band of the incumbent's: see `learning_curves`.

    Args:
        study: The study.
        storage: The database that it lives in: opened, or its file or URL.

    Raises:
        StorageError: The database cannot be read.
    """
    record = read_study(study, storage)
    return draw_learning_curves(learning_curves(record), record.score_name)


def plot_quality(study: optuna.Study, storage: RDBStorage | str) -> go.Figure:
    """Quality against tokens, with the Pareto front.

    Args:
        study: The study.
        storage: The database that it lives in: opened, or its file or URL.

    Raises:
        StorageError: The database cannot be read, or no trial is fully evaluated yet.
    """
    record = _complete(study, storage)
    return draw_quality(quality_by_tokens(record), record.best, record.score_name)


def plot_seeds(study: optuna.Study, storage: RDBStorage | str) -> go.Figure:
    """How much the metric varies from seed to seed: on the hold-out split, or else between trials.

    Args:
        study: The study.
        storage: The database that it lives in: opened, or its file or URL.

    Raises:
        StorageError: The database cannot be read, or no trial is fully evaluated yet.
    """
    record = _complete(study, storage)
    return draw_seeds(seed_scores(record), record.score_name)


def plot_cost(study: optuna.Study, storage: RDBStorage | str) -> go.Figure:
    """Tokens generated, and saved by pruning, trial by trial.

    Args:
        study: The study.
        storage: The database that it lives in: opened, or its file or URL.

    Raises:
        StorageError: The database cannot be read.
    """
    record = read_study(study, storage)
    return draw_cost(cost(record))


def plot_importances(study: optuna.Study, storage: RDBStorage | str) -> go.Figure:
    """How important each parameter is, with intervals from a bootstrap over trials: see `importances`.

    Args:
        study: The study.
        storage: The database that it lives in: opened, or its file or URL.

    Raises:
        StorageError: The database cannot be read, or too few trials are fully evaluated.
    """
    found = importances(read_study(study, storage))
    if not found.rows:
        raise StorageError(
            f"importances need {LEAST_TRIALS} fully evaluated trials of the sampler that do not all score the same, "
            f"study `{study.study_name}` has {found.trials}"
        )
    return draw_importances(found)


def plot_slice(study: optuna.Study, storage: RDBStorage | str, parameter: str) -> go.Figure:
    """The score along one parameter, with its uncertainty: see `parameter_slice`.

    Args:
        study: The study.
        storage: The database that it lives in: opened, or its file or URL.
        parameter: A parameter that the sampler chose.

    Raises:
        ConfigurationError: No trial chose this parameter.
        StorageError: The database cannot be read.
    """
    record = read_study(study, storage)
    if parameter not in record.parameters:
        raise ConfigurationError(unknown_name("searched parameter", parameter, record.parameters))
    return draw_slice(parameter_slice(record, parameter), record.score_name)


def plot_samples(study: optuna.Study, storage: RDBStorage | str) -> go.Figure:
    """The heat map of all scores: samples, the hardest first, by trials, the best first.

    Args:
        study: The study.
        storage: The database that it lives in: opened, or its file or URL.

    Raises:
        StorageError: The database cannot be read, no trial is fully evaluated yet, or the metric scores only a corpus.
    """
    record = _complete(study, storage)
    found = sample_scores(record)
    if found is None:
        raise StorageError(f"study `{study.study_name}` has no scores of single samples: its metric scores a corpus")
    return draw_samples(found, record.score_name, maximize=record.maximize)


def _complete(study: optuna.Study, storage: RDBStorage | str) -> StudyRecord:
    record = read_study(study, storage)
    if record.best is None:
        raise StorageError(f"study `{study.study_name}` has no fully evaluated trial yet")
    return record
