"""The samples of a search, as they are stored."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from llmsearch_optuna.data.task import Sample
from llmsearch_optuna.search.session import stored_samples


def sample(row: int, *, reference: Mapping[str, Any]) -> Sample:
    return Sample(row=row, prompt=f"prompt {row}", token_ids=(), reference=reference)


def test_stored_samples_hold_what_json_can() -> None:
    references: list[dict[str, Any]] = [
        {"answer": "x", "day": np.datetime64("2020-01-02"), "items": ["a"]},
        {"answer": None},
    ]
    stored = stored_samples([sample(row, reference=reference) for row, reference in enumerate(references)])
    assert [row.position for row in stored] == [0, 1]
    assert [row.prompt for row in stored] == ["prompt 0", "prompt 1"]
    assert {row.row: row.reference for row in stored} == {
        0: {"answer": "x", "day": "2020-01-02", "items": ["a"]},
        1: {"answer": None},
    }


def test_what_json_has_no_number_for_is_stored_as_text() -> None:
    rows = [sample(0, reference={"answer": float("nan")}), sample(1, reference={"answer": float("-inf")})]
    stored = stored_samples(rows)
    assert {row.row: row.reference["answer"] for row in stored} == {0: "NaN", 1: "-Infinity"}
