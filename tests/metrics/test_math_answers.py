"""Mathematical answers, with the real ``math-verify``."""

import gc
import importlib.util
import threading

import pytest

from llmsearch_optuna.errors import MetricError, ScorerError
from llmsearch_optuna.metrics import SampleMetric, check_references, make_metric, math_answers
from llmsearch_optuna.metrics.math_answers import MathAnswers

HAS_MATH = importlib.util.find_spec("math_verify") is not None
needs_math = pytest.mark.skipif(not HAS_MATH, reason="no math-verify here")

TOWER = "$9^{9^{9^9}}$"


@pytest.fixture(scope="module")
def metric() -> SampleMetric:
    pytest.importorskip("math_verify")
    built = make_metric("math")
    assert isinstance(built, SampleMetric)
    return built


@pytest.mark.skipif(HAS_MATH, reason="math-verify is here")
def test_the_missing_package_is_named() -> None:
    with pytest.raises(MetricError, match=r"needs the package math-verify: pip install 'llmsearch_optuna\[math\]'$"):
        make_metric("math")


@pytest.mark.parametrize(
    ("prediction", "reference"),
    [
        ("The answer is \\boxed{\\frac{1}{2}}.", "0.5"),
        ("0.5", "\\frac{1}{2}"),
        ("7/8", "\\frac78"),
        ("so $x=3$", "3"),
        ("\\boxed{x = 3}", "3"),
        ("x^2+2x+1", "$(x+1)^2$"),
        ("\\boxed{(1,2]}", "(1,2]"),
        ("\\boxed{\\{1,2\\}}", "\\{2,1\\}"),
        ("\\boxed{2\\sqrt{2}}", "\\sqrt{8}"),
        ("\\boxed{\\begin{pmatrix}1\\\\2\\end{pmatrix}}", "\\begin{pmatrix}1\\\\2\\end{pmatrix}"),
        ("\\boxed{\\text{Evelyn}}", "\\text{Evelyn}"),
        ("it is 18", "so 3+15=18\n#### 18"),
        ("1,234", "1234"),
        ("$5\\text{ cm}$", "5"),
        ("\\boxed{90^\\circ}", "90"),
        ("\\boxed{3}, as 4 is wrong", "3"),
        ("\0\ud800 3", "3"),
    ],
)
def test_expressions_of_one_value_are_equal(metric: SampleMetric, prediction: str, reference: str) -> None:
    assert metric([{"a": reference}], [prediction]).value == 1.0
    assert metric([{"a": reference}], [reference]).value == 1.0


@pytest.mark.parametrize(
    ("prediction", "reference"),
    [
        ("0.5", "\\frac{1}{3}"),
        ("(1,2]", "[1,2)"),
        ("", "3"),
        ("I do not know", "3"),
        ("3", "none"),
        ("it is 19", "#### 18"),
    ],
)
def test_others_are_not(metric: SampleMetric, prediction: str, reference: str) -> None:
    assert metric([{"a": reference}], [prediction]).value == 0.0


def test_answers_of_one_value_are_one_vote(metric: SampleMetric) -> None:
    assert metric.answer is not None
    assert {metric.answer(text) for text in ("0.5", "$\\frac12$", "\\boxed{\\frac{2}{4}}", "$x=0.5$")} == {"1/2"}
    assert metric.answer("no idea") is None


@needs_math
def test_a_completion_without_end_scores_0_and_the_next_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    metric = make_metric("math")
    assert metric([{"a": "3"}], ["3"]).value == 1.0
    monkeypatch.setattr(math_answers, "_LIMIT_S", 0.3)
    assert metric([{"a": "3"}], [TOWER]).value == 0.0
    monkeypatch.setattr(math_answers, "_LIMIT_S", 60.0)
    assert metric([{"a": "3"}], ["3"]).value == 1.0


@needs_math
def test_threads_do_not_mix_their_replies() -> None:
    metric = make_metric("math")
    values: list[tuple[float, ...] | None] = []

    def score(number: int) -> None:
        rows = [{"a": str(n)} for n in range(20)]
        values.append(metric(rows, [str(n if n % 2 == number else -n - 1) for n in range(20)]).per_sample)

    threads = [threading.Thread(target=score, args=[number]) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(filter(None, values)) == [(0.0, 1.0) * 10, (1.0, 0.0) * 10]


@needs_math
def test_the_worker_ends_with_the_metric() -> None:
    answers = MathAnswers()
    assert answers.score("3", "3") == 1.0
    (worker,) = answers._idle
    del answers
    gc.collect()
    assert worker.poll() is not None


@needs_math
def test_a_worker_that_died_is_replaced() -> None:
    answers = MathAnswers()
    assert answers.score("3", "3") == 1.0
    answers._idle[0].kill()
    answers._idle[0].wait()
    assert answers.score("3", "3") == 1.0


@needs_math
def test_a_broken_package_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    broken = tmp_path_factory.mktemp("broken") / "worker.py"
    broken.write_text("raise SystemExit(1)")
    monkeypatch.setattr(math_answers, "_WORKER", broken)
    with pytest.raises(ScorerError, match="the worker of metric `math` fails"):
        MathAnswers().score("3", "3")


def test_references_without_an_expression_are_refused(metric: SampleMetric) -> None:
    with pytest.raises(MetricError, match=r"as the reference has no expression that it reads.*row 0 has 'Paris'"):
        check_references(metric, [{"a": "Paris"}])
    check_references(metric, [{"a": "\\frac12"}, {"a": 3}])
