import functools
import importlib
import math
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from string import ascii_lowercase
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from llmsearch_optuna.errors import MetricError, ScorerError
from llmsearch_optuna.metrics import (
    BUILT_IN_METRICS,
    CallableMetric,
    CorpusMetric,
    EvaluateMetric,
    Metric,
    SampleMetric,
    Scores,
    check_score_range,
    distinct_items,
    exact_match,
    known_range,
    make_metric,
    numeric,
    rouge1,
    rouge2,
    rouge_l,
    token_f1,
)
from llmsearch_optuna.metrics.items import split_items
from llmsearch_optuna.metrics.rouge import longest_common_subsequence
from llmsearch_optuna.metrics.text import last_number

PER_SAMPLE = [name for name in BUILT_IN_METRICS if name not in ("bleu", "chrf")]

hostile_texts = st.text(st.characters(exclude_categories=()), max_size=60)
words = ["the", "cat", "runs", "running", "ran", "7", "-7,000.5", "on,", "mats;", "and", "A."]
word_texts = st.lists(st.sampled_from(words), max_size=12).map(" ".join)
texts = hostile_texts | word_texts
pairs = st.lists(st.tuples(texts, texts), min_size=1, max_size=6)


def score(spec: object, predictions: Sequence[str], references: Sequence[Any], **arguments: Any) -> Scores:
    return make_metric(spec, **arguments)([{"answer": reference} for reference in references], predictions)


def value(spec: object, prediction: str, reference: object, **arguments: Any) -> float:
    return score(spec, [prediction], [reference], **arguments).value


# --- values computed by hand ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "prediction", "reference", "expected"),
    [
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
        ("token_f1", "the", "an", 1.0),
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
    ],
)
def test_hand_computed(name: str, prediction: str, reference: object, expected: float) -> None:
    assert value(name, prediction, reference) == pytest.approx(expected, abs=1e-12)


def test_value_is_the_mean_of_the_samples() -> None:
    assert score("exact_match", ["a", "b", "c"], ["a", "x", "c"]) == Scores(2 / 3, (1.0, 0.0, 1.0))
    assert score("bleu", ["a b c d e"], ["a b c d e"]) == Scores(1.0, None)


@pytest.mark.parametrize(
    ("name", "arguments", "prediction", "reference"),
    [
        ("exact_match", {"ignore_case": True}, "STRASSE", "straße"),
        ("contains", {"ignore_case": True}, "it is PARIS", "Paris"),
        ("bleu", {"lowercase": True}, "A B C D", "a b c d"),
        ("chrf", {"lowercase": True}, "ABCD", "abcd"),
    ],
)
def test_case_can_be_ignored(name: str, arguments: dict[str, bool], prediction: str, reference: str) -> None:
    assert value(name, prediction, reference, **arguments) == 1.0
    assert value(name, prediction, reference) < 1.0


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("The answer is 42.", "42"),
        ("1 then 2, 3", "3"),
        ("$1,234,567.50", "1234567.5"),
        ("-$5", "-5"),
        ("$-5", "-5"),
        ("\u22125 degrees", "-5"),
        ("10-3", "3"),
        ("- 3", "3"),
        ("2024-01-05", "5"),
        ("50%", "50"),
        (".5", "0.5"),
        ("3.14.", "3.14"),
        ("1.2.3", "3"),
        ("1,2,3", "3"),
        ("1234,567", "567"),
        ("2.5e-3", "0.0025"),
        ("\\boxed{7}", "7"),
        ("**-7**", "-7"),
        ("reasoning 5 #### 1,234", "1234"),
        ("007", "7"),
        ("5th of 6km", "6"),
        ("\u0663", None),
        ("", None),
        ("none, at - all.", None),
    ],
)
def test_last_number(text: str, number: str | None) -> None:
    assert last_number(text) == (None if number is None else Decimal(number))


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12, places=3))
@settings(deadline=None)
def test_numbers_survive_formatting(number: Decimal) -> None:
    assert numeric(f"We get ${number:,}.", str(number)) == 1.0
    assert numeric(f"We get {number + 1}", str(number)) == 0.0


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("Here are three fruits:\n1. Apple\n2) Pear\n(3) **Plum**\n", ["appl", "pear", "plum"]),
        ("- apple\n* pears\n\u2022 Plum.", ["appl", "pear", "plum"]),
        ('"Apple", pear; and plum.', ["appl", "pear", "plum"]),
        ("a. apple\nb) pear", ["appl", "pear"]),
        ("1, 2, 3.", ["1", "2", "3"]),
        ("3.5, 7-up", ["3.5", "7-up"]),
        ("C, C++, C#", ["c", "c++", "c#"]),
        (" ,;\n\n --- \n```", []),
        ("\u82f9\u679c\u3001\u68a8\uff0c\u674e", ["\u82f9\u679c", "\u68a8", "\u674e"]),
        ("guinea  pigs", ["guinea pig"]),
    ],
)
def test_split_items(text: str, items: list[str]) -> None:
    assert split_items(text) == items


@pytest.mark.parametrize(
    ("one", "many"),
    [
        ("apple", "apples"),
        ("axe", "axes"),
        ("bee", "bees"),
        ("berry", "berries"),
        ("box", "boxes"),
        ("bus", "buses"),
        ("dish", "dishes"),
        ("fly", "flies"),
        ("glass", "glasses"),
        ("house", "houses"),
        ("iris", "irises"),
        ("kiwi", "kiwis"),
        ("movie", "movies"),
        ("pie", "pies"),
        ("tomato", "tomatoes"),
    ],
)
def test_singular_and_plural_are_one_item(one: str, many: str) -> None:
    assert distinct_items(f"{one}, {many}") == 0.5
    assert distinct_items(many, [one]) == distinct_items(one, [many]) == 1.0


def test_distinct_items_reads_members_and_count() -> None:
    metric = make_metric("distinct_items")
    assert metric([{"count": 4}], ["apple, pear"]).value == 2 / 4
    assert metric([{"count": 2}], ["apple, pear, plum, apple"]).value == 3 / 4
    assert metric([{"count": 2, "fruits": ["apple", "pear"]}], ["pears, stone, Apples"]).value == 2 / 3
    assert metric([{}], ["apple, pear, apple"]).value == 2 / 3
    assert metric([{"prompt": "a text"}], ["apple, pear"]).value == 1.0
    assert metric([{"fruits": np.array(["apple", "pear"])}], ["apple"]).value == 1.0
    chosen = make_metric("distinct_items", column="fruits")
    assert chosen([{"fruits": ["apple"], "stones": ["ruby"], "count": 1}], ["apple"]).value == 1.0
    with pytest.raises(MetricError, match="`fruits`, `stones`"):
        metric([{"fruits": ["apple"], "stones": ["ruby"], "count": 1}], ["apple"])


@pytest.mark.parametrize("count", [0, -1, 2.0, "2", True])
def test_distinct_items_refuses_a_bad_count(count: object) -> None:
    with pytest.raises(MetricError, match=r"`count` of sample 9 must be an integer >= 1, got "):
        make_metric("distinct_items")([{"count": count}], ["apple"], sample_ids=[9])


@pytest.mark.parametrize("members", [[], ["apple", 3]])
def test_distinct_items_refuses_bad_members(members: list[object]) -> None:
    with pytest.raises(MetricError, match="members that sample 0 may list must be texts"):
        make_metric("distinct_items")([{"fruits": members}], ["apple"])


# --- references ------------------------------------------------------------------------------------------------------


def test_the_best_of_several_references_counts() -> None:
    assert score("exact_match", ["b", "c"], [["a", "b"], "a"]) == Scores(0.5, (1.0, 0.0))
    assert value("exact_match", "7", (3, 7)) == 1.0
    assert value("exact_match", "b", np.array(["a", "b"])) == 1.0
    assert value("exact_match", "7", np.int64(7)) == 1.0
    assert value("rouge1", "cat dog", ["cat", "cat dog"]) == 1.0


def test_column_is_inferred_or_chosen() -> None:
    row = {"answer": "a", "other": "b"}
    assert make_metric("exact_match", column="other")([row], ["b"]).value == 1.0
    with pytest.raises(MetricError, match=r"`column` must say .* there are `answer`, `other`"):
        make_metric("exact_match")([row], ["b"])
    with pytest.raises(MetricError, match="there are none"):
        make_metric("exact_match")([{}], ["b"])
    with pytest.raises(MetricError, match="unknown reference column `anwser`: did you mean `answer`"):
        make_metric("bleu", column="anwser")([row], ["b"])
    with pytest.raises(MetricError, match="sample 12 has no reference column `answer`"):
        make_metric("exact_match", column="answer")([row, {"other": "b"}], ["b", "b"], sample_ids=[3, 12])


@pytest.mark.parametrize("bad", [None, [], {"a": 1}, True, math.nan, ["a", None], [["a"]], b"a", 1j])
def test_a_bad_reference_is_refused_with_its_sample(bad: object) -> None:
    with pytest.raises(MetricError, match="the reference of sample 5 must be a text, a number or a non-empty list"):
        make_metric("exact_match")([{"answer": "a"}, {"answer": bad}], ["a", "a"], sample_ids=[2, 5])


@pytest.mark.parametrize("name", [*BUILT_IN_METRICS, "callable"])
def test_lengths_are_checked(name: str) -> None:
    metric = make_metric((lambda references, predictions: 0.0) if name == "callable" else name)
    with pytest.raises(MetricError, match="at least one sample"):
        metric([], [])
    with pytest.raises(MetricError, match="got 2 predictions for 1 references"):
        metric([{"answer": "a"}], ["a", "b"])
    with pytest.raises(MetricError, match="got 2 sample ids for 1 references"):
        metric([{"answer": "a"}], ["a"], sample_ids=[1, 2])


# --- agreement with the libraries -----------------------------------------------------------------------------------


@given(texts, texts)
@settings(deadline=None)
def test_rouge_equals_rouge_score(prediction: str, reference: str) -> None:
    kinds = ["rouge1", "rouge2", "rougeL"]
    theirs = RougeScorer(kinds, use_stemmer=True).score(reference, prediction)
    ours = [function(prediction, reference) for function in (rouge1, rouge2, rouge_l)]
    assert ours == pytest.approx([theirs[kind].fmeasure for kind in kinds], abs=1e-12)


@given(st.lists(st.sampled_from("abcd"), max_size=20), st.lists(st.sampled_from("abcd"), max_size=20))
@settings(deadline=None)
def test_longest_common_subsequence_equals_the_table(first: list[str], second: list[str]) -> None:
    row = [0] * (len(second) + 1)
    for item in first:
        above = row
        row = [0]
        for j, other in enumerate(second):
            row.append(above[j] + 1 if item == other else max(above[j + 1], row[j]))
    assert longest_common_subsequence(first, second) == row[-1]


@given(st.lists(st.tuples(word_texts, word_texts, word_texts), min_size=1, max_size=5), st.booleans())
@settings(deadline=None)
def test_bleu_and_chrf_equal_sacrebleu(rows: list[tuple[str, str, str]], ragged: bool) -> None:
    predictions, first, second = map(list, zip(*rows, strict=True))
    references: list[object] = list(map(list, zip(first, second, strict=True)))
    streams: list[list[Any]] = [first, second]
    if ragged:
        references[0] = first[0]
        streams = [first, [None, *second[1:]]]
    for name, library in (("bleu", BLEU(force=True)), ("chrf", CHRF())):
        expected = library.corpus_score(predictions, streams).score / 100
        assert score(name, predictions, references).value == pytest.approx(expected, abs=1e-12)


@given(
    st.lists(st.tuples(word_texts, word_texts, word_texts), min_size=1, max_size=5),
    st.lists(st.integers(0, 100), min_size=1, max_size=8),
    st.booleans(),
)
@settings(deadline=None)
def test_corpus_metrics_score_any_selection(
    rows: list[tuple[str, str, str]], drawn: list[int], lowercase: bool
) -> None:
    references = [{"answer": [first, second] if index % 2 else first} for index, (first, second, _) in enumerate(rows)]
    predictions = [prediction for *_, prediction in rows]
    indices = [index % len(rows) for index in drawn]
    own = CorpusMetric(name="own", score=lambda predictions, texts: float(len("".join(predictions))))
    for metric in (make_metric("bleu", lowercase=lowercase), make_metric("chrf"), own):
        assert isinstance(metric, CorpusMetric)
        selected = metric([references[i] for i in indices], [predictions[i] for i in indices]).value
        assert metric.resampled(references, predictions)(indices) == pytest.approx(selected, abs=1e-12)


# --- laws -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", BUILT_IN_METRICS)
@given(rows=pairs, seed=st.integers(0, 9))
@settings(deadline=None, max_examples=60)
def test_laws(name: str, rows: list[tuple[str, str]], seed: int) -> None:
    predictions, references = map(list, zip(*rows, strict=True))
    scores = score(name, predictions, references)
    assert 0.0 <= scores.value <= 1.0
    assert (scores.per_sample is None) == (name not in PER_SAMPLE)
    shuffled = random.Random(seed).sample(rows, len(rows))
    again = score(name, *map(list, zip(*shuffled, strict=True)))
    assert again.value == scores.value
    if scores.per_sample is not None:
        assert all(0.0 <= one <= 1.0 for one in scores.per_sample)
        assert scores.value == pytest.approx(math.fsum(scores.per_sample) / len(rows), abs=1e-15)
        assert sorted(again.per_sample or ()) == sorted(scores.per_sample)
        assert scores.per_sample == tuple(value(name, *row) for row in rows)


@pytest.mark.parametrize("name", BUILT_IN_METRICS)
@given(words=st.permutations(["red,", "blue,", "green,", "12,", "tall,", "house,", "runs,"]))
@settings(deadline=None, max_examples=30)
def test_an_exact_copy_scores_1(name: str, words: list[str]) -> None:
    text = " ".join([*words, "7"])
    assert value(name, text, text) == pytest.approx(1.0, abs=1e-12)


@given(text=texts)
@settings(deadline=None)
def test_an_exact_copy_of_any_text_scores_1(text: str) -> None:
    assert exact_match(text, text) == token_f1(text, text) == value("contains", text, text) == 1.0


@given(st.lists(st.text(ascii_lowercase, min_size=2, max_size=8), min_size=1, unique_by=lambda text: text[:2]))
@settings(deadline=None)
def test_listing_all_members_scores_1(members: list[str]) -> None:
    references = [{"members": members, "count": len(members)}]
    metric = make_metric("distinct_items")
    assert metric(references, [", ".join(members)]).value == 1.0
    numbered = "Here they are:\n" + "\n".join(f"{i}. **{member.title()}**" for i, member in enumerate(members, start=1))
    assert metric(references, [numbered]).value == 1.0
    assert metric(references, [", ".join([*members, members[0]])]).value == len(members) / (len(members) + 1)


@pytest.mark.parametrize("name", BUILT_IN_METRICS)
def test_a_megabyte_of_anything_is_scored_soon(name: str) -> None:
    units = ["9", "1,000,", "1,00,", "- ", "(1", "y", "\0\ud800", " ", ":\n", "running wild ", "***:"]
    if name in ("bleu", "chrf"):
        units = ["running wild ", "\0\ud800"]
    predictions = [(unit * (1_000_000 // len(unit) + 1))[:1_000_000] for unit in units]
    start = time.process_time()
    scores = score(name, predictions, ["the wild 7 cats are running"] * len(units))
    assert 0.0 <= scores.value <= 1.0
    assert time.process_time() - start < 20.0  # seconds; a quadratic expression takes hours


# --- make_metric ------------------------------------------------------------------------------------------------------


def test_every_built_in_is_a_metric_with_its_name() -> None:
    for name in BUILT_IN_METRICS:
        metric = make_metric(name)
        assert isinstance(metric, Metric)
        assert metric.name == name
        assert metric.greater_is_better
        assert not make_metric(name, greater_is_better=False).greater_is_better
        assert make_metric(name, column="answer").name == f"{name}(column='answer')"


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
        ("no_such_module_7:f", {}, "cannot import the metric `no_such_module_7:f`: ModuleNotFoundError"),
        (":f", {}, "cannot import the metric `:f`: ValueError"),
        ("math:no_such", {}, "cannot import the metric `math:no_such`: `math` has no `no_such`"),
        ("math:", {}, "`math` has no ``"),
        ("math:pi", {}, "must be a name, a callable or an `evaluate` module, got 3.14"),
        (7, {}, "must be a name, a callable or an `evaluate` module, got 7"),
        (len, {"column": "a"}, "`column` is not for a scorer function"),
        (len, {"power": 2}, "takes no arguments, got `power`: use functools.partial"),
        (SampleMetric(name="m", score=exact_match), {"column": "a"}, "metric `m` is complete"),
        (SampleMetric(name="m", score=exact_match), {"greater_is_better": False}, "metric `m` is complete"),
    ],
)
def test_what_cannot_be_had_is_refused(spec: object, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(MetricError) as caught:
        make_metric(spec, **arguments)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", BUILT_IN_METRICS)
@given(
    references=st.lists(st.text("ab 1,.", min_size=1, max_size=9), min_size=1, max_size=3),
    predictions=st.lists(st.text("ab 1,.\n", max_size=12), min_size=3, max_size=3),
)
def test_built_in_metrics_keep_to_their_range(name: str, references: list[str], predictions: list[str]) -> None:
    metric = make_metric(name)
    values: list[object] = [[text] for text in references] if name == "distinct_items" else list(references)
    scores = metric([{"answer": value} for value in values], predictions[: len(references)])
    if name in ("bleu", "chrf"):
        assert known_range(metric) is None
    else:
        assert known_range(metric) == (0.0, 1.0)
        assert scores.per_sample is not None
        assert all(0.0 <= score <= 1.0 for score in scores.per_sample)


def test_metrics_of_others_need_no_range() -> None:
    assert known_range(make_metric(len)) is None
    assert known_range(SampleMetric(name="m", score=exact_match)) is None
    assert known_range(SampleMetric(name="m", score=exact_match, score_range=(-1.0, 1.0))) == (-1.0, 1.0)


@pytest.mark.parametrize("value", [(0, 1), [-2.5, 3], (np.float32(0), np.int64(2))])
def test_a_range_is_two_numbers(value: object) -> None:
    low, high = check_score_range(value)
    assert type(low) is type(high) is float
    assert low < high


@pytest.mark.parametrize(
    "value", [1, "01", (0,), (0, 1, 2), (1, 0), (0, 0), (0, math.nan), (-math.inf, 0), (False, True)]
)
def test_what_is_no_range_is_refused(value: object) -> None:
    with pytest.raises(MetricError, match=r"^`score_range` must be two numbers, the smaller first, got "):
        check_score_range(value)


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
        "import sys; from llmsearch_optuna.metrics import make_metric, BUILT_IN_METRICS; "
        f"[make_metric(name) for name in BUILT_IN_METRICS]; make_metric(print); print({heavy} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


# --- the user's scorers ----------------------------------------------------------------------------------------------


def run(result: object, n: int = 3, **keywords: Any) -> Scores:
    metric = make_metric(lambda references, predictions: result)
    return metric([{"answer": "a"}] * n, ["a"] * n, **keywords)


@pytest.mark.parametrize(
    "result",
    [0.5, np.float32(0.5), np.array(0.5), torch.tensor(0.5), torch.tensor(0.5, requires_grad=True)],
)
def test_one_number_is_the_value(result: object) -> None:
    assert run(result) == Scores(0.5, None)
    assert type(run(result).value) is float


@pytest.mark.parametrize(
    "result",
    [
        [1, 0, 0.5],
        (True, False, 0.5),
        np.array([1.0, 0.0, 0.5], dtype=np.float16),
        torch.tensor([1.0, 0.0, 0.5]),
        [torch.tensor(1.0), np.int64(0), np.float64(0.5)],
    ],
)
def test_one_number_per_sample(result: object) -> None:
    scores = run(result)
    assert scores == Scores(0.5, (1.0, 0.0, 0.5))
    assert all(type(one) is float for one in (scores.value, *(scores.per_sample or ())))


def test_a_scorer_gets_its_own_dicts_and_list() -> None:
    def greedy(y_true: list[dict[str, Any]], y_pred: list[str]) -> float:
        assert type(y_true) is list
        assert type(y_pred) is list
        y_pred.clear()
        return float(y_true.pop().pop("answer") == "b")

    references, predictions = ({"answer": "a"}, {"answer": "b"}), ("x", "y")
    metric = make_metric(greedy)
    assert metric(references, predictions) == metric(references, predictions) == Scores(1.0, None)


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (None, "must return a number or one per sample, got NoneType"),
        ("0.5", "must return a number or one per sample, got str"),
        ({"score": 1.0}, "must return a number or one per sample, got dict"),
        (1j, "must return a number or one per sample, got complex"),
        ([0.5, 0.5, "0.5"], "must return numbers, got str for sample 30"),
        (np.ones((3, 1)), "must return numbers, got list for sample 10"),
        ([1.0, 2.0], "returned 2 scores for 3 samples"),
        ([], "returned 0 scores for 3 samples"),
        ([0.0, math.nan, 0.0], "returned nan for sample 20; scores must be finite"),
        (np.array([0.0, 0.0, -np.inf]), "returned -inf for sample 30"),
        ([0.0, 10**400, 0.0], "returned inf for sample 20"),
        ([1e308] * 3, "returned scores too large to average"),
        (math.inf, "returned inf on sample 10; scores must be finite"),
        (10**400, "returned inf on sample 10; scores must be finite"),
    ],
)
def test_what_is_no_score_is_refused(result: object, message: str) -> None:
    with pytest.raises(ScorerError) as caught:
        run(result, sample_ids=[10, 20, 30])
    assert message in str(caught.value)
    assert str(caught.value).startswith("scorer `")
    assert "\n" not in str(caught.value)


def words_per_letter(y_true: list[dict[str, Any]], y_pred: list[str]) -> float:
    return sum(len(text.split()) / len(text) for text in y_pred) / len(y_pred)


def test_an_exception_names_the_scorer_and_the_sample() -> None:
    metric = make_metric(words_per_letter)
    predictions = ["a b"] * 7 + [""] + ["c"]
    with pytest.raises(ScorerError, match=r"words_per_letter` raised ZeroDivisionError: .* on sample 7$") as caught:
        metric([{}] * 9, predictions)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    with pytest.raises(ScorerError, match=r"on sample 107$"):
        metric([{}] * 9, predictions, sample_ids=range(100, 109))


def test_an_exception_of_no_single_sample_names_none() -> None:
    def picky(y_true: list[dict[str, Any]], y_pred: list[str]) -> float:
        if len(y_pred) == 1:
            raise KeyError("one")
        raise RuntimeError("several\nlines\0\ud800 " + "long " * 100)

    with pytest.raises(ScorerError) as caught:
        make_metric(picky)([{}] * 2, ["a", "b"])
    assert "raised RuntimeError: several lines long long" in str(caught.value)
    assert str(caught.value).endswith("...")
    assert str(caught.value).isprintable()


def test_a_nan_names_the_sample_that_makes_it() -> None:
    def mean(y_true: list[dict[str, Any]], y_pred: list[str]) -> float:
        return sum(map(float, y_pred)) / len(y_pred)

    with pytest.raises(ScorerError, match=r"returned nan on sample 2; scores must be finite"):
        make_metric(mean)([{}] * 3, ["1", "0", "nan"])
    with pytest.raises(ScorerError, match=r"returned inf; scores must be finite"):
        make_metric(mean)([{}] * 3, ["1e308", "1e308", "1e308"])


def test_only_exceptions_of_the_scorer_are_caught() -> None:
    def interrupted(y_true: list[dict[str, Any]], y_pred: list[str]) -> float:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_metric(interrupted)([{}], ["a"])


class Weighted:
    def __init__(self, weight: float) -> None:
        self.weight = weight

    def __call__(self, y_true: list[dict[str, Any]], y_pred: list[str]) -> float:
        return self.weight

    def method(self, y_true: list[dict[str, Any]], y_pred: list[str]) -> float:
        return self.weight


def scaled(y_true: list[dict[str, Any]], y_pred: list[str], scale: float = 1.0, by: Callable[..., Any] = len) -> float:
    return scale


def test_names_of_callables() -> None:
    def name(function: Any) -> str:
        metric = make_metric(function)
        assert metric([{}], ["a"]).value == pytest.approx(metric([{}], ["a"]).value)
        return metric.name

    module = __name__
    assert name(words_per_letter).startswith(f"{module}.words_per_letter#")
    assert name(Weighted(1.0)).startswith(f"{module}.Weighted#")
    assert name(Weighted(1.0).method).startswith(f"{module}.Weighted.method#")
    half = name(functools.partial(scaled, scale=0.5, by=words_per_letter))
    assert half == f"{name(scaled)}(by={name(words_per_letter)}, scale=0.5)"
    assert CallableMetric(function=len).name == "builtins.len"  # type: ignore[arg-type]
    assert len({name(words_per_letter), name(scaled), half, name(Weighted(1.0))}) == 4


def write_and_name(folder: Path, source: str) -> str:
    folder.mkdir(exist_ok=True)
    folder.joinpath("edited_scorer.py").write_text(source)
    code = "from llmsearch_optuna.metrics import make_metric; print(make_metric('edited_scorer:f').name)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=folder)
    return done.stdout.strip()


def test_an_edited_scorer_is_another_metric(tmp_path: Path) -> None:
    first = write_and_name(tmp_path / "a", "def f(y_true, y_pred):\n    return 1.0\n")
    moved = write_and_name(tmp_path / "b", "import math\n\n\ndef f(y_true, y_pred):\n    return 1.0\n")
    edited = write_and_name(tmp_path / "c", "def f(y_true, y_pred):\n    return 2.0\n")
    assert first.startswith("edited_scorer.f#")
    assert first == moved != edited


def test_code_without_source_has_a_name_that_is_the_same_in_every_process() -> None:
    def code(constant: str) -> str:
        body = f"def f(y_true, y_pred):\\n    g = lambda: {constant}\\n    return len({{'a', 'b', 'c'}} & set(y_pred))"
        return (
            "from llmsearch_optuna.metrics import make_metric\n"
            "names = {'__name__': 'typed'}\n"
            f'exec("{body}", names)\n'
            'f = names["f"]\n'
            "print(make_metric(f).name)"
        )

    def name(constant: str, seed: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", code(constant)],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed, "PATH": ""},
        )
        return done.stdout

    first = name("1", "1")
    assert first.startswith("typed.f#")
    assert first == name("1", "2")
    assert first != name("2", "1")


# --- evaluate ---------------------------------------------------------------------------------------------------------

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
    with pytest.raises(MetricError, match=r"`key` must say which result .* `score`, `best`, `pair`"):
        make_metric(f"evaluate:{script}", mode="each")(rows, ["a"])
    with pytest.raises(MetricError, match="unknown `evaluate:word_overlap` result `bset`: did you mean `best`"):
        make_metric(f"evaluate:{script}", key="bset", mode="each")(rows, ["a"])


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


def test_where_less_is_better_the_least_of_several_counts() -> None:
    edits = SampleMetric(name="edits", score=lambda one, other: abs(len(one) - len(other)), greater_is_better=False)
    assert edits([{"answer": ["a", "abc"]}], ["a"]).value == 0.0


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
