"""Modules of Hugging Face's `evaluate`, loaded from a script without a network."""

import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from llmsearch_optuna.errors import MetricError, ScorerError
from llmsearch_optuna.metrics import EvaluateMetric, Metric, Scores, check_references, make_metric

SCRIPT = """
import random

import datasets
import evaluate
import numpy as np


class WordOverlap(evaluate.Metric):
    def _info(self):
        text = datasets.Value("string")
        return evaluate.MetricInfo(
            description="", citation="", inputs_description="",
            features=datasets.Features({"predictions": text, "references": text}),
        )

    def _compute(self, predictions, references, mode="mean", scale=1.0):
        scores = [scale * (p == r) for p, r in zip(predictions, references)]
        if mode == "fail" and "boom" in predictions:
            raise RuntimeError("boom")
        if mode == "random":
            return {"score": np.random.random()}
        if mode == "each":
            return {"score": np.array(scores), "best": max(scores), "pair": [0.0, 1.0]}
        return {"score": np.mean(scores)}
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("evaluate")
    path = folder / "word_overlap.py"
    path.write_text(SCRIPT)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("HF_EVALUATE_OFFLINE", "HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):
            patch.setenv(name, "1")
        patch.setenv("HF_MODULES_CACHE", str(folder / "modules"))
        patch.setenv("HF_METRICS_CACHE", str(folder / "metrics"))
        importlib.import_module("evaluate")
        yield str(path)


def test_evaluate_module_by_path(script: str) -> None:
    metric = make_metric(f"evaluate:{script}")
    rows = [{"answer": "a"}, {"answer": "b"}]
    assert metric(rows, ["a", "x"]) == Scores(0.5, None)
    assert metric(rows, ["a", "b"]) == Scores(1.0, None)
    assert isinstance(metric, Metric)
    assert metric.name.startswith("evaluate:word_overlap/default#")
    assert str(Path(script).parent) not in metric.name


def test_evaluate_result_per_sample_and_arguments(script: str) -> None:
    rows = [{"answer": text, "other": ""} for text in "abc"]
    metric = make_metric(f"evaluate:{script}", column="answer", key="score", mode="each", scale=0.5)
    assert metric(rows, ["a", "b", "x"]) == Scores(1 / 3, (0.5, 0.5, 0.0))
    assert metric.name.endswith("(key='score', column='answer', mode='each', scale=0.5)")
    with pytest.raises(ScorerError, match="scorer `evaluate:word_overlap` returned 2 scores for 3 samples"):
        make_metric(f"evaluate:{script}", column="answer", key="pair", mode="each")(rows, ["a", "b", "c"])


def test_evaluate_key_must_be_clear(script: str) -> None:
    rows = [{"answer": "a"}]
    with pytest.raises(MetricError, match=r"`key` must name the result .* `score`, `best`, `pair`"):
        make_metric(f"evaluate:{script}", mode="each")(rows, ["a"])
    with pytest.raises(MetricError, match="unknown `evaluate:word_overlap` result `bset`: did you mean `best`"):
        make_metric(f"evaluate:{script}", key="bset", mode="each")(rows, ["a"])


def test_faults_are_found_before_anything_is_generated(script: str) -> None:
    rows = [{"answer": "a"}, {"answer": "b"}]
    check_references(make_metric(f"evaluate:{script}"), rows)
    with pytest.raises(MetricError, match="`key` must name the result"):
        check_references(make_metric(f"evaluate:{script}", mode="each"), rows)
    with pytest.raises(MetricError, match="did you mean `best`"):
        check_references(make_metric(f"evaluate:{script}", key="bset", mode="each"), rows)
    with pytest.raises(MetricError, match="cannot score the references against themselves: RuntimeError: boom"):
        check_references(make_metric(f"evaluate:{script}", mode="fail"), [{"answer": "boom"}])


def test_evaluate_arguments_are_checked(script: str) -> None:
    with pytest.raises(MetricError, match="unknown `evaluate:word_overlap` argument `scael`: did you mean `scale`"):
        make_metric(f"evaluate:{script}", scael=2.0)
    with pytest.raises(MetricError, match="unknown `evaluate:word_overlap` argument `references`"):
        make_metric(f"evaluate:{script}", references=["a"])
    with pytest.raises(MetricError, match="cannot load `evaluate:no_such_metric_7`: FileNotFoundError"):
        make_metric("evaluate:no_such_metric_7")
    with pytest.raises(MetricError, match="there are `answer`, `other`"):
        make_metric(f"evaluate:{script}")([{"answer": "a", "other": "b"}], ["a"])


def test_evaluate_object(script: str) -> None:
    module = importlib.import_module("evaluate").load(script, keep_in_memory=True)
    metric = make_metric(module, key="score", greater_is_better=False)
    assert isinstance(metric, EvaluateMetric)
    assert not metric.greater_is_better
    assert metric([{"answer": "a"}], ["a"]) == Scores(1.0, None)
    assert metric.name == make_metric(f"evaluate:{script}", key="score").name


def test_evaluate_failure_names_the_sample_and_leaves_the_module_usable(script: str) -> None:
    metric = make_metric(f"evaluate:{script}", mode="fail")
    rows = [{"answer": "a"}] * 3
    with pytest.raises(ScorerError, match=r"`evaluate:word_overlap` raised RuntimeError: boom on sample 8$"):
        metric(rows, ["a", "boom", "a"], sample_ids=[7, 8, 9])
    assert metric(rows, ["a", "x", "x"]).value == pytest.approx(1 / 3)
    with pytest.raises(ScorerError, match="raised ValueError: Predictions and/or references"):
        metric([{"answer": ["a list"]}], ["a"])
    assert metric(rows, ["a", "x", "x"]).value == pytest.approx(1 / 3)


def test_evaluate_is_deterministic_and_survives_hostile_text(script: str) -> None:
    rows = [{"answer": "a\0"}, {"answer": "\ud800"}]
    assert make_metric(f"evaluate:{script}")(rows, ["a\0", "\ud800"]) == Scores(1.0, None)
    first, second = (make_metric(f"evaluate:{script}", mode="random")(rows, ["", ""]) for _ in range(2))
    assert first == second


def test_evaluate_module_with_other_inputs_is_refused(script: str, tmp_path: Path) -> None:
    path = tmp_path / "with_sources.py"
    path.write_text(SCRIPT.replace('{"predictions": text,', '{"sources": text, "predictions": text,'))
    with pytest.raises(MetricError, match=r"needs \['predictions', 'references', 'sources'\]"):
        make_metric(f"evaluate:{path}")
