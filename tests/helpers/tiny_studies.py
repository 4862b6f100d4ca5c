"""A search on a tiny model, and everything stored of it."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import optuna
from tiny_models import tiny_model, tiny_tokenizer

from llmsearch_optuna import SearchSpace, Tuner
from llmsearch_optuna.space.dimensions import Categorical, Float, Int
from llmsearch_optuna.storage import CompletionStore, open_storage
from llmsearch_optuna.study.attributes import REPLAYED, TOKENS_PER_S
from llmsearch_optuna.study.study import study_key

ROWS = [{"question": f"How many apples are {i}?", "answer": str(i)} for i in range(16)]
SPACE = SearchSpace(
    temperature=Float(0.3, 2.0), top_k=Int(1, 50, log=True), generation_seed=Categorical([0, 1]), max_new_tokens=4
)

TIMINGS = (REPLAYED, TOKENS_PER_S)
"""The attributes that depend on time or on a process's memory. Interruptions change no other attribute."""


def scorer(references: list[dict[str, str]], predictions: list[str]) -> list[float]:
    return [len(set(prediction)) / 16 for prediction in predictions]


def make_tuner(**changes: Any) -> Tuner:
    arguments: dict[str, Any] = {
        "model": tiny_model(),
        "tokenizer": tiny_tokenizer(),
        "dataset": ROWS,
        "scorer": scorer,
        "prompt_template": "{question}",
        "column_mapping": {"input_cols": ["question"], "eval_cols": ["answer"]},
    }
    return Tuner(**{**arguments, **changes})


def ending_tuner(**changes: Any) -> Tuner:
    """Make a tuner whose completions end early, some earlier than others."""
    return make_tuner(**{"stop": ["e", "a"], **changes})


def search(tuner: Tuner, path: Path | None, n_trials: int = 9, **changes: Any) -> optuna.Study:
    storage = None if path is None else f"sqlite:///{path}"
    arguments: dict[str, Any] = {"rungs": 4, "show_progress": False, "storage": storage}
    return tuner.search(SPACE, n_trials=n_trials, **{**arguments, **changes})


def stored_tokens(store: CompletionStore, study_key: str) -> int:
    return sum(counts.generated for counts in store.count_tokens(study_key).values())


def everything(study: optuna.Study, path: Path, *, but: Collection[str] = TIMINGS) -> list[Any]:
    """Return what no interruption may change. User attributes in `but` are left out."""
    store = CompletionStore(open_storage(f"sqlite:///{path}"))
    return [
        (
            trial.number,
            trial.state,
            trial.params,
            trial.values,
            trial.intermediate_values,
            {key: value for key, value in trial.user_attrs.items() if key not in but},
            store.load(study_key(study), trial.number),
        )
        for trial in study.get_trials()
    ]
