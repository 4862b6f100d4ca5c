"""Signals: Ctrl-C once and SIGTERM finish the rung, Ctrl-C twice stops at once."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState
from tiers import partly_full
from tiny_studies import everything, make_tuner, search

from llmsearch_optuna import Tuner
from llmsearch_optuna.cli.interruption import Interruption


def send(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Whatever a test does, the next one has Python's own."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        assert signal.getsignal(number) is handler
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_asks_to_stop(number: signal.Signals, caplog: pytest.LogCaptureFixture) -> None:
    with Interruption() as interruption:
        assert not interruption()
        send(number)
        assert interruption()
        assert interruption.signal == number
    assert f"{number.name}: the search stops after the samples in progress; Ctrl-C now stops it at once" in caplog.text


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_after_that_stops_at_once(first: signal.Signals) -> None:
    with Interruption():
        send(first)
        with pytest.raises(KeyboardInterrupt):
            send(signal.SIGINT)


def test_a_supervisor_may_repeat_itself() -> None:
    with Interruption() as interruption:
        for _ in range(3):
            send(signal.SIGTERM)
    assert interruption.signal == signal.SIGTERM


def interrupted_tuner(at: int, times: int) -> Tuner:
    """Is interrupted right after its n-th generation pass."""
    passes: list[int] = []

    def interrupt() -> None:
        passes.append(1)
        if len(passes) == at:
            for _ in range(times):
                send(signal.SIGINT)

    return make_tuner(callbacks_after_inference=[interrupt])


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    path = tmp_path_factory.mktemp("whole") / "x.db"
    return everything(search(make_tuner(), path, concurrency=3), path)


@pytest.mark.parametrize("at", partly_full([1, 2, 5, 9], fast=[5]))
def test_a_search_finishes_the_rung_and_goes_on_later(at: int, whole: list[Any], tmp_path: Path) -> None:
    cut = tmp_path / "cut.db"
    tuner = interrupted_tuner(at, times=1)
    with Interruption() as interruption:
        study = search(tuner, cut, concurrency=3, should_stop=interruption)
    assert interruption()
    running = [trial for trial in study.trials if trial.state == TrialState.RUNNING]
    assert running
    # The rung of all that were in flight was finished: they are equally far.
    rounds = {trial.user_attrs["round"] + len(trial.intermediate_values) for trial in running}
    assert len(rounds) == 1
    assert everything(search(make_tuner(), cut, concurrency=3), cut) == whole


@pytest.mark.full
def test_twice_stops_within_the_rung_and_goes_on_later(whole: list[Any], tmp_path: Path) -> None:
    cut = tmp_path / "cut.db"
    tuner = interrupted_tuner(5, times=2)
    with Interruption() as interruption, pytest.raises(KeyboardInterrupt):
        search(tuner, cut, concurrency=3, should_stop=interruption)
    assert everything(search(make_tuner(), cut, concurrency=3), cut) == whole
