"""Load a task of another package."""

from pathlib import Path
from typing import Any

from llmsearch_optuna.data.tasks.gym import load_gym_task
from llmsearch_optuna.data.tasks.harness import load_harness_task
from llmsearch_optuna.data.tasks.imported import ImportedTask
from llmsearch_optuna.data.tasks.options import REASONING_GYM, TaskOptions
from llmsearch_optuna.errors import TaskError

__all__ = ["load_options", "load_task"]


def load_task(task: str, *, directory: Path | None = None, take: int | None = None, **options: Any) -> ImportedTask:
    """Load a task of lm-eval or reasoning-gym, for ``Tuner(**load_task("reasoning_gym:chain_sum").arguments())``.

    The packages are optional: ``pip install 'llmsearch_optuna[tasks]'``.

    Args:
        task: ``"lm_eval:NAME"`` or ``"reasoning_gym:NAME"``.
        directory: The directory that `include_path` starts from; the working directory by default.
        take: Use only the first `take` documents of an lm-eval task.
        **options: The fields of `TaskOptions`.

    Raises:
        TaskError: An option is wrong, the package is not installed, or the task cannot be loaded.
    """
    return load_options(TaskOptions(task=task, **options), directory=directory, take=take)


def load_options(options: TaskOptions, *, directory: Path | None = None, take: int | None = None) -> ImportedTask:
    """Load the task that `options` name; see `load_task`."""
    if options.kind != REASONING_GYM:
        return load_harness_task(options, directory=directory, take=take)
    if take is not None:
        raise TaskError("`take` has no effect on a task of reasoning-gym: set `size`")
    return load_gym_task(options)
