"""The two studies of system/version_0_1_0.sql, as llmsearch_optuna 0.1.0 stored them.

``finished`` has a verdict; ``interrupted`` was interrupted with trials in flight. system/version_0_1_0.json is what
that version said of them. Both were made by `main`, with the package of that time:
``python -c 'import version_0_1_0; version_0_1_0.main("DIRECTORY")'``.
"""

import contextlib
import json
import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import torch
from tiny_models import tiny_model, tiny_tokenizer

from llmsearch_optuna import Categorical, Float, SearchSpace, Tuner
from llmsearch_optuna.export import TARGETS, trace
from llmsearch_optuna.report import plots
from llmsearch_optuna.study.study import open_study

ROWS = [{"question": f"How many apples are {i}?", "answer": str(i), "parity": str(i % 2)} for i in range(24)]
SPACE = SearchSpace(
    temperature=Float(0.3, 2.0),
    top_p=Float(0.5, 1.0, when={"top_k": [0]}),
    top_k=Categorical([0, 5, 50]),
    repetition_penalty=Float(1.0, 1.5, step=0.1),
    generation_seed=Categorical([0, 1]),
    max_new_tokens=6,
)
STUDY_FILE = """[model]
name = "tiny"
[data]
path = "rows.jsonl"
input_cols = ["question"]
eval_cols = ["answer"]
[metric]
name = "exact_match"
[space]
temperature = { low = 0.3, high = 2.0 }
"""


def letters(references: list[dict[str, str]], predictions: list[str]) -> list[float]:
    return [len(set(prediction)) / 16 for prediction in predictions]


def shortened(text: str) -> str:
    return text.strip()[:12]


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
        holdout_size=8,
        holdout_stratify_col="parity",
        output_preproc=shortened,
        tokenizer_decode_args={"skip_special_tokens": True},
        score_range=(0.0, 1.0),
        callbacks_after_inference=[after_inference],
    )


def search(tuner: Tuner, path: Path, name: str, n_trials: int) -> optuna.Study:
    return tuner.search(
        SPACE,
        n_trials=n_trials,
        rungs=4,
        sampler="random",
        concurrency=2,
        presets=[{"temperature": 0.9, "min_p": 0.1, "max_new_tokens": 6}],
        study_name=name,
        storage=f"sqlite:///{path}",
        user_attrs={"llmsearch_study_file": {"text": STUDY_FILE, "directory": "."}},
        show_progress=False,
    )


def finished(path: Path) -> None:
    tuner = make_tuner()
    tuner.confirm(search(tuner, path, "finished", 20), seeds=2, show_progress=False)


def interrupted(path: Path) -> None:
    passes = iter([None] * 9)

    def interrupt() -> None:
        if next(passes, True):
            raise KeyboardInterrupt

    with contextlib.suppress(KeyboardInterrupt):
        search(make_tuner(interrupt), path, "interrupted", 10)


def trials_of(study: optuna.Study) -> list[dict[str, Any]]:
    """What of its trials no interruption changes."""
    return [
        {
            "state": trial.state.name,
            "params": trial.params,
            "values": trial.values,
            "rungs": {str(step): value for step, value in trial.intermediate_values.items()},
            "generation_params": trial.user_attrs.get("generation_params"),
            "finish_reasons": trial.user_attrs.get("finish_reasons"),
            "tokens": trial.user_attrs.get("tokens"),
        }
        for trial in study.get_trials(deepcopy=False)
    ]


def sayings(path: Path) -> dict[str, Any]:
    """What the package says of the finished study: trials, verdict, exports and figures."""
    study, storage = open_study(f"sqlite:///{path}", "finished")
    provenance = trace(study)
    provenance_parts = provenance.to_dict()
    for varying in ("exported", "environment", "versions", "fingerprint"):
        del provenance_parts[varying]
    return {
        "trials": trials_of(study),
        "verdict": json.loads(json.dumps(study.user_attrs["llmsearch_verdict"])),
        "provenance": provenance_parts,
        "exports": {name: make(provenance.params, provenance.stop).values for name, (_, make) in TARGETS.items()},
        "figures": {
            name: json.loads(getattr(plots, name)(study, storage).to_json())["data"]
            for name in plots.__all__
            # One needs a parameter's name, one random forests, and one searched settings.
            if name not in ("plot_slice", "plot_importances", "plot_variants")
        },
    }


def main(directory: str) -> None:
    """Write the database as SQL, and what this version says of its studies."""
    target = Path(directory)
    with tempfile.TemporaryDirectory() as temporary:
        path, whole = Path(temporary) / "x.db", Path(temporary) / "whole.db"
        finished(path)
        interrupted(path)
        trials = trials_of(search(make_tuner(), whole, "interrupted", 10))
        tuner = make_tuner()
        verdict = tuner.confirm(search(tuner, whole, "interrupted", 10), seeds=2, show_progress=False)
        expected = {
            "finished": sayings(path),
            "interrupted": {"trials": trials, "verdict": verdict.to_dict()},
        }
        (target / "version_0_1_0.json").write_text(json.dumps(expected, indent=1) + "\n", encoding="utf-8")
        connection = sqlite3.connect(path)
        script = "".join(f"{line}\n" for line in connection.iterdump())
        (target / "version_0_1_0.sql").write_text(script, encoding="utf-8")
        connection.close()
