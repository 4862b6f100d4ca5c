"""What is particular to the plain engine."""

from typing import Any

from engine_requests import all_requests
from tiny_models import tiny_model, tiny_tokenizer

from llmsearch_optuna.engine.generate.engine import GenerateEngine


def test_the_models_own_generation_config_neither_interferes_nor_changes() -> None:
    model: Any = tiny_model()
    plain = GenerateEngine(model, tiny_tokenizer()).generate(all_requests())
    config = model.generation_config
    config.update(do_sample=True, temperature=0.3, top_k=3, repetition_penalty=1.9, max_length=9)
    before = config.to_dict()
    assert GenerateEngine(model, tiny_tokenizer()).generate(all_requests()) == plain
    assert config.to_dict() == before


def test_no_pad_token_is_needed() -> None:
    model: Any = tiny_model()
    model.generation_config.update(pad_token_id=None, eos_token_id=None)
    tokenizer: Any = tiny_tokenizer(pad=False)
    tokenizer.eos_token = None
    expected = GenerateEngine(tiny_model(), tiny_tokenizer()).generate(all_requests())
    assert GenerateEngine(model, tokenizer).generate(all_requests()) == expected
