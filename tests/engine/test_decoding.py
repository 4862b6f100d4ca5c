"""How token ids become text."""

from typing import Any

import pytest
from tiny_models import tiny_model, tiny_tokenizer
from tiny_tuners import tuner

from llmsearch_optuna.engine.decoding import check_decode_args
from llmsearch_optuna.errors import TaskError


def test_decode_args_keep_the_default_and_are_checked() -> None:
    model: Any = tiny_model()
    params = {"max_new_tokens": 16, "temperature": 2.0, "eos_token_id": 399}
    plain = tuner(model).get_score(params).outputs
    assert tuner(model, tokenizer_decode_args={"clean_up_tokenization_spaces": False}).get_score(params)[1] == plain
    with pytest.raises(TaskError, match="`skip_special_token`: did you mean `skip_special_tokens`"):
        tuner(model, tokenizer_decode_args={"skip_special_token": True})
    check_decode_args(tiny_tokenizer(), {"skip_special_tokens": False, "clean_up_tokenization_spaces": None})


@pytest.mark.parametrize("value", ["no", 0, 1, None])
def test_flags_are_true_or_false(value: object) -> None:
    with pytest.raises(TaskError, match="`skip_special_tokens` in tokenizer_decode_args must be true or false, got "):
        check_decode_args(tiny_tokenizer(), {"skip_special_tokens": value})
