"""The search loop: ask, evaluate, tell; and taking up the trials that an interrupted run left behind."""

import logging
import time
from collections.abc import Iterator

import optuna
from optuna.storages import RDBStorage
from optuna.trial import TrialState

from llmsearch_optuna.errors import TrialError
from llmsearch_optuna.objective import Evaluation, GenerationObjective
from llmsearch_optuna.progress import SearchProgress
from llmsearch_optuna.proposals import Proposer
from llmsearch_optuna.study import ERROR

__all__ = ["run_search"]

_LOG = logging.getLogger(__name__)

_FINISHED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


def run_search(
    study: optuna.Study,
    storage: RDBStorage,
    objective: GenerationObjective,
    proposer: Proposer,
    *,
    n_trials: int,
    show_progress: bool,
) -> None:
    """Runs trials until `n_trials` are finished, counting those of earlier runs.

    A trial that cannot be scored fails, and the search goes on. An interrupted trial stays RUNNING in the storage; the
    next call takes it up where its last rung was stored.

    Args:
        study: The study, with its pruner.
        storage: Where it lives.
        objective: Evaluates a trial.
        proposer: Queues every trial.
        n_trials: Finished trials wanted in total.
        show_progress: Whether to show progress on standard error.

    Raises:
        TrialError: Every trial failed; the message gives the first failure.
    """
    with SearchProgress(study, samples=len(objective.samples), n_trials=n_trials, enabled=show_progress) as progress:
        progress.begin(len(study.get_trials(deepcopy=False, states=_FINISHED)))
        for trial in _trials(study, storage, proposer, n_trials):
            _run_trial(study, trial, objective, progress)
    failed = study.get_trials(deepcopy=False, states=(TrialState.FAIL,))
    if failed and len(failed) == len(study.get_trials(deepcopy=False, states=_FINISHED)):
        raise TrialError(f"all {len(failed)} trials failed, the first with: {failed[0].user_attrs.get(ERROR)}")


def _trials(study: optuna.Study, storage: RDBStorage, proposer: Proposer, n_trials: int) -> Iterator[optuna.Trial]:
    """The trials to evaluate: those left RUNNING by an interrupted run, then new ones."""
    study_id = storage.get_study_id_from_name(study.study_name)
    for left in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        yield optuna.Trial(study, storage.get_trial_id_from_study_id_trial_number(study_id, left.number))
    while len(study.get_trials(deepcopy=False, states=_FINISHED)) < n_trials:
        waiting = study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
        if not waiting and not proposer.enqueue(study):
            _LOG.info("every point of the grid is evaluated")
            return
        yield study.ask()


def _run_trial(
    study: optuna.Study, trial: optuna.Trial, objective: GenerationObjective, progress: SearchProgress
) -> None:
    started = time.monotonic()
    evaluation: Evaluation | None = None
    try:
        evaluation = objective.start(trial)
        progress.trial_at(trial.number, evaluation)
        while not evaluation.finished:
            evaluation.advance(progress.tokens)
            progress.trial_at(trial.number, evaluation)
    except TrialError as error:
        _LOG.warning("trial %d failed: %s", trial.number, error)
        trial.set_user_attr(ERROR, str(error))
        finished = study.tell(trial, state=TrialState.FAIL)
    else:
        if evaluation.pruned:
            finished = study.tell(trial, state=TrialState.PRUNED)
        else:
            finished = study.tell(trial, evaluation.value)
    progress.trial_finished(finished, evaluation, time.monotonic() - started)
