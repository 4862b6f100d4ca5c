"""The options of a task of another package: arguments of `load_task`, and keys of ``[data]`` in a study file."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from llmsearch_optuna.data.prompts import PROMPT_FORMS
from llmsearch_optuna.errors import TaskError, check_minimum

__all__ = ["LM_EVAL", "REASONING_GYM", "TaskOptions", "default_columns"]

LM_EVAL = "lm_eval"
REASONING_GYM = "reasoning_gym"

_OPTIONS: Mapping[str, tuple[str, ...]] = {
    LM_EVAL: ("include_path", "num_fewshot", "apply_chat_template", "task_metric", "task_filter"),
    REASONING_GYM: ("size", "task_args"),
}


@dataclass(frozen=True, kw_only=True)
class TaskOptions:
    """A task of another package, and its options.

    Attributes:
        task: ``"lm_eval:NAME"`` or ``"reasoning_gym:NAME"``. By default the data come from elsewhere.
        task_seed: Seed of the questions of reasoning-gym (by default 0), or of the few-shot examples of lm-eval (by
            default 1234, as in the harness).
        size: Number of different questions of reasoning-gym; 500 by default.
        task_args: Arguments of the task of reasoning-gym, e.g. ``{"min_terms": 2}``.
        include_path: A directory with task files of lm-eval, in addition to its own.
        num_fewshot: Number of few-shot examples of lm-eval; by default that of the task.
        apply_chat_template: Whether lm-eval makes chat messages of the prompts, with each few-shot example a turn.
        task_metric: The metric of the lm-eval task. Required if it has several.
        task_filter: The filter pipeline of the lm-eval task. Required if it has several.

    Raises:
        TaskError: `task` has another form, a value is out of its range, or an option has no effect on the task.
    """

    task: str | None = None
    task_seed: int | None = None
    size: int | None = None
    task_args: Mapping[str, Any] | None = None
    include_path: str | None = None
    num_fewshot: int | None = None
    apply_chat_template: bool = False
    task_metric: str | None = None
    task_filter: str | None = None

    def __post_init__(self) -> None:
        if self.task is not None and (self.kind not in _OPTIONS or not self.name):
            raise TaskError(f'`task` must be "{LM_EVAL}:NAME" or "{REASONING_GYM}:NAME", got {self.task!r}')
        for kind, options in _OPTIONS.items():
            for option in options:
                if kind != self.kind and getattr(self, option) is not None and getattr(self, option) is not False:
                    raise TaskError(f'`{option}` has no effect without task = "{kind}:NAME": leave it out')
        if self.task is None and self.task_seed is not None:
            raise TaskError("`task_seed` has no effect without `task`: leave it out")
        check_minimum("size", self.size, 1, TaskError)
        check_minimum("num_fewshot", self.num_fewshot, 0, TaskError)
        check_minimum("task_seed", self.task_seed, 0, TaskError)

    @property
    def kind(self) -> str:
        """The package that the task comes from; empty without a task."""
        return (self.task or "").partition(":")[0]

    @property
    def name(self) -> str:
        """The name of the task in its package."""
        return (self.task or "").partition(":")[2]


def default_columns(table: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns and the prompt of a task, without those that `table` replaces.

    Args:
        table: Options of the data by name, with `task`.
    """
    kind = str(table["task"]).partition(":")[0]
    columns: dict[str, Any] = {"input_cols": ["prompt"], "eval_cols": ["doc_id", "target"]}
    prompt: dict[str, Any] = {"prompt_template": "{prompt}"}
    if kind == REASONING_GYM:
        columns = {"input_cols": ["question"], "eval_cols": ["question", "answer"]}
        prompt = {"messages": [{"role": "user", "content": "{question}"}]}
    elif table.get("apply_chat_template"):
        prompt = {"messages_col": "messages"}
    if any(form in table for form in PROMPT_FORMS):
        prompt = {}
    if "messages_col" in {**prompt, **table}:
        del columns["input_cols"]
    return {name: value for name, value in {**columns, **prompt}.items() if name not in table}
