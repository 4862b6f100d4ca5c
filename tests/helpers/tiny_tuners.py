"""Tuners of tiny models with two prompts."""

from typing import Any

from tiny_models import tiny_tokenizer

from llmsearch_optuna import Tuner
from llmsearch_optuna.engine.base import Request, Stopping
from llmsearch_optuna.space.params import GenerationParams

COLUMNS = {"input_cols": ["q"], "eval_cols": ["a"]}

ROWS = [{"q": "A fox", "a": "x"}, {"q": "How many apples?", "a": "x"}]
ARGUMENTS: dict[str, Any] = {
    "dataset": ROWS,
    "scorer": "contains",
    "prompt_template": "{q}",
    "column_mapping": COLUMNS,
}

BERT = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}


def tuner(model: Any, tokenizer: Any = None, **options: Any) -> Tuner:
    return Tuner(model=model, tokenizer=tokenizer or tiny_tokenizer(), **(ARGUMENTS | options))


def outputs(model: Any, **options: Any) -> list[str]:
    return tuner(model, **options).get_score({"max_new_tokens": 16}).outputs


def request(ids: tuple[int, ...], tokens: int) -> Request:
    params = GenerationParams(max_new_tokens=tokens)
    return Request(prompt="", prompt_ids=ids, params=params, stopping=Stopping())
