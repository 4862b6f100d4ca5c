"""The evaluator: requests, texts, stored rows and checked scores."""

import math
from typing import Any

import pytest

from llmsearch_optuna.data.task import Sample
from llmsearch_optuna.engine.base import Completion, Stopping
from llmsearch_optuna.engine.function import FunctionEngine
from llmsearch_optuna.errors import ScorerError, TrialError
from llmsearch_optuna.metrics import make_metric
from llmsearch_optuna.search.scoring import Evaluator
from llmsearch_optuna.space.params import GenerationParams

SAMPLES = [
    Sample(row=row, prompt=f"prompt {row}", token_ids=(row,), reference={"answer": "1"}, max_new_tokens=limit)
    for row, limit in ((7, None), (9, 3))
]
COMPLETION = Completion(text=" 1 ", token_ids=(5, 6), finish_reason="eos")


def evaluator(**changes: Any) -> Evaluator:
    arguments: dict[str, Any] = {
        "engine": FunctionEngine(lambda prompts, params: [" 1 "] * len(prompts)),
        "metric": make_metric("exact_match"),
        "stopping": Stopping(),
    }
    return Evaluator(**{**arguments, **changes})


def test_a_request_has_the_lesser_length_limit_and_the_stopping_conditions() -> None:
    params = GenerationParams(temperature=0.5, max_new_tokens=4)
    stopping = Stopping(strings=("\n",))
    (first,), (second,) = (evaluator(stopping=stopping).requests(sample, params) for sample in SAMPLES)
    assert (first.params, second.params.max_new_tokens) == (params, 3)
    assert (first.prompt, first.prompt_ids, first.row, first.stopping) == (
        "prompt 7",
        (7,),
        7,
        Stopping(strings=("\n",)),
    )


def test_generation_calls_back_once_per_pass() -> None:
    passes: list[None] = []
    made = evaluator(callbacks=[lambda: passes.append(None)])
    requests = [request for sample in SAMPLES for request in made.requests(sample, GenerationParams())]
    assert [completion.text for completion in made.generate(requests)] == [" 1 ", " 1 "]
    assert len(passes) == 1


def test_a_stored_completion_has_the_processed_text_and_no_score() -> None:
    stored = evaluator().stored(3, SAMPLES[1], [COMPLETION])
    assert (stored.position, stored.row, stored.text, stored.token_ids) == (3, 9, "1", (5, 6))
    assert stored.score is None
    with pytest.raises(TrialError, match="output_preproc must return a string, got int"):
        evaluator(output_preproc=len).stored(3, SAMPLES[1], [COMPLETION])


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ([1.0], "returned 1 scores for 2 samples"),
        ([1.0, math.nan], "returned nan for sample 9"),
        ([1.0, 2.5], r"^row 9 scored 2.5, but `score_range` is \[0.0, 2.0\]$"),
    ],
)
def test_invalid_scores_name_the_row(scores: list[float], message: str) -> None:
    made = evaluator(metric=make_metric(lambda references, predictions: scores), score_range=(0.0, 2.0))
    with pytest.raises(ScorerError, match=message):
        made.score(SAMPLES, [("1",), ("1",)])


def test_a_corpus_metric_has_no_scores_to_check() -> None:
    assert (
        evaluator(metric=make_metric("bleu"), score_range=(0.0, 0.5)).score(SAMPLES, [("1",), ("1",)]).per_sample
        is None
    )
