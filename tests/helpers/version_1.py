"""The search of which storage/version_1.sql holds the first part, as the package stored it in version 1 of its schema.

Made with the package of that time, in tests: ``python -c 'import version_1; version_1.main("storage/version_1.sql")'``.
"""

import contextlib
import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import optuna
import torch
from tiny_models import tiny_model, tiny_tokenizer

from llmsearch_optuna import SearchSpace, Tuner
from llmsearch_optuna.space.dimensions import Categorical, Float, Int

ROWS = [{"question": f"How many apples are {i}?", "answer": str(i)} for i in range(20)]
SPACE = SearchSpace(
    temperature=Float(0.3, 2.0), top_k=Int(1, 50, log=True), generation_seed=Categorical([0, 1]), max_new_tokens=4
)


def letters(references: list[dict[str, str]], predictions: list[str]) -> list[float]:
    return [len(set(prediction)) / 16 for prediction in predictions]


def make_tuner(after_inference: Callable[[], None] = lambda: None) -> Tuner:
    model = tiny_model()
    weights = np.random.RandomState(0)  # draws the same everywhere and for ever
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(torch.from_numpy(weights.uniform(-1.0, 1.0, tuple(weight.shape))))
    return Tuner(
        model=model,
        tokenizer=tiny_tokenizer(),
        dataset=ROWS,
        scorer=letters,
        prompt_template="{question}",
        column_mapping={"input_cols": ["question"], "eval_cols": ["answer"]},
        stop=["n", "9"],
        holdout_size=4,
        callbacks_after_inference=[after_inference],
    )


def search(tuner: Tuner, path: Path, n_trials: int = 10) -> optuna.Study:
    return tuner.search(
        SPACE,
        n_trials=n_trials,
        rungs=4,
        sampler="random",
        pruner="percentile",
        pruner_args={"percentile": 30.0, "n_startup_trials": 2},
        concurrency=2,
        storage=f"sqlite:///{path}",
        show_progress=False,
    )


def main(output: str) -> None:
    """Search, judge, continue, and be interrupted."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "x.db"
        tuner = make_tuner()
        tuner.confirm(search(tuner, path, 6), seeds=2, show_progress=False)
        passes = iter([None] * 2)

        def interrupt() -> None:
            if next(passes, True):
                raise KeyboardInterrupt

        with contextlib.suppress(KeyboardInterrupt):
            search(make_tuner(interrupt), path)
        connection = sqlite3.connect(path)
        Path(output).write_text("".join(f"{line}\n" for line in connection.iterdump()), encoding="utf-8")
        connection.close()
