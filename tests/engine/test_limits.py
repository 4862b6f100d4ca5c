"""The lengths and token ids that models can read."""

import copy
from typing import Any

import pytest
import torch
from tiny_models import tiny_model, tiny_tokenizer
from tiny_tuners import BERT, ROWS, outputs, request, tuner
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
)

from llmsearch_optuna.engine.generate.engine import GenerateEngine
from llmsearch_optuna.engine.model_backend import model_backend
from llmsearch_optuna.engine.model_limits import input_limits
from llmsearch_optuna.errors import ModelError

TOKENS = {"vocab_size": 400, "bos_token_id": 0, "eos_token_id": 2, "pad_token_id": 1, "decoder_start_token_id": 2}

TWO_PARTS = {
    **{f"{part}_{name}": size for part in ("encoder", "decoder") for name, size in (("layers", 1), ("ffn_dim", 16))},
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "d_model": 16,
}

PROPHET = {
    **{
        f"num_{part}_{name}": size
        for part in ("encoder", "decoder")
        for name, size in (("layers", 1), ("attention_heads", 2))
    },
    "encoder_ffn_dim": 16,
    "decoder_ffn_dim": 16,
    "hidden_size": 16,
}


def made(model_type: str, **sizes: Any) -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = AutoConfig.for_model(model_type, **{**TOKENS, **sizes})
        auto: Any = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
        return torch.nn.Module.eval(auto.from_config(config))


LIMITS = {
    "mbart": ({**TWO_PARTS, "max_position_embeddings": 32}, (None, 32, 32)),
    "marian": ({**TWO_PARTS, "max_position_embeddings": 32}, (None, 32, 32)),
    "blenderbot": ({**TWO_PARTS, "max_position_embeddings": 40}, (None, 40, 40)),
    "led": (
        {
            **TWO_PARTS,
            "attention_window": 8,
            "max_encoder_position_embeddings": 48,
            "max_decoder_position_embeddings": 24,
        },
        (None, 48, 24),
    ),
    "prophetnet": ({**PROPHET, "max_position_embeddings": 32}, (None, 30, 29)),
    "roberta": ({**BERT, "is_decoder": True, "max_position_embeddings": 34}, (32, None, None)),
    "mpt": ({"d_model": 16, "n_heads": 2, "n_layers": 1, "max_seq_len": 512}, (512, None, None)),
}


@pytest.mark.parametrize("family", LIMITS)
def test_limits_are_those_up_to_which_a_model_runs(family: str) -> None:
    sizes, expected = LIMITS[family]
    model = made(family, **sizes)
    limits = input_limits(model)
    assert (limits.together, limits.prompt, limits.completion) == expected
    longest = limits.prompt or (limits.together or 0) - 4
    completion = limits.completion or 4
    engine = model_backend(model, tiny_tokenizer(), batch_size=4).engine
    (done,) = engine.generate([request(tuple(5 + index % 300 for index in range(longest)), completion)])
    assert len(done.token_ids) == completion


YARN = {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 128}
LINEAR = {"rope_type": "linear", "factor": 8.0}
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}


@pytest.mark.parametrize(
    ("family", "changes", "expected"),
    [
        # As in the model card of Qwen2.5, and in the configs of DeepSeek-V3 and gpt-oss.
        ("qwen2", {"rope_scaling": YARN, "max_position_embeddings": 128}, 512),
        ("deepseek_v3", {"rope_scaling": YARN, "max_position_embeddings": 512}, 512),
        ("gpt_oss", {"rope_scaling": YARN, "max_position_embeddings": 512}, 512),
        # As in vicuna-16k, deepseek-coder, Gemma 3 and Llama 3.1.
        ("llama", {"rope_scaling": LINEAR, "max_position_embeddings": 128, "max_sequence_length": 512}, 512),
        ("llama", {"rope_scaling": LINEAR, "max_position_embeddings": 512}, 512),
        ("gemma3", {"rope_parameters": {"full_attention": LINEAR, "sliding_attention": {"rope_type": "default"}}}, 512),
        ("llama", {"rope_scaling": {**LLAMA3, "original_max_position_embeddings": 32}}, 512),
        ("phi3 (LongRoPE)", {}, 512),
        # Without scaling, the first number is the limit.
        ("llama", {"max_position_embeddings": 128, "max_sequence_length": 512}, 128),
    ],
)
def test_scaled_positions_are_counted_once(family: str, changes: dict[str, Any], expected: int) -> None:
    assert input_limits(tiny_model(family, **copy.deepcopy(changes))).together == expected


@pytest.mark.parametrize(("window", "length"), [(64, 5), (64, 58), (300, 10), (640, 600)])
def test_a_window_of_any_size_is_served_in_slots(window: int, length: int) -> None:
    """MPT has a table of its window, beyond which no step may reach."""
    model = made("mpt", d_model=16, n_heads=2, n_layers=2, max_seq_len=window)
    backend = model_backend(model, tiny_tokenizer(), batch_size=8)
    assert "slots, which support MptForCausalLM" in backend.summary
    wanted = request(tuple(5 + index % 300 for index in range(length)), 6)
    plain = GenerateEngine(model, tiny_tokenizer()).generate([wanted])
    assert [done.token_ids for done in backend.engine.generate([wanted])] == [done.token_ids for done in plain]


def test_what_exceeds_a_limit_is_named_with_its_row() -> None:
    limits = input_limits(made("led", **LIMITS["led"][0]), tiny_tokenizer())
    assert str(limits) == "48 tokens of prompt, 24 tokens of completion"
    assert limits.excess(3, range(48), 24) is None
    assert str(limits.excess(3, range(49), 24)).startswith(
        "the prompt of row 3 has 49 tokens, and they exceed the model's window of 48 for prompts"
    )
    assert str(limits.excess(3, range(4), 25)).startswith(
        "the completion of row 3 may have 25 tokens, and they exceed the model's window of 24"
    )
    assert str(input_limits(tiny_model("t5"))) == "no limit is known"
    assert str(input_limits(tiny_model("mpt"))) == "512 tokens"


def test_ids_without_embeddings_matter_only_in_prompts() -> None:
    tokenizer: Any = tiny_tokenizer()
    expected = outputs(tiny_model())
    tokenizer.add_tokens([f"<extra{number}>" for number in range(20)])
    assert outputs(tiny_model(), tokenizer=tokenizer) == expected
    rows = [*ROWS, {"q": "<extra19>", "a": "x"}]
    with pytest.raises(ModelError, match="embeds only 400, and the prompt of row 2 has the id 407: load the tokenizer"):
        tuner(tiny_model(), tokenizer, dataset=rows)
