"""From what the user writes to a metric; and values and laws of all built-in metrics, by name."""

import math
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from laws import scaled
from scored_texts import TEXT_METRICS, score, texts, value

from llmsearch_optuna import metrics
from llmsearch_optuna.errors import MetricError
from llmsearch_optuna.metrics import (
    Metric,
    SampleMetric,
    Scores,
    exact_match,
    known_range,
    make_metric,
)
from llmsearch_optuna.metrics.built_in import SAMPLE_FUNCTIONS

PER_SAMPLE = [name for name in TEXT_METRICS if name not in ("bleu", "chrf")]
HAND_COMPUTED = [
    ("exact_match", " Paris\n", "Paris", 1.0),
    ("exact_match", "paris", "Paris", 0.0),
    ("exact_match", "42", 42, 1.0),
    ("exact_match", "4.5", 4.5, 1.0),
    ("contains", "It is Paris.", " Paris ", 1.0),
    ("contains", "It is paris.", "Paris", 0.0),
    ("numeric", "So she pays $1,234.", "3 + 4 = 7\n#### 1,234", 1.0),
    ("numeric", "So she pays $1,235.", "#### 1,234", 0.0),
    ("numeric", "no idea", "7", 0.0),
    ("numeric", "7", "no number", 0.0),
    ("token_f1", "The cat sat.", "a cat sat down", 0.8),
    ("token_f1", "the", "an", 0.0),
    ("token_f1", "", "cat", 0.0),
    ("rouge1", "the cat sat on the mat", "The cat lay on the mats", 5 / 6),
    ("rouge2", "the cat sat on the mat", "The cat lay on the mats", 3 / 5),
    ("rougeL", "the cat sat on the mat", "The cat lay on the mats", 5 / 6),
    ("rougeL", "a b c d", "d c b a", 1 / 4),
    ("rouge2", "cat", "cat", 0.0),
    ("bleu", "the cat is on the mat", "the cat is on a mat", (5 / 6 * 3 / 5 * 2 / 4 * 1 / 3) ** 0.25),
    ("bleu", "the cat", "the cat", 0.0),
    ("chrf", "abcd", "abce", (3 / 4 + 2 / 3 + 1 / 2 + 0 / 1) / 4),
    ("distinct_items", "apple, pear, apple", ["apple", "pears"], 2 / 3),
    ("distinct_items", "apple, pear, stone", ["apple", "pear"], 2 / 3),
    ("distinct_items", "", ["apple"], 0.0),
]
"""Name, prediction, reference and score."""

pairs = st.lists(st.tuples(texts, texts), min_size=1, max_size=6)


@pytest.mark.parametrize(("name", "prediction", "reference", "expected"), HAND_COMPUTED)
def test_hand_computed(name: str, prediction: str, reference: object, expected: float) -> None:
    assert value(name, prediction, reference) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("name", TEXT_METRICS)
def test_every_metric_is_computed_by_hand(name: str) -> None:
    scores = {score for other, *_, score in HAND_COMPUTED if other == name}
    assert scores - {0.0, 1.0} or scores == {0.0, 1.0}, f"add cases of {name} to HAND_COMPUTED, with different scores"


@pytest.mark.parametrize(
    ("name", "arguments", "prediction", "reference"),
    [
        ("exact_match", {"ignore_case": True}, "STRASSE", "straße"),
        ("contains", {"ignore_case": True}, "it is PARIS", "Paris"),
        ("bleu", {"lowercase": True}, "A B C D", "a b c d"),
        ("bleu", {"tokenize": "zh"}, "北京是中国的首都", "北京是中国的首都"),
        ("bleu", {"tokenize": "char"}, "これはペンです", "これはペンです"),
        ("rouge1", {"tokenize": "unicode"}, "Привет, мир", "привет мир"),
        ("rouge2", {"tokenize": "unicode"}, "我有3个苹果", "我有 3 个苹果。"),
        ("rougeL", {"tokenize": "char"}, "สวัสดี", "สวัสดี"),
        ("chrf", {"lowercase": True}, "ABCD", "abcd"),
    ],
)
def test_arguments_change_the_score(name: str, arguments: dict[str, Any], prediction: str, reference: str) -> None:
    assert value(name, prediction, reference, **arguments) == 1.0
    assert value(name, prediction, reference) < 1.0


@pytest.mark.parametrize("name", TEXT_METRICS)
@given(rows=pairs, seed=st.integers(0, 9))
@settings(max_examples=scaled(60))
def test_laws(name: str, rows: list[tuple[str, str]], seed: int) -> None:
    predictions, references = map(list, zip(*rows, strict=True))
    scores = score(name, predictions, references)
    assert 0.0 <= scores.value <= 1.0
    assert (scores.per_sample is None) == (name not in PER_SAMPLE)
    shuffled = random.Random(seed).sample(rows, len(rows))
    again = score(name, *map(list, zip(*shuffled, strict=True)))
    assert again.value == scores.value
    if scores.per_sample is not None:
        assert all(0.0 <= score <= 1.0 for score in scores.per_sample)
        assert scores.value == pytest.approx(math.fsum(scores.per_sample) / len(rows), abs=1e-15)
        assert sorted(again.per_sample or ()) == sorted(scores.per_sample)
        assert scores.per_sample == tuple(value(name, *row) for row in rows)


@pytest.mark.parametrize("name", TEXT_METRICS)
@given(words=st.permutations(["red,", "blue,", "green,", "12,", "tall,", "house,", "runs,"]))
@settings(max_examples=scaled(30))
def test_an_exact_copy_scores_1(name: str, words: list[str]) -> None:
    text = " ".join([*words, "7"])
    assert value(name, text, text) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.sampled(5)
@pytest.mark.parametrize("name", TEXT_METRICS)
def test_a_megabyte_of_anything_is_scored_soon(name: str) -> None:
    units = ["9", "1,000,", "1,00,", "- ", "(1", "y", "\0\ud800", " ", ":\n", "running wild ", "***:"]
    if name in ("bleu", "chrf"):
        units = ["running wild ", "\0\ud800"]
    predictions = [(unit * (1_000_000 // len(unit) + 1))[:1_000_000] for unit in units]
    start = time.process_time()
    scores = score(name, predictions, ["the wild 7 cats are running"] * len(units))
    assert 0.0 <= scores.value <= 1.0
    assert time.process_time() - start < 20.0  # seconds; a quadratic expression takes hours


def test_every_built_in_is_a_metric_with_its_name() -> None:
    for name in TEXT_METRICS:
        metric = make_metric(name)
        assert isinstance(metric, Metric)
        assert metric.name == name
        assert known_range(metric) == ((0.0, 1.0) if name in PER_SAMPLE else None)
        assert metric.greater_is_better
        assert not make_metric(name, greater_is_better=False).greater_is_better
        assert make_metric(name, column="answer").name == f"{name}(column='answer')"


def test_the_functions_of_metrics_are_exported() -> None:
    missing = {function.__name__ for function in SAMPLE_FUNCTIONS.values()} - set(metrics.__all__)
    assert not missing, "add these to metrics/__init__.py"


def test_names_hold_the_arguments_that_matter() -> None:
    assert make_metric("exact_match", ignore_case=False).name == "exact_match"
    assert make_metric("exact_match", column="a", ignore_case=True).name == "exact_match(column='a', ignore_case=True)"


def test_equal_specifications_make_equal_metrics() -> None:
    assert make_metric("rougeL", column="a") == make_metric("rougeL", column="a")
    assert make_metric("rougeL", column="a") != make_metric("rouge1", column="a")


@pytest.mark.parametrize(
    ("spec", "arguments", "message"),
    [
        ("rogue1", {}, "unknown metric `rogue1`: did you mean `rouge1`"),
        (
            "exact_match",
            {"ignorecase": True},
            "unknown `exact_match` argument `ignorecase`: did you mean `ignore_case`",
        ),
        ("exact_match", {"ignore_case": "yes"}, "`ignore_case` of metric `exact_match` must be of type bool"),
        ("numeric", {"ignore_case": True}, "metric `numeric` takes no arguments, got `ignore_case`"),
        ("distinct_items", {"count": 3}, "metric `distinct_items` takes no arguments, got `count`"),
        ("regex", {}, "metric `regex` needs `pattern`"),
        ("regex", {"pattern": "a", "group": True}, "`group` of metric `regex` must be of type int or str, got True"),
        ("choice", {"index_base": "0"}, "`index_base` of metric `choice` must be of type int, got '0'"),
        ("json_schema", {"schema": 3}, "`schema` of metric `json_schema` must be of type str or table, got 3"),
        ("bleu", {"tokenize": "zhh"}, "unknown tokenizer of `bleu` `zhh`: did you mean `zh`"),
        ("rougeL", {"tokenize": "words"}, "unknown tokenizer of `rougeL` `words`: known are ascii, char, unicode"),
        ("rouge1", {"tokenize": ""}, "unknown tokenizer of `rouge1` ``: known are ascii, char, unicode"),
        ("rouge1", {"tokenize": True}, "`tokenize` of metric `rouge1` must be of type str, got True"),
        ("no_such_module_7:f", {}, "cannot import the metric `no_such_module_7:f`: ModuleNotFoundError"),
        (":f", {}, "cannot import the metric `:f`: ValueError"),
        ("math:no_such", {}, "cannot import the metric `math:no_such`: `math` has no `no_such`"),
        ("math:", {}, "`math` has no ``"),
        ("math:pi", {}, "must be a name, a callable or an `evaluate` module, got 3.14"),
        (7, {}, "must be a name, a callable or an `evaluate` module, got 7"),
        (len, {"column": "a"}, "a scorer function takes no `column`"),
        (len, {"power": 2}, "takes no arguments, got `power`: use functools.partial"),
        (SampleMetric(name="m", score=exact_match), {"column": "a"}, "metric `m` is already built"),
        (SampleMetric(name="m", score=exact_match), {"greater_is_better": False}, "metric `m` is already built"),
    ],
)
def test_what_cannot_be_had_is_refused(spec: object, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(MetricError) as caught:
        make_metric(spec, **arguments)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_metric_is_returned_as_it_is() -> None:
    metric = SampleMetric(name="m", score=exact_match, greater_is_better=False)
    assert make_metric(metric) is metric


def test_a_function_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.joinpath("my_scorers.py").write_text(
        "class Scorers:\n"
        "    @staticmethod\n"
        "    def length(y_true, y_pred):\n"
        "        return [float(len(text)) for text in y_pred]\n"
        "from llmsearch_optuna.metrics import make_metric\n"
        "ready = make_metric('numeric')\n"
    )
    tmp_path.joinpath("broken_scorers.py").write_text("1 +\n")
    monkeypatch.syspath_prepend(tmp_path)
    metric = make_metric("my_scorers:Scorers.length", greater_is_better=False)
    assert metric([{}, {}], ["abc", "a"]) == Scores(2.0, (3.0, 1.0))
    assert metric.name.startswith("my_scorers.Scorers.length#")
    assert not metric.greater_is_better
    assert make_metric("my_scorers:ready").name == "numeric"
    with pytest.raises(MetricError, match="cannot import the metric `broken_scorers:f`: SyntaxError"):
        make_metric("broken_scorers:f")


def test_importing_the_package_is_light() -> None:
    heavy = "{'torch', 'transformers', 'evaluate', 'datasets', 'rouge_score', 'nltk', 'sacrebleu', 'numpy'}"
    code = (
        "import sys; from llmsearch_optuna.metrics import make_metric; "
        f"[make_metric(name) for name in {TEXT_METRICS}]; make_metric('choice'); make_metric(print); "
        f"make_metric('regex', pattern='a'); print({heavy} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"greater_is_better": "false"}, "^`greater_is_better` must be true or false, got 'false'$"),
        ({"column": 1}, "^`column` must be the name of a reference column, got 1$"),
    ],
)
def test_what_is_no_direction_or_column_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(MetricError, match=message):
        make_metric("exact_match", **arguments)
