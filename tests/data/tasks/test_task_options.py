"""The options of tasks of other packages, without these packages."""

import importlib.util
import re
from typing import Any

import pytest

from llmsearch_optuna import load_task
from llmsearch_optuna.data.tasks.options import TaskOptions, default_columns
from llmsearch_optuna.errors import TaskError


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"task": "gsm8k"}, '`task` must be "lm_eval:NAME" or "reasoning_gym:NAME", got \'gsm8k\''),
        ({"task": "lm_eval:"}, '`task` must be "lm_eval:NAME" or "reasoning_gym:NAME", got \'lm_eval:\''),
        ({"task": "lm_eval:x", "size": 3}, '`size` has no effect without task = "reasoning_gym:NAME": leave it out'),
        ({"task": "reasoning_gym:x", "num_fewshot": 0}, '`num_fewshot` has no effect without task = "lm_eval:NAME"'),
        ({"task_args": {}}, '`task_args` has no effect without task = "reasoning_gym:NAME": leave it out'),
        ({"task_seed": 1}, "`task_seed` has no effect without `task`: leave it out"),
        ({"task": "reasoning_gym:x", "size": 0}, "`size` must be >= 1, got 0"),
        ({"task": "lm_eval:x", "num_fewshot": -1}, "`num_fewshot` must be >= 0, got -1"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(TaskError, match="^" + re.escape(message)):
        TaskOptions(**options)


def test_a_task_sets_the_columns_and_the_prompt_that_are_not_set() -> None:
    gym = default_columns({"task": "reasoning_gym:x"})
    assert gym == {
        "input_cols": ["question"],
        "eval_cols": ["question", "answer"],
        "messages": [{"role": "user", "content": "{question}"}],
    }
    assert default_columns({"task": "reasoning_gym:x", "prompt_jinja": "{{ question }}"}) == {
        "input_cols": ["question"],
        "eval_cols": ["question", "answer"],
    }
    assert default_columns({"task": "lm_eval:x", "eval_cols": ["doc_id"]}) == {
        "input_cols": ["prompt"],
        "prompt_template": "{prompt}",
    }
    assert default_columns({"task": "lm_eval:x", "apply_chat_template": True}) == {
        "eval_cols": ["doc_id", "target"],
        "messages_col": "messages",
    }


@pytest.mark.parametrize(
    ("task", "module", "package"),
    [("lm_eval:gsm8k", "lm_eval", "lm-eval"), ("reasoning_gym:x", "reasoning_gym", "reasoning-gym")],
)
def test_a_missing_package_is_named(task: str, module: str, package: str) -> None:
    if importlib.util.find_spec(module) is not None:
        pytest.skip(f"{package} is installed")
    message = f"task `{task}` needs {package}: pip install 'llmsearch_optuna[tasks]' (No module named '{module}')"
    with pytest.raises(TaskError, match="^" + re.escape(message) + "$"):
        load_task(task)
