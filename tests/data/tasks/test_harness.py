"""Tasks of lm-eval, compared with the harness itself."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from llmsearch_optuna import load_task
from llmsearch_optuna.errors import TaskError

pytest.importorskip("lm_eval", exc_type=ImportError)

from lm_eval import simple_evaluate
from lm_eval.api.model import LM
from lm_eval.tasks import TaskManager

pytestmark = pytest.mark.filterwarnings("ignore")  # of lm-eval and what it imports

CONFIG: Mapping[str, Any] = {
    "task": "sums",
    "dataset_path": "json",
    "training_split": "train",
    "fewshot_split": "train",
    "test_split": "test",
    "output_type": "generate_until",
    "description": "Add the numbers.\n\n",
    "doc_to_text": "Question: {{question}}\nAnswer:",
    "doc_to_target": "{{answer}}",
    "num_fewshot": 2,
    "generation_kwargs": {"until": ["Question:", "\n\n"], "max_gen_toks": 12, "do_sample": False},
    "metric_list": [
        {"metric": "exact_match", "aggregation": "mean", "higher_is_better": True, "ignore_punctuation": True},
        {"metric": "bleu", "aggregation": "bleu", "higher_is_better": True},
    ],
    "filter_list": [
        {
            "name": "strict",
            "filter": [{"function": "regex", "regex_pattern": "#### (\\d+)"}, {"function": "take_first"}],
        },
        {
            "name": "flexible",
            "filter": [
                {"function": "regex", "regex_pattern": "(\\d+)", "group_select": -1},
                {"function": "take_first"},
            ],
        },
    ],
}
ROWS = [{"question": f"{number} + {number + 1}", "answer": str(2 * number + 1)} for number in range(12)]
EXAMPLES = [{"question": f"{number} + 0", "answer": str(number)} for number in range(100, 120)]
COMPLETIONS = [
    *(f" It is {2 * number + 1}" for number in range(4)),
    *(f" #### {2 * number + 1} or 8" for number in range(4, 8)),
    *(" #### 0", "", " 19.", "\n#### 23 "),
]


class Replies(LM):  # type: ignore[misc]  # a class without types
    """Answers the questions in their order, and notes the prompts."""

    def __init__(self, completions: list[str]) -> None:
        super().__init__()
        self.completions = completions
        self.requests: list[Any] = []

    def generate_until(self, requests: list[Any]) -> list[str]:
        self.requests = [request.args for request in requests]
        return self.completions[: len(requests)]

    def loglikelihood(self, requests: list[Any]) -> Any:
        raise NotImplementedError

    loglikelihood_rolling = loglikelihood

    @property
    def tokenizer_name(self) -> str:
        return "replies"

    def chat_template(self, chat_template: bool | str = False) -> str:
        return ""

    def apply_chat_template(self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        return json.dumps(chat_history) + str(add_generation_prompt)


def write_task(directory: Path, **changes: Any) -> None:
    """Write a task file, which JSON is too, and its rows."""
    files = {}
    for split, rows in (("test", ROWS), ("train", EXAMPLES)):
        file = directory / f"{split}.jsonl"
        file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
        files[split] = str(file)
    config = {**CONFIG, "dataset_kwargs": {"data_files": files}, **changes}
    (directory / "sums.yaml").write_text(json.dumps(config), encoding="utf-8")


def harness(directory: Path, replies: Replies, **options: Any) -> list[dict[str, Any]]:
    manager = TaskManager(include_path=directory, include_defaults=False)
    results = simple_evaluate(
        replies, tasks=["sums"], task_manager=manager, bootstrap_iters=0, log_samples=True, **options
    )
    samples: list[dict[str, Any]] = results["samples"]["sums"]
    return samples


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path_factory.mktemp("datasets"))
        patch.setattr("lm_eval.evaluator.add_env_info", lambda _: None)  # takes seconds
        yield


@pytest.mark.parametrize("filter_name", ["strict", "flexible"])
@pytest.mark.parametrize(
    ("options", "run"),
    [
        ({}, {}),
        ({"num_fewshot": 0}, {"num_fewshot": 0}),
        ({"num_fewshot": 5, "task_seed": 7}, {"num_fewshot": 5, "fewshot_random_seed": 7}),
        ({"take": 5}, {"limit": 5}),
    ],
)
def test_prompts_and_scores_are_those_of_the_harness(
    tmp_path: Path, filter_name: str, options: dict[str, Any], run: dict[str, Any]
) -> None:
    write_task(tmp_path)
    replies = Replies(COMPLETIONS)
    samples = [sample for sample in harness(tmp_path, replies, **run) if sample["filter"] == filter_name]
    task = load_task("lm_eval:sums", include_path=str(tmp_path), task_filter=filter_name, **options)
    assert [row["prompt"] for row in task.rows] == [arguments[0] for arguments in replies.requests]
    assert all(task.stop == tuple(arguments[1]["until"]) for arguments in replies.requests)
    assert task.max_new_tokens == 12
    completions = [task.output_preproc(text) for text in COMPLETIONS[: len(samples)]]
    scores = task.metric(task.rows, completions)
    assert scores.per_sample == tuple(sample["exact_match"] for sample in samples)
    assert 0 < scores.value < 1
    assert task.metric(task.rows[2:4], completions[2:4]).per_sample == (scores.per_sample or ())[2:4]


def test_chat_messages_are_those_of_the_harness(tmp_path: Path) -> None:
    write_task(tmp_path)
    replies = Replies(COMPLETIONS)
    harness(tmp_path, replies, apply_chat_template=True)
    task = load_task("lm_eval:sums", include_path=str(tmp_path), task_filter="strict", apply_chat_template=True)
    assert [f"{json.dumps(json.loads(row['messages']))}True" for row in task.rows] == [
        arguments[0] for arguments in replies.requests
    ]
    assert task.arguments()["messages_col"] == "messages"


def test_a_function_of_the_task_scores(tmp_path: Path) -> None:
    (tmp_path / "utils.py").write_text(
        "def score(doc, results):\n    text = results[0]\n"
        "    hit, doc['answer'] = doc['answer'] in text, 'gone'\n"
        "    return {'hits': float(hit), 'length': len(text)}\n",
        encoding="utf-8",
    )
    metrics = [
        {"metric": name, "aggregation": "mean", "higher_is_better": name == "hits"} for name in ("hits", "length")
    ]
    changes = {"filter_list": None, "metric_list": metrics}
    write_task(tmp_path, **changes)
    text = (tmp_path / "sums.yaml").read_text(encoding="utf-8")
    (tmp_path / "sums.yaml").write_text(text[:-1] + ', "process_results": !function utils.score}', encoding="utf-8")
    samples = harness(tmp_path, Replies(COMPLETIONS))
    for metric, is_better in (("hits", True), ("length", False)):
        task = load_task("lm_eval:sums", include_path=str(tmp_path), task_metric=metric)
        assert task.metric.greater_is_better is is_better
        for _ in range(2):  # the function changes its document
            scores = task.metric(task.rows, COMPLETIONS).per_sample
            assert scores == tuple(sample[metric] for sample in samples)


def test_several_targets_are_compared(tmp_path: Path) -> None:
    write_task(
        tmp_path, doc_to_target="{{[answer, answer ~ '0']}}", num_fewshot=0, metric_list=CONFIG["metric_list"][:1]
    )
    completions = [f"#### {text}" for row in ROWS[:6] for text in (row["answer"], f"{row['answer']}0")]
    samples = [sample for sample in harness(tmp_path, Replies(completions)) if sample["filter"] == "strict"]
    task = load_task("lm_eval:sums", include_path=str(tmp_path), task_filter="strict")
    assert task.rows[1]["target"] == '["3", "30"]'
    scores = task.metric(task.rows, completions).per_sample
    assert scores == tuple(sample["exact_match"] for sample in samples)
    assert 0 < sum(scores or ()) < len(samples)


def test_the_name_of_the_metric_changes_with_the_scoring(tmp_path: Path) -> None:
    def name(**options: Any) -> str:
        return load_task(
            "lm_eval:sums", **{"include_path": str(tmp_path), "task_filter": "strict", **options}
        ).metric.name

    write_task(tmp_path)
    names = [name(), name(task_filter="flexible"), name(take=4)]
    assert names[0] == name()
    metric = {**CONFIG["metric_list"][0], "ignore_case": True}
    write_task(tmp_path, metric_list=[metric])
    names.append(name())
    assert len(set(names)) == 4
    assert all(re.fullmatch(r"lm_eval:sums\(metric=exact_match, filter=.*, lm-eval [0-9.]+\)", name) for name in names)


@pytest.mark.parametrize(
    ("changes", "options", "message"),
    [
        ({}, {"task": "pair"}, "`pair` is a group of lm-eval tasks: name one of its tasks"),
        (
            {"output_type": "multiple_choice"},
            {},
            "lm-eval task `sums` must generate text (generate_until), and it is `mul",
        ),
        ({"dataset_path": "no/body"}, {}, "lm-eval task `sums` cannot be loaded, or its data cannot be had: "),
        ({}, {"task_filter": None}, "`task_filter` must name one of strict, flexible, which lm-eval task `sums` has"),
        (
            {},
            {"task_filter": "strikt"},
            "`task_filter`: unknown name for lm-eval task sums `strikt`: did you mean `strict`",
        ),
        (
            {},
            {"task_metric": "bleu"},
            "the metrics of lm-eval task `sums` that score single samples are exact_match, and",
        ),
        ({}, {"task_metric": "acc"}, "`task_metric`: unknown name for lm-eval task sums `acc`: "),
        ({}, {"include_path": "nowhere"}, "`include_path` must be a directory with task files, got "),
        ({"num_fewshot": 0}, {"num_fewshot": 3}, "`num_fewshot` has no effect on lm-eval task `sums`, which sets 0"),
        ({"repeats": 4}, {}, "lm-eval task `sums` scores 4 completions per sample together: name another task"),
        ({"unsafe_code": True}, {}, "lm-eval task `sums` runs code that the model writes: name another task"),
        (
            {"gen_prefix": "So"},
            {"apply_chat_template": True},
            "`apply_chat_template` must be false for lm-eval task `sums`",
        ),
        (
            {"doc_to_text": "{{ question.a.b }}"},
            {},
            "lm-eval task `sums` cannot be loaded, or its data cannot be had: ",
        ),
    ],
)
def test_a_task_that_cannot_be_used_is_refused(
    tmp_path: Path, changes: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    write_task(tmp_path, **changes)
    (tmp_path / "pair.yaml").write_text('{"group": "pair", "task": ["sums"]}', encoding="utf-8")
    given = {"include_path": str(tmp_path), "task_filter": "strict", **options}
    with pytest.raises(TaskError, match="^" + re.escape(message)) as refusal:
        load_task(f"lm_eval:{given.pop('task', 'sums')}", **given)
    assert len(str(refusal.value).splitlines()) == 1


def test_an_unknown_task_is_refused(tmp_path: Path) -> None:
    write_task(tmp_path, task="qqqqqqqq")
    with pytest.raises(TaskError, match=r"^unknown lm-eval task `qqqqqqqqq`: did you mean `qqqqqqqq`\?$"):
        load_task("lm_eval:qqqqqqqqq", include_path=str(tmp_path))
