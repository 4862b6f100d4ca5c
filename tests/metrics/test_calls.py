"""Scorers that fail for a moment, end the process, or hang."""

import contextlib
import inspect
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from llmsearch_optuna.errors import MetricError, ScorerError
from llmsearch_optuna.metrics import (
    CallableMetric,
    SampleMetric,
    ScorerCalls,
    Scores,
    ScoringGivenUpError,
    call_metric,
    make_metric,
)

ROWS: list[dict[str, Any]] = [{"answer": "a"}, {"answer": "b"}]
TEXTS = ["a", "b"]


class Faulty:
    """A scorer whose first calls fail."""

    def __init__(self, faults: int, fault: BaseException | float) -> None:
        self.faults, self.fault, self.calls = faults, fault, 0

    def __call__(self, references: list[dict[str, Any]], predictions: list[str]) -> Any:
        self.calls += 1
        if self.calls > self.faults:
            return [1.0] * len(predictions)
        if isinstance(self.fault, BaseException):
            raise self.fault
        return self.fault


@pytest.mark.parametrize(
    "fault", [ConnectionError("judge"), SystemExit(0), float("nan"), BaseExceptionGroup("g", [SystemExit()])]
)
def test_a_passing_fault_is_retried(fault: BaseException | float) -> None:
    assert call_metric(make_metric(Faulty(2, fault)), ROWS, TEXTS) == Scores(1.0, (1.0, 1.0))
    scorer = Faulty(1, fault)
    with pytest.raises(ScorerError):
        call_metric(make_metric(scorer, retries=0), ROWS, TEXTS)
    assert make_metric(Faulty(5, fault), retries=5)(ROWS, TEXTS).value == 1.0


def test_built_in_metrics_have_retries_and_a_time_limit_when_asked_for() -> None:
    for name in ("exact_match", "bleu", "distinct_items"):
        metric: Any = make_metric(name)
        assert metric.calls == ScorerCalls(retries=0)
        metric = make_metric(name, retries=1, timeout_s=5)
        assert (metric.calls.retries, metric.calls.timeout_s) == (1, 5)
    faults = [ValueError("for a moment")]

    def score(prediction: str, reference: str) -> float:
        if faults:
            raise faults.pop()
        return 1.0

    assert call_metric(SampleMetric(name="s", score=score, calls=ScorerCalls(retries=1)), ROWS, TEXTS).value == 1.0
    faults = [ValueError("for a moment")]
    with pytest.raises(ScorerError, match="metric `s` raised ValueError: for a moment"):
        call_metric(SampleMetric(name="s", score=score), ROWS, TEXTS)


def test_a_retry_costs_one_call_and_the_sample_is_named_at_the_end() -> None:
    scorer = Faulty(2, ConnectionError("judge"))
    call_metric(make_metric(scorer), ROWS, TEXTS)
    assert scorer.calls == 3
    scorer = Faulty(99, ConnectionError("judge"))
    with pytest.raises(ScorerError, match="raised ConnectionError: judge on sample 7"):
        call_metric(make_metric(scorer, retries=1), ROWS, TEXTS, sample_ids=[7, 8])
    assert scorer.calls == 3  # two attempts, and the first sample alone


class UnspeakableError(Exception):
    def __str__(self) -> str:
        raise ValueError("no message")


@pytest.mark.parametrize(
    "fault", [UnspeakableError(), SystemExit(0), SystemExit("bye"), GeneratorExit(), BaseException("odd")]
)
def test_what_ends_a_process_is_a_fault_of_the_scorer(fault: BaseException) -> None:
    with pytest.raises(ScorerError, match=f"raised {type(fault).__name__}: .*on sample 0$"):
        call_metric(make_metric(Faulty(9, fault)), ROWS, TEXTS)


def test_a_keyboard_interrupt_stays_one() -> None:
    for limit in (None, 9.0):
        scorer = Faulty(9, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            call_metric(make_metric(scorer, timeout_s=limit), ROWS, TEXTS)
        assert scorer.calls == 1


class OwnMetric:
    """A user's implementation of the protocol."""

    name, greater_is_better = "own", True

    def __init__(self, scorer: Faulty) -> None:
        self.scorer = scorer

    def __call__(self, references: Any, predictions: Any, *, sample_ids: Any = None) -> Scores:
        return Scores(self.scorer(list(references), list(predictions))[0], None)


def test_the_metric_object_of_a_user_may_fail_too() -> None:
    assert call_metric(OwnMetric(Faulty(2, SystemExit(1))), ROWS, TEXTS).value == 1.0
    with pytest.raises(ScorerError, match="metric `own` raised SystemExit: 1"):
        call_metric(OwnMetric(Faulty(3, SystemExit(1))), ROWS, TEXTS)


class Returning(OwnMetric):
    """A user's metric that returns something given."""

    calls = ScorerCalls(retries=0)

    def __init__(self, result: Any) -> None:
        self.result = result

    def __call__(self, references: Any, predictions: Any, *, sample_ids: Any = None) -> Any:
        return self.result


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (0.5, "must return Scores(value, per_sample), got float"),
        (None, "must return Scores(value, per_sample), got NoneType"),
        (Scores(float("nan"), None), "returned nan; scores must be finite"),
        (Scores("1", None), "must return numbers, got str"),  # type: ignore[arg-type]
        (Scores(0.5, (1.0, float("inf"))), "returned inf for sample 8; scores must be finite"),
        (Scores(float("nan"), (1.0, 0.0)), "returned nan; scores must be finite"),
        (Scores(0.5, (1.0, None)), "must return numbers, got NoneType for sample 8"),  # type: ignore[arg-type]
        (Scores(0.5, (0.5,)), "must return one score per sample, or None, got 1 for 2 samples"),
        (Scores(0.5, 0.5), "must return one score per sample, or None, got float for 2 samples"),  # type: ignore[arg-type]
    ],
)
def test_what_the_metric_object_of_a_user_returns_is_validated(result: Any, message: str) -> None:
    with pytest.raises(ScorerError) as error:
        call_metric(Returning(result), ROWS, TEXTS, sample_ids=[7, 8])
    assert str(error.value) == f"metric `own` {message}"


def test_scores_become_plain_floats() -> None:
    given: tuple[Any, Any] = np.float32(0.5), np.array([1, 0])
    value, per_sample = call_metric(Returning(Scores(*given)), ROWS, TEXTS)
    assert (value, per_sample) == (0.5, (1.0, 0.0))
    assert {type(score) for score in (value, *(per_sample or ()))} == {float}
    infinite = SampleMetric(name="s", score=lambda prediction, _: float("inf" if prediction == "b" else 0))
    with pytest.raises(ScorerError, match=r"^metric `s` returned inf for sample 1; scores must be finite$"):
        call_metric(infinite, ROWS, TEXTS)


def sleeping() -> None:
    time.sleep(60)


def spinning() -> None:
    while True:
        pass


def stubborn() -> None:
    for _ in range(3):
        with contextlib.suppress(BaseException):  # as careless code does
            threading.Event().wait(60)


def hanging(hang: Callable[[], None]) -> Callable[..., float]:
    def scorer(references: list[dict[str, Any]], predictions: list[str]) -> float:
        hang()
        return 1.0

    return scorer


@pytest.mark.parametrize("hang", [sleeping, spinning])
def test_a_scorer_that_hangs_fails_at_its_time_limit(hang: Callable[[], None]) -> None:
    before = signal.getsignal(signal.SIGURG)
    metric = make_metric(hanging(hang), timeout_s=0.1, retries=0)
    with pytest.raises(ScorerError, match=r"did not return within 0.1 s \(`timeout_s`\)$"):
        call_metric(metric, ROWS, TEXTS)
    assert signal.getsignal(signal.SIGURG) == before
    assert call_metric(make_metric(hanging(lambda: None), timeout_s=9), ROWS, TEXTS).value == 1.0


def test_a_scorer_that_swallows_its_interruption_is_interrupted_again() -> None:
    assert make_metric(hanging(stubborn), timeout_s=0.1, retries=0)(ROWS, TEXTS).value == 1.0


def test_off_the_main_thread_a_scorer_that_hangs_is_abandoned() -> None:
    outcomes: list[object] = []

    def call(metric: Any) -> None:
        try:
            outcomes.append(metric(ROWS, TEXTS))
        except ScorerError as error:
            outcomes.append(str(error))

    done = threading.Event()

    def wait() -> None:
        done.wait(60)

    for metric in (
        make_metric(hanging(wait), timeout_s=0.1, retries=0),
        make_metric(hanging(lambda: None), timeout_s=9),
        make_metric(Faulty(9, SystemExit(3)), timeout_s=9, retries=0),
    ):
        thread = threading.Thread(target=call, args=[metric])
        thread.start()
        thread.join()
    done.set()
    assert "did not return within 0.1 s" in str(outcomes[0])
    assert outcomes[1] == Scores(1.0, None)
    assert "raised SystemExit: 3" in str(outcomes[2])


def test_a_scorer_that_hangs_is_given_up_when_the_search_is_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_LONG_S", "_PATIENCE_S"):
        monkeypatch.setattr(f"llmsearch_optuna.metrics.calls.{name}", 0.1)
    with pytest.raises(ScoringGivenUpError, match="has not returned, and the search ends"):
        call_metric(make_metric(hanging(sleeping)), ROWS, TEXTS, is_to_end=lambda: True)
    monkeypatch.setattr("llmsearch_optuna.metrics.calls.FIRST_PAUSE_S", 9.0)
    with pytest.raises(ScoringGivenUpError, match="failed, and the search ends"):
        call_metric(make_metric(Faulty(9, ValueError())), ROWS, TEXTS, is_to_end=lambda: True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"retries": -1}, "^`retries` of a metric must be an integer >= 0, got -1$"),
        ({"retries": 1.5}, "`retries`.* got 1.5"),
        ({"retries": True}, "`retries`.* got True"),
        ({"timeout_s": 0}, "^`timeout_s` of a metric must be a number of seconds > 0, got 0$"),
        ({"timeout_s": "5"}, "`timeout_s`.* got '5'"),
        ({"timeout_s": float("nan")}, "`timeout_s`.* got nan"),
        ({"timeout_s": float("inf")}, "`timeout_s`.* got inf"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], message: str) -> None:
    for spec in ("exact_match", sleeping):
        with pytest.raises(MetricError, match=message):
            make_metric(spec, **options)


def test_the_options_are_no_part_of_the_metric_name() -> None:
    scorer = hanging(sleeping)
    assert make_metric(scorer, retries=7, timeout_s=3.0).name == make_metric(scorer).name
    assert make_metric("exact_match", retries=2, timeout_s=3).name == "exact_match"


def write(folder: Path, score: float, name: str = "scorers_beside") -> None:
    folder.mkdir(exist_ok=True)
    folder.joinpath("beside_helper.py").write_text(f"SCORE = {score}\n")
    folder.joinpath(f"{name}.py").write_text(
        "def f(y_true, y_pred):\n    from beside_helper import SCORE\n    return SCORE\n"
    )


@pytest.fixture
def _clean_imports(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    for name in ("scorers_beside", "beside_helper", "scorers_here"):
        sys.modules.pop(name, None)


@pytest.mark.usefixtures("_clean_imports")
def test_a_module_is_found_beside_the_study_file_and_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "studies", 0.5)
    write(tmp_path / "here", 0.25, "scorers_here")
    monkeypatch.chdir(tmp_path / "here")
    assert make_metric("scorers_beside:f", directory=tmp_path / "studies")(ROWS, TEXTS).value == 0.5
    sys.modules.pop("beside_helper")
    assert make_metric("scorers_here:f", directory=tmp_path / "studies").name.startswith("scorers_here.f#")
    assert sys.path[0] != str(tmp_path / "here")
    # Another study, whose module has the same name, gets its own.
    write(tmp_path / "other", 0.75)
    metric = make_metric("scorers_beside:f", directory=tmp_path / "other")
    assert isinstance(metric, CallableMetric)
    assert "other" in str(inspect.getsourcefile(metric.function))


@pytest.mark.parametrize("name", ["scorers.py", "./scorers.py", "my/scorers", "C:\\my\\scorers.py"])
def test_a_file_in_place_of_a_module_is_refused(name: str) -> None:
    with pytest.raises(MetricError, match="name a module and not a file, as in `scorers:f`, in the study file's"):
        make_metric(f"{name}:f")


@pytest.mark.usefixtures("_clean_imports")
def test_the_refusal_says_where_a_module_was_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(MetricError) as caught:
        make_metric("no_such_module_7.part:f", directory=tmp_path)
    assert f"it was looked for in {tmp_path}, {tmp_path / 'here'} and where Python looks" in str(caught.value)
    (tmp_path / "scorers_beside.py").write_text("import sys\nsys.exit(0)\n")
    with pytest.raises(MetricError, match="cannot import the metric `scorers_beside:f`: SystemExit: 0"):
        make_metric("scorers_beside:f", directory=tmp_path)
    (tmp_path / "scorers_beside.py").write_text("import no_such_module_8\n")
    with pytest.raises(MetricError, match=r"No module named 'no_such_module_8'$"):
        make_metric("scorers_beside:f", directory=tmp_path)
    (tmp_path / "json.py").write_text("def f(): pass\n")
    with pytest.raises(MetricError, match="`json` is also the name of a module that is in use: rename"):
        make_metric("json:f", directory=tmp_path)
