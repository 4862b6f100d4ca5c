"""Tasks of reasoning-gym."""

import json
import re
from typing import Any

import pytest

from llmsearch_optuna import Tuner, load_task
from llmsearch_optuna.errors import ScorerError, TaskError
from llmsearch_optuna.metrics import known_range

reasoning_gym = pytest.importorskip("reasoning_gym")

TASK = "reasoning_gym:chain_sum"
SMALL = {"min_terms": 2, "max_terms": 2, "min_digits": 1, "max_digits": 1}


def test_rows_and_scores_are_those_of_the_package() -> None:
    task = load_task(TASK, size=20, task_seed=3, task_args={"min_terms": 2, "max_terms": 3})
    dataset = reasoning_gym.create_dataset("chain_sum", size=20, seed=3, min_terms=2, max_terms=3)
    entries = list(dataset)
    assert [(row["question"], row["answer"]) for row in task.rows] == [(e["question"], e["answer"]) for e in entries]
    assert json.loads(task.rows[0]["metadata"])["num_terms"] == entries[0]["metadata"]["num_terms"]
    for answer in (entries[0]["answer"], "7", "", f"It is {entries[0]['answer']}."):
        expected = tuple(dataset.score_answer(answer, entry) for entry in entries)
        assert task.metric(task.rows, [answer] * 20).per_sample == expected
    tagged = [f"<answer>0</answer> no <answer> {row['answer']} </answer> so" for row in task.rows]
    assert task.metric(task.rows, tagged).value == 1.0
    assert known_range(task.metric) == (0.0, 1.0)


def test_the_name_of_the_metric_changes_with_the_task() -> None:
    names = {
        load_task(TASK, size=5, **options).metric.name
        for options in ({}, {"task_seed": 1}, {"task_args": {"max_terms": 3}}, {"task_args": {"max_terms": 3}})
    }
    assert len(names) == 3
    assert all(re.fullmatch(r"reasoning_gym:chain_sum\(.*reasoning-gym [0-9.]+\)", name) for name in names)


def test_questions_do_not_repeat() -> None:
    task = load_task(TASK, size=60, task_args=SMALL)
    assert len({row["question"] for row in task.rows}) == 60
    with pytest.raises(TaskError, match=r"^`size` must be at most \d+, the number of different questions among 5000 "):
        load_task(TASK, task_args=SMALL)


@pytest.mark.parametrize(
    ("task", "options", "message"),
    [
        ("reasoning_gym:chain_sums", {}, "unknown reasoning-gym task `chain_sums`: did you mean `chain_sum`?"),
        (
            TASK,
            {"min_term": 2},
            "unknown argument of reasoning-gym task chain_sum `min_term`: did you mean `min_terms`?",
        ),
        (
            TASK,
            {"min_terms": -1},
            "reasoning-gym task `chain_sum` rejects `task_args` {'min_terms': -1}: AssertionError:",
        ),
        (
            TASK,
            {"min_terms": "x"},
            "reasoning-gym task `chain_sum` rejects `task_args` {'min_terms': 'x'}: TypeError: ",
        ),
        (TASK, {"seed": 1}, "`task_args` must not hold seed: set `task_seed`"),
        ("reasoning_gym:composite", {}, "reasoning-gym task `composite` rejects `task_args` {}: AssertionError: "),
    ],
)
def test_a_wrong_task_is_refused(task: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(TaskError, match="^" + re.escape(message)):
        load_task(task, size=5, task_args=options)


def test_the_arguments_are_those_of_a_tuner() -> None:
    task = load_task(TASK, size=8)
    answers = {f'[{{"role": "user", "content": "{row["question"]}"}}]': row["answer"] for row in task.rows}
    tuner = Tuner(
        custom_pred_function=lambda prompts, _: [f"<answer>{answers[prompt]}</answer>" for prompt in prompts],
        **task.arguments(),
    )
    assert tuner.get_score({}).value == 1.0


def test_take_is_refused() -> None:
    with pytest.raises(TaskError, match=r"^`take` has no effect on a task of reasoning-gym: set `size`$"):
        load_task(TASK, take=3)


def test_a_question_of_other_rows_is_named() -> None:
    task = load_task(TASK, size=5)
    with pytest.raises(ScorerError, match=r"^scorer `reasoning_gym:chain_sum` raised KeyError: .* on sample 8$"):
        task.metric([*task.rows, {"question": "?"}], ["1"] * 6, sample_ids=[3, 4, 5, 6, 7, 8])
