"""Searches whose scorer fails for a while, or hangs."""

import time
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState
from tiny_studies import everything, make_tuner, scorer, search

from llmsearch_optuna.errors import TrialError
from llmsearch_optuna.study.attributes import BASELINE, REPEATS, REUSED_FROM
from llmsearch_optuna.verdict.finalists import select_finalists


class Judge:
    """The scorer of `tiny_studies`, which fails or hangs while `is_down`."""

    def __init__(self) -> None:
        self.is_down, self.hangs = False, False

    def __call__(self, references: list[dict[str, str]], predictions: list[str]) -> list[float]:
        if self.is_down:
            raise ConnectionError("the judge is down")
        if self.hangs:
            time.sleep(60)
        return scorer(references, predictions)


@pytest.mark.full
def test_a_later_search_repeats_what_failed_by_the_scorer(tmp_path: Path) -> None:
    judge = Judge()
    judge.is_down = True
    tuner = make_tuner(scorer=judge)
    with pytest.raises(TrialError, match=r"all 3 trials failed.*ConnectionError: the judge is down"):
        search(tuner, tmp_path / "x.db", 3)
    judge.is_down = False
    study = search(tuner, tmp_path / "x.db", 3)
    assert [trial.state for trial in study.trials] == [TrialState.FAIL] * 3 + [TrialState.COMPLETE] * 3
    assert [trial.user_attrs.get(REPEATS) for trial in study.trials] == [None] * 3 + [0, 1, 2]
    assert [trial.params for trial in study.trials[3:]] == [trial.params for trial in study.trials[:3]]
    assert study.trials[3].user_attrs[BASELINE] == study.trials[0].user_attrs[BASELINE]
    assert select_finalists(study).reference is not None
    assert len(search(tuner, tmp_path / "x.db", 3).trials) == 6  # nothing is repeated twice
    assert len(search(tuner, tmp_path / "x.db", 4).trials) == 7


@pytest.mark.full
def test_what_a_failed_trial_has_stored_is_used_by_its_repetition(tmp_path: Path) -> None:
    judge = Judge()

    def fail_after_a_rung(event: dict[str, Any]) -> None:
        judge.is_down = event["event"] == "rung" or judge.is_down

    tuner = make_tuner(scorer=judge)
    with pytest.raises(TrialError, match="all 1 trials failed"):
        search(tuner, tmp_path / "x.db", 1, on_event=fail_after_a_rung)
    judge.is_down = False
    study = search(tuner, tmp_path / "x.db", 1)
    failed, repeated = study.trials
    assert len(failed.intermediate_values) == 1
    assert repeated.state == TrialState.COMPLETE
    assert repeated.user_attrs[REUSED_FROM] == 0
    assert repeated.user_attrs["reused_tokens"] > 0


@pytest.mark.full
@pytest.mark.parametrize("limit", ["stop", "timeout"])
def test_a_search_ends_while_the_scorer_hangs_and_goes_on_as_if_it_had_not(
    limit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_LONG_S", "_PATIENCE_S"):
        monkeypatch.setattr(f"llmsearch_optuna.metrics.calls.{name}", 0.05)
    judge = Judge()

    def hang_after_a_rung(event: dict[str, Any]) -> None:
        judge.hangs = event["event"] == "rung" or judge.hangs

    end: dict[str, Any] = {"should_stop": lambda: judge.hangs} if limit == "stop" else {"timeout": 0.3}
    study = search(make_tuner(scorer=judge), tmp_path / "x.db", 2, on_event=hang_after_a_rung, **end)
    assert TrialState.RUNNING in [trial.state for trial in study.trials]
    assert TrialState.FAIL not in [trial.state for trial in study.trials]
    judge.hangs = False
    resumed = search(make_tuner(scorer=judge), tmp_path / "x.db", 2)
    whole = search(make_tuner(scorer=judge), tmp_path / "y.db", 2)
    assert everything(resumed, tmp_path / "x.db") == everything(whole, tmp_path / "y.db")


def test_a_preprocessor_that_exits_fails_the_trial() -> None:
    def leave(text: str) -> str:
        raise SystemExit(0)

    with pytest.raises(TrialError, match="output_preproc raised SystemExit: 0 on row"):
        search(make_tuner(output_preproc=leave), None, 1)
