"""Procedural tasks of reasoning-gym, with their verifiers."""

import dataclasses
import importlib.metadata
import json
from collections.abc import Mapping
from typing import Any

from llmsearch_optuna.data.tasks.imported import ImportedTask, TaskMetric, not_installed
from llmsearch_optuna.data.tasks.options import REASONING_GYM, TaskOptions, default_columns
from llmsearch_optuna.errors import TaskError, describe_error, unknown_name
from llmsearch_optuna.identity import describe

__all__ = ["load_gym_task"]

_SIZE = 500
_ATTEMPTS_PER_QUESTION = 10
_RESERVED = {"size": "size", "seed": "task_seed"}


def load_gym_task(options: TaskOptions) -> ImportedTask:
    """Generate the rows of a task, with the columns `question`, `answer` and `metadata` (JSON).

    Questions that repeat earlier ones are left out. The metric is the task's verifier (``score_answer``), which scores
    the content of the last ``<answer>...</answer>`` of a completion, or the whole completion without these tags.

    Raises:
        TaskError: The package is not installed, the task or an argument is unknown, an argument has a wrong value, or
            there are fewer different questions than `size`.
    """
    try:
        import reasoning_gym  # noqa: PLC0415  # takes a second, and may not be installed
        from reasoning_gym.factory import DATASETS  # noqa: PLC0415
        from reasoning_gym.utils import extract_answer  # noqa: PLC0415
    except ImportError as error:
        raise not_installed(f"{REASONING_GYM}:{options.name}", "reasoning-gym", error) from error
    if options.name not in DATASETS:
        raise TaskError(unknown_name("reasoning-gym task", options.name, DATASETS))
    arguments = dict(options.task_args or {})
    _check_names(options.name, arguments, DATASETS[options.name][1])
    size = _SIZE if options.size is None else options.size
    limit = size * _ATTEMPTS_PER_QUESTION
    try:
        dataset = reasoning_gym.create_dataset(options.name, size=size, seed=options.task_seed or 0, **arguments)
        entries = _different(dataset, size, limit)
    except Exception as error:  # validates by assertions, and lets wrong types pass
        raise TaskError(
            f"reasoning-gym task `{options.name}` rejects `task_args` {arguments}: {describe_error(error)}"
        ) from error
    if len(entries) < size:
        raise TaskError(
            f"`size` must be at most {len(entries)}, the number of different questions among {limit} of reasoning-gym "
            f"task `{options.name}`, got {size}: lower it, or set wider `task_args`"
        )

    def score(references: list[dict[str, Any]], predictions: list[str]) -> list[Any]:
        answers = [extract_answer(prediction) or prediction for prediction in predictions]
        pairs = zip(references, answers, strict=True)
        return [dataset.score_answer(answer, entries[reference["question"]]) for reference, answer in pairs]

    version = importlib.metadata.version("reasoning-gym")
    parts = [f"{name}={describe(value)}" for name, value in sorted(arguments.items())]
    identity = ", ".join([*parts, f"seed={options.task_seed or 0}", f"reasoning-gym {version}"])
    return ImportedTask(
        rows=[
            {
                "question": entry["question"],
                "answer": entry["answer"],
                "metadata": json.dumps(entry["metadata"], ensure_ascii=False, default=str),
            }
            for entry in entries.values()
        ],
        metric=TaskMetric(name=f"{options.task}({identity})", score=score, score_range=(0.0, 1.0)),
        data=default_columns({"task": options.task}),
    )


def _check_names(task: str, arguments: Mapping[str, Any], config: type) -> None:
    names = {field.name for field in dataclasses.fields(config)} - set(_RESERVED)
    for name in arguments:
        if name in _RESERVED:
            raise TaskError(f"`task_args` must not hold {name}: set `{_RESERVED[name]}`")
        if name not in names:
            raise TaskError(unknown_name(f"argument of reasoning-gym task {task}", name, names))


def _different(dataset: Any, size: int, limit: int) -> dict[str, dict[str, Any]]:
    """Return the first `size` of `limit` entries with different questions, by question."""
    kept: dict[str, dict[str, Any]] = {}
    for index in range(limit):  # most datasets go on after their size
        try:
            entry = dataset[index]
        except IndexError:
            break
        kept.setdefault(entry["question"], entry)
        if len(kept) == size:
            break
    return kept
