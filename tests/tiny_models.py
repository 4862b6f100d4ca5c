"""Tiny random models and a tokenizer, made in memory."""

import functools
from collections.abc import Callable
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    BloomConfig,
    Gemma3TextConfig,
    GPT2Config,
    LlamaConfig,
    MambaConfig,
    MistralConfig,
    MixtralConfig,
    Phi3Config,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    Qwen3Config,
    T5Config,
)

CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

TEXT = [
    "The quick brown fox jumps over the lazy dog and runs into the deep green forest.",
    "How many apples does Anna have if she buys three and eats one? She has two apples.",
    "Summarize the following text in less than fifty words: the weather is fine today.",
]


@functools.cache
def _trained() -> str:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXT, trainer)
    return tokenizer.to_str()


def tiny_tokenizer(*, chat: bool = True, pad: bool = True) -> PreTrainedTokenizerBase:
    """A byte-level BPE tokenizer with about 400 ids; 0 ends a text, 2 ends a chat turn."""
    fast: Any = PreTrainedTokenizerFast
    tokenizer: PreTrainedTokenizerBase = fast(
        tokenizer_object=Tokenizer.from_str(_trained()),
        eos_token="<|im_end|>",
        bos_token="<|endoftext|>",
        pad_token="<|endoftext|>" if pad else None,
    )
    tokenizer.chat_template = CHAT_TEMPLATE if chat else None
    return tokenizer


VOCABULARY = 400

WINDOW = 8
"""Sliding window of the models that have one: shorter than every prompt of the tests."""

_SMALL: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    # Random weights this large make peaked distributions, as trained models have.
    "initializer_range": 0.5,
    "bos_token_id": 0,
    "eos_token_id": 2,
    "pad_token_id": 0,
}


def tiny_model(
    family: str = "llama", *, seed: int = 0, device: torch.device | str = "cpu", **changes: Any
) -> PreTrainedModel:
    """A random model of a family, in float32 and evaluation mode."""
    t5_config: Any = T5Config
    configs: dict[str, Callable[[], Any]] = {
        "llama": lambda: LlamaConfig(**{**_SMALL, **changes}),
        "qwen3": lambda: Qwen3Config(**{**_SMALL, "head_dim": 8, **changes}),
        "gpt2": lambda: GPT2Config(
            vocab_size=VOCABULARY,
            n_positions=512,
            n_embd=32,
            n_layer=2,
            n_head=4,
            initializer_range=0.5,
            bos_token_id=0,
            eos_token_id=2,
        ),
        "mistral": lambda: MistralConfig(**{**_SMALL, "sliding_window": WINDOW, **changes}),
        "mixtral": lambda: MixtralConfig(**{**_SMALL, "num_local_experts": 4, "sliding_window": None, **changes}),
        "phi3": lambda: Phi3Config(**{**_SMALL, "sliding_window": WINDOW, **changes}),
        "gemma3": lambda: Gemma3TextConfig(
            **{
                **_SMALL,
                "head_dim": 8,
                "query_pre_attn_scalar": 8,
                "sliding_window": WINDOW,
                "layer_types": ["sliding_attention", "full_attention"],
                **changes,
            }
        ),
        "mamba": lambda: MambaConfig(vocab_size=VOCABULARY, hidden_size=32, num_hidden_layers=2, state_size=4),
        "bloom": lambda: BloomConfig(vocab_size=VOCABULARY, hidden_size=32, n_layer=2, n_head=4),
        "t5": lambda: t5_config(
            vocab_size=VOCABULARY,
            d_model=32,
            d_kv=8,
            d_ff=48,
            num_layers=2,
            num_heads=4,
            initializer_factor=3.0,
            decoder_start_token_id=0,
            eos_token_id=2,
            pad_token_id=0,
        ),
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        config = configs[family]()
        auto: Any = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
        model: PreTrainedModel = auto.from_config(config)
    torch.nn.Module.to(model, device)
    torch.nn.Module.eval(model)
    return model
