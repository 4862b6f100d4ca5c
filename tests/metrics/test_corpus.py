"""BLEU and chrF against sacrebleu, and the score of any selection of the samples."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from scored_texts import score, word_texts

from llmsearch_optuna.metrics import CorpusMetric, make_metric


@given(st.lists(st.tuples(word_texts, word_texts, word_texts), min_size=1, max_size=5), st.booleans())
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
def test_corpus_metrics_score_any_selection(
    rows: list[tuple[str, str, str]], drawn: list[int], lowercase: bool
) -> None:
    references = [{"answer": [first, second] if index % 2 else first} for index, (first, second, _) in enumerate(rows)]
    predictions = [prediction for *_, prediction in rows]
    indices = [index % len(rows) for index in drawn]
    length = CorpusMetric(name="own", score=lambda predictions, texts: float(len("".join(predictions))))
    for metric in (make_metric("bleu", lowercase=lowercase), make_metric("chrf"), length):
        assert isinstance(metric, CorpusMetric)
        selected = metric([references[i] for i in indices], [predictions[i] for i in indices]).value
        assert metric.resampled(references, predictions)(indices) == pytest.approx(selected, abs=1e-12)
