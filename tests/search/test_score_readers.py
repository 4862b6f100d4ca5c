import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from llmsearch_optuna.search.score_readers import RememberedScores, StoredScores, report_scores, reported_scores
from llmsearch_optuna.storage import CompletionStore, StoredCompletion, open_storage
from llmsearch_optuna.study.study import create_study, study_key


def completion(position: int, score: float | None) -> StoredCompletion:
    return StoredCompletion(
        position=position, row=position, text="x", token_ids=(1, 2), finish_reason="eos", score=score
    )


def test_what_is_reported_is_read() -> None:
    study = optuna.create_study()
    trial = study.ask()
    assert reported_scores(study, study.trials[0]) is None
    for scores in ([0.25, 1], [0.25, 1, 0.1]):
        report_scores(trial, scores)
        read = reported_scores(study, study.trials[0])
        assert read is not None
        assert read.tolist() == scores


def test_what_is_stored_is_read() -> None:
    database = open_storage(None)
    study = create_study("s", database, greater_is_better=True, fingerprint={})
    store = CompletionStore(database)
    reader = StoredScores(store, study_key(study))
    for _ in range(3):
        study.ask()
    store.append(study_key(study), 1, [completion(1, 0.5), completion(0, 0.25)])
    store.append(study_key(study), 2, [completion(0, 0.5), completion(1, None)])
    assert reader(study, study.trials[0]) is None
    scores = reader(study, study.trials[1])
    assert scores is not None
    assert list(scores) == [0.25, 0.5]
    assert reader(study, study.trials[2]) is None  # the metric scores only the corpus


@pytest.mark.parametrize("state", [TrialState.PRUNED, TrialState.RUNNING])
def test_finished_trials_are_read_once(state: TrialState) -> None:
    reads: list[int] = []

    def reader(study: optuna.Study, trial: FrozenTrial) -> list[float]:
        reads.append(trial.number)
        return [float(len(reads))]

    remembered = RememberedScores(reader)
    study = optuna.create_study()
    trial = study.ask()
    if state == TrialState.PRUNED:
        study.tell(trial, state=state)
    first, again = (remembered(study, study.trials[0]) for _ in range(2))
    assert first is not None
    assert again is not None
    assert len(reads) == (1 if state == TrialState.PRUNED else 2)
    assert again.tolist() == [float(len(reads))]


def test_studies_of_the_same_name_are_kept_apart() -> None:
    remembered = RememberedScores(reported_scores)
    for score in (0.25, 0.5):
        study = optuna.create_study(study_name="s", storage=optuna.storages.InMemoryStorage())
        trial = study.ask()
        report_scores(trial, [score])
        study.tell(trial, score)
        scores = remembered(study, study.trials[0])
        assert scores is not None
        assert scores.tolist() == [score]


@pytest.mark.parametrize("alone", [True, False])
def test_who_is_alone_looks_for_complete_trials_only_when_told(alone: bool) -> None:
    remembered = RememberedScores(reported_scores, alone=alone)
    study = optuna.create_study()

    def finish(state: TrialState = TrialState.COMPLETE) -> None:
        trial = study.ask()
        report_scores(trial, [0.5, 0.25])
        study.tell(trial, 0.375 if state == TrialState.COMPLETE else None, state)

    def complete_scores() -> list[tuple[int, list[float]]]:
        return [(entry.trial.number, entry.scores.tolist()) for entry in remembered.complete(study)]

    finish()
    assert complete_scores() == [(0, [0.5, 0.25])]
    finish(TrialState.PRUNED)
    finish()
    assert len(complete_scores()) == (1 if alone else 2)
    remembered.trial_ended(study.trials[-1], None, 0.0)
    assert complete_scores() == [(0, [0.5, 0.25]), (2, [0.5, 0.25])]
