"""Tasks of EleutherAI's lm-evaluation-harness: their prompts, stop strings, filters and metrics."""

import copy
import dataclasses
import difflib
import importlib.metadata
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from llmsearch_optuna.data.tasks.imported import ImportedTask, TaskMetric, not_installed
from llmsearch_optuna.data.tasks.options import LM_EVAL, TaskOptions, default_columns
from llmsearch_optuna.errors import TaskError, describe_error, unknown_name
from llmsearch_optuna.identity import describe, digest

__all__ = ["load_harness_task"]

_LOG = logging.getLogger(__name__)

_FEWSHOT_SEED = 1234  # the default of `simple_evaluate`
_GENERATES = "generate_until"
_USED = ("until", "max_gen_toks")


def load_harness_task(options: TaskOptions, *, directory: Path | None, take: int | None) -> ImportedTask:
    """Build the prompts of a task as the harness sends them, with the columns `prompt`, `target` and `doc_id`.

    With `apply_chat_template`, the column `messages` has the chat messages that the harness renders. The score of a
    sample is what the harness logs for the same completion: the filter pipeline, then ``process_results``. Completions
    are therefore not stripped. The harness tasks with several completions per sample are not supported.

    Args:
        options: The task and its options.
        directory: The directory that `include_path` starts from; the working directory by default.
        take: Use only the first `take` documents.

    Raises:
        TaskError: The package is not installed, the task is unknown, generates no text or needs more than text, its
            data cannot be loaded, or the metric or the filter pipeline is unknown or ambiguous.
    """
    try:
        from lm_eval.tasks import TaskManager  # noqa: PLC0415  # takes seconds, and may not be installed
    except ImportError as error:
        raise not_installed(f"{LM_EVAL}:{options.name}", "lm-eval", error) from error
    include_path = None if options.include_path is None else (directory or Path()) / options.include_path
    if include_path is not None and not include_path.is_dir():
        raise TaskError(f"`include_path` must be a directory with task files, got {include_path}")
    manager = TaskManager(include_path=include_path, include_defaults=False)
    if options.name not in manager.all_tasks:
        manager = TaskManager(include_path=include_path)  # takes seconds
    _check_name(options.name, manager)
    try:
        task = manager.load([options.name])["tasks"][options.name]
    except Exception as error:  # code of the task, and the network
        raise TaskError(
            f"lm-eval task `{options.name}` cannot be loaded, or its data cannot be had: {describe_error(error)}"
        ) from error
    _check_task(task, options)
    metric = _chosen("task_metric", options.task_metric, _sample_metrics(task, options.task_metric), options.name)
    ensembles = {ensemble.name: ensemble for ensemble in task._filters}  # noqa: SLF001  # no public name
    filter_name = _chosen("task_filter", options.task_filter, ensembles, options.name)
    if options.num_fewshot is not None:
        task.set_config("num_fewshot", options.num_fewshot)
    elif task.get_config("num_fewshot") is None:
        task.set_config("num_fewshot", 0)
    task.set_fewshot_seed(_FEWSHOT_SEED if options.task_seed is None else options.task_seed)
    try:
        task.build_all_requests(
            limit=take,
            apply_chat_template=options.apply_chat_template,
            fewshot_as_multiturn=options.apply_chat_template,
            chat_template=_as_json if options.apply_chat_template else None,
        )
        rows = [_row(task, instance, is_chat=options.apply_chat_template) for instance in task.instances]
    except Exception as error:  # code and templates of the task
        raise TaskError(f"lm-eval task `{options.name}` makes no prompts: {describe_error(error)}") from error
    settings = dict(task.get_config("generation_kwargs") or {})
    if others := [f"{name}={value}" for name, value in settings.items() if name not in _USED]:
        _LOG.info("%s of task %s: the space chooses these", ", ".join(others), options.task)
    until = settings.get("until") or ()
    return ImportedTask(
        rows=rows,
        metric=TaskMetric(
            name=_identity(task, options, metric, filter_name),
            score=_scorer(task, ensembles[filter_name], metric),
            greater_is_better=bool(task.higher_is_better().get(metric, True)),
            score_range=(0.0, 1.0) if metric in ("exact_match", "acc") else None,
        ),
        data=default_columns({"task": options.task, "apply_chat_template": options.apply_chat_template}),
        stop=tuple(stop for stop in ([until] if isinstance(until, str) else until) if stop),
        output_preproc=str,
        max_new_tokens=settings.get("max_gen_toks"),
    )


def _check_name(name: str, manager: Any) -> None:
    """Refuse unknown tasks, groups, and tasks that generate nothing, before any data are loaded."""
    if name in manager.all_groups or name in manager.all_tags:
        raise TaskError(f"`{name}` is a group of lm-eval tasks: name one of its tasks (`lm-eval ls tasks` lists them)")
    if name not in manager.all_subtasks:
        near = difflib.get_close_matches(name, manager.all_subtasks, n=1)
        hint = f"did you mean `{near[0]}`?" if near else "`lm-eval ls tasks` lists them"
        raise TaskError(f"unknown lm-eval task `{name}`: {hint}")
    kind = (manager.task_index[name].cfg or {}).get("output_type", _GENERATES)
    if kind != _GENERATES:
        raise TaskError(
            f"lm-eval task `{name}` must generate text ({_GENERATES}), and it is `{kind}`, which compares likelihoods "
            "and has no generation parameters: name another task"
        )


def _check_task(task: Any, options: TaskOptions) -> None:
    name = options.name
    if task.OUTPUT_TYPE != _GENERATES:
        raise TaskError(f"lm-eval task `{name}` must generate text ({_GENERATES}), and it is `{task.OUTPUT_TYPE}`")
    if getattr(task, "UNSAFE_CODE", False):
        raise TaskError(f"lm-eval task `{name}` runs code that the model writes: name another task")
    if getattr(task, "MULTIMODAL", False):
        raise TaskError(f"lm-eval task `{name}` needs images or audio, and prompts are strings: name another task")
    if (repeats := task.get_config("repeats") or 1) > 1:
        raise TaskError(f"lm-eval task `{name}` scores {repeats} completions per sample together: name another task")
    if options.num_fewshot and task.get_config("num_fewshot") == 0:
        raise TaskError(f"`num_fewshot` has no effect on lm-eval task `{name}`, which sets 0: leave it out")
    if options.apply_chat_template and task.get_config("gen_prefix"):
        raise TaskError(
            f"`apply_chat_template` must be false for lm-eval task `{name}`, which begins the answers (gen_prefix)"
        )


def _sample_metrics(task: Any, requested: str | None) -> list[str]:
    """Return the metrics whose value is the mean of the scores of the samples.

    Raises:
        TaskError: There are none, or that which is requested is none.
    """
    aggregations = task.aggregation()
    names = [name for name, aggregation in aggregations.items() if _is_mean(aggregation)]
    if not names or (requested in aggregations and requested not in names):
        raise TaskError(
            f"the metrics of lm-eval task `{task.task_name}` that score single samples are "
            f"{', '.join(names) or 'none'}, and {', '.join(name for name in aggregations if name not in names)} "
            "scores a corpus: choose another `task_metric`, or another task"
        )
    return names


def _is_mean(aggregation: Callable[[list[float]], object]) -> bool:
    try:
        return aggregation([0.0, 1.0]) == 0.5 and aggregation([1.0, 1.0, 0.0, 1.0]) == 0.75
    except Exception:  # noqa: BLE001  # those of a corpus take other items
        return False


def _chosen(option: str, name: str | None, choices: Sequence[str] | Mapping[str, Any], task: str) -> str:
    if name is None:
        if len(choices) > 1:
            raise TaskError(f"`{option}` must name one of {', '.join(choices)}, which lm-eval task `{task}` has")
        return next(iter(choices))
    if name not in choices:
        raise TaskError(f"`{option}`: {unknown_name(f'name for lm-eval task {task}', name, choices)}")
    return name


def _as_json(messages: Sequence[Mapping[str, Any]], **_: Any) -> str:
    """Return the messages that the harness would render with the tokenizer's chat template."""
    return json.dumps(messages, ensure_ascii=False)


def _row(task: Any, instance: Any, *, is_chat: bool) -> dict[str, Any]:
    target = task.doc_to_target(instance.doc)
    return {
        "doc_id": instance.doc_id,
        "messages" if is_chat else "prompt": instance.args[0],
        "target": target if isinstance(target, str) else json.dumps(target, ensure_ascii=False, default=str),
    }


def _scorer(task: Any, ensemble: Any, metric: str) -> Callable[[list[dict[str, Any]], list[str]], list[Any]]:
    """Return a function that scores completions as ``evaluate`` of the harness does."""
    requests = {instance.doc_id: instance for instance in task.instances}

    def score(references: list[dict[str, Any]], predictions: list[str]) -> list[Any]:
        instances = [
            dataclasses.replace(
                request := requests[reference["doc_id"]],
                doc=copy.deepcopy(request.doc),  # code of the task may change it
                resps=[prediction],
                filtered_resps={},
            )
            for reference, prediction in zip(references, predictions, strict=True)
        ]
        ensemble.apply(instances)
        results = [
            task.process_results(instance.doc, [instance.filtered_resps[ensemble.name]]) for instance in instances
        ]
        return [result[metric] for result in results]

    return score


def _identity(task: Any, options: TaskOptions, metric: str, filter_name: str) -> str:
    """Return the name of the metric, which changes with the task's scoring, its documents and the package's version."""
    config = task.config.to_dict(keep_callable=True)
    parts = ("metric_list", "filter_list", "process_results", "doc_to_target", "doc_to_choice", "process_docs")
    scoring = {part: config.get(part) for part in parts}
    content = json.dumps([scoring, [instance.doc for instance in task.instances]], default=describe, sort_keys=True)
    version = importlib.metadata.version("lm-eval")
    details = f"metric={metric}, filter={filter_name}, content={digest(content)}, lm-eval {version}"
    return f"{options.task}({details})"
