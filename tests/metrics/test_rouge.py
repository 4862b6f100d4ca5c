"""ROUGE against the package that it follows, and the subsequence against the usual table."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer
from scored_texts import texts

from llmsearch_optuna.metrics import rouge1, rouge2, rouge_l
from llmsearch_optuna.metrics.rouge import longest_common_subsequence


@given(texts, texts)
def test_rouge_equals_rouge_score(prediction: str, reference: str) -> None:
    kinds = ["rouge1", "rouge2", "rougeL"]
    theirs = RougeScorer(kinds, use_stemmer=True).score(reference, prediction)
    ours = [function(prediction, reference) for function in (rouge1, rouge2, rouge_l)]
    assert ours == pytest.approx([theirs[kind].fmeasure for kind in kinds], abs=1e-12)


@given(st.lists(st.sampled_from("abcd"), max_size=20), st.lists(st.sampled_from("abcd"), max_size=20))
def test_longest_common_subsequence_equals_the_table(first: list[str], second: list[str]) -> None:
    row = [0] * (len(second) + 1)
    for item in first:
        above = row
        row = [0]
        for j, other in enumerate(second):
            row.append(above[j] + 1 if item == other else max(above[j + 1], row[j]))
    assert longest_common_subsequence(first, second) == row[-1]
