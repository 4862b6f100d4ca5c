"""Tiny random models and a tokenizer, made in memory."""

import functools
from pathlib import Path
from typing import Any

import torch
from families import FAMILIES
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
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


def tiny_model(
    family: str = "llama", *, seed: int = 0, device: torch.device | str = "cpu", **changes: Any
) -> PreTrainedModel:
    """A random model of a family, in float32 and evaluation mode."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        tiny = FAMILIES[family]
        config = AutoConfig.for_model(tiny.model_type, **{**tiny.sizes, **changes})
        auto: Any = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
        model: PreTrainedModel = auto.from_config(config)
    torch.nn.Module.to(model, device)
    torch.nn.Module.eval(model)
    return model


class ForgetsTheMask(LlamaForCausalLM):  # type: ignore[no-untyped-call]
    """Sees padding, and all that a slot holds."""

    def forward(self, *args: Any, attention_mask: object = None, **kwargs: Any) -> Any:
        return super().forward(*args, **kwargs)


def saved(directory: Path, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase | None = None) -> str:
    """Save a model and a tokenizer, by default the tiny one; return the name of the directory."""
    for part in (model, tokenizer or tiny_tokenizer()):
        save: Any = part
        save.save_pretrained(directory)
    return str(directory)
