"""Study files of tests, and the model and rows that they name."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from tiny_models import tiny_model, tiny_tokenizer

QUESTIONS = [{"question": f"Is {number} even?", "answer": "yes"} for number in range(20)]

STUDY = """
[study]
n_trials = {trials}
rungs = 4

[model]
name = "model"

[data]
path = "rows.jsonl"
input_cols = ["question"]
eval_cols = ["answer"]
prompt_template = "{{question}}"
search_size = 8

[metric]
name = "token_f1"

[space]
temperature = {{ low = 0.5, high = 1.5 }}
max_new_tokens = 4
"""


def write_model_and_rows(directory: Path, rows: Sequence[Mapping[str, object]] = QUESTIONS) -> None:
    """Write the tiny model to ``model`` and the rows to ``rows.jsonl``."""
    for part in (tiny_model(), tiny_tokenizer()):
        part.save_pretrained(directory / "model")
    (directory / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
