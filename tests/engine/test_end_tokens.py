"""End tokens that end nothing, and prompts that end."""

import logging
from typing import Any

import pytest
from tiny_models import tiny_model, tiny_tokenizer
from tiny_tuners import outputs, tuner
from tokenizers import processors

from llmsearch_optuna.engine.base import Stopping
from llmsearch_optuna.engine.end_tokens import end_token_findings


def findings(
    tokenizer: Any, ids: list[tuple[int, ...]], *, ends: tuple[int, ...] = (2,), two_parts: bool = False
) -> Any:
    prompts = dict(enumerate(ids, start=5))
    return end_token_findings(tokenizer, Stopping(eos_token_ids=ends), prompts, is_encoder_decoder=two_parts)


def test_end_tokens_that_end_nothing_and_prompts_that_end_are_told() -> None:
    tokenizer: Any = tiny_tokenizer()
    assert findings(tokenizer, [(5, 6), (1, 7, 2, 8)]) == {}
    assert "ends texts or turns with `<|im_end|>` (2)" in findings(tokenizer, [(5, 6)], ends=(0,))["end tokens"]
    assert "completions with `-1`" in findings(tokenizer, [(5, 6)], ends=(-1,))["end tokens"]
    tokenizer.eos_token = "<|endoftext|>"
    assert findings(tokenizer, [(5, 6)], ends=(0,)) == {}
    assert "`<|im_end|>` (2)" in findings(tokenizer, [(1, 7, 2, 8)], ends=(0,))["end tokens"]
    assert findings(tokenizer, [(5, 2), (6, 7)])["ends of prompts"].startswith(
        "1 of 2 prompts (the first is that of row 5)"
    )
    space = tokenizer(" \n", add_special_tokens=False)["input_ids"]
    assert "`<|endoftext|>` twice" in findings(tokenizer, [(0, *space, 0, 7)])["beginnings of prompts"]
    assert findings(tokenizer, [(0, 7, 0, 7)], ends=(0, 2)) == {}
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="$A <|im_end|>", special_tokens=[("<|im_end|>", 2)]
    )
    assert findings(tokenizer, [(5, 2)], ends=(0, 2), two_parts=True) == {}
    assert (
        "lack the end token `<|im_end|>`"
        in findings(tokenizer, [(5, 6)], ends=(0, 2), two_parts=True)["ends of prompts"]
    )


def test_end_tokens_are_warned_of_once_and_shown_by_doctor(caplog: pytest.LogCaptureFixture) -> None:
    model: Any = tiny_model()
    model.generation_config.eos_token_id = 0
    shown = tuner(model).diagnosis()["end tokens"]
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert [warning for warning in warnings if "held out" not in warning] == [shown]


def test_no_end_and_no_pad_token_are_needed() -> None:
    model: Any = tiny_model()
    model.generation_config.update(pad_token_id=None, eos_token_id=None)
    tokenizer: Any = tiny_tokenizer(pad=False)
    tokenizer.eos_token = tokenizer.bos_token = None
    assert len(outputs(model, tokenizer=tokenizer)) == 2
