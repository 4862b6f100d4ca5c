"""Loading a model and its tokenizer, and what the search must know of them."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import torch
from transformers import (
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from llmsearch_optuna.engine.base import Stopping
from llmsearch_optuna.errors import ModelError, ParameterError
from llmsearch_optuna.space.generation_config import PENALTIES, WARPERS
from llmsearch_optuna.space.params import BEAM_PARAMETERS, GenerationParams

__all__ = [
    "check_tokenizer",
    "context_window",
    "default_params",
    "default_stopping",
    "embedding_weight",
    "left_out",
    "model_fingerprint",
    "only_in_generate",
    "pad_token_id",
]


# What a generation config may hold beside the parameters that are searched, with what it is when it does nothing.
_NEVER_SERVED: dict[str, Any] = {
    "min_length": 0,
    "min_new_tokens": None,
    "exponential_decay_length_penalty": None,
    "encoder_no_repeat_ngram_size": 0,
}

_ONLY_IN_GENERATE: dict[str, Any] = {
    "bad_words_ids": None,
    "sequence_bias": None,
    "suppress_tokens": None,
    "begin_suppress_tokens": None,
    "forced_bos_token_id": None,
    "forced_eos_token_id": None,
    "guidance_scale": None,
}


def embedding_weight(model: PreTrainedModel) -> torch.Tensor:
    """The input embeddings: one row per token id, on the device that takes the inputs."""
    weight = model.get_input_embeddings().weight
    assert isinstance(weight, torch.Tensor)  # noqa: S101 - torch.nn.Module types its attributes as Tensor | Module
    return weight


def check_tokenizer(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Refuses a tokenizer whose ids the model cannot embed.

    Raises:
        ModelError: The tokenizer has more ids than the model has embeddings.
    """
    rows = embedding_weight(model).shape[0]
    if len(tokenizer) > rows:
        raise ModelError(
            f"the tokenizer has {len(tokenizer)} token ids but the model embeds only {rows}: "
            "load the tokenizer that belongs to the model, or call model.resize_token_embeddings(len(tokenizer))"
        )


def pad_token_id(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> int:
    """A token id to fill unused places with; they are masked, so that any known one does.

    Raises:
        ModelError: Neither tokenizer nor model names a pad, EOS or BOS token.
    """
    config = model.generation_config
    for candidate in (tokenizer.pad_token_id, config.pad_token_id, config.eos_token_id, tokenizer.eos_token_id):
        if candidate is not None:
            return int(candidate[0] if isinstance(candidate, list) else candidate)
    raise ModelError("no pad token: set tokenizer.pad_token (e.g. tokenizer.pad_token = tokenizer.unk_token)")


def default_stopping(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> Stopping:
    """The end tokens of the model's generation config, or else the tokenizer's."""
    eos = model.generation_config.eos_token_id
    if eos is None:
        eos = tokenizer.eos_token_id
    if eos is None:
        return Stopping()
    return Stopping(eos_token_ids=tuple(eos) if isinstance(eos, list) else (int(eos),))


def default_params(model: PreTrainedModel, *, max_new_tokens: int, generation_seed: int = 0) -> GenerationParams:
    """What ``model.generate`` would decode with by itself: its generation config and transformers' defaults.

    Args:
        model: The model.
        max_new_tokens: Length limit, so that all trials compare at the same one.
        generation_seed: Seed of the noise, where the model samples by default.

    Raises:
        ModelError: The model decodes in a way that no engine serves.
    """
    config = model.generation_config
    if config.early_stopping not in (None, True, False):
        raise ModelError(
            f"the model's generation config asks for early_stopping={config.early_stopping!r}, which no engine serves: "
            "set model.generation_config.early_stopping = False to have it without"
        )
    names = [*PENALTIES, *(BEAM_PARAMETERS if (config.num_beams or 1) > 1 else ())]
    values: dict[str, Any] = {}
    if config.do_sample:
        names += WARPERS
        values = {"temperature": 1.0, "top_k": 50}
    values |= {name: getattr(config, name) for name in names if getattr(config, name, None) is not None}
    given = {"do_sample": bool(config.do_sample), "max_new_tokens": max_new_tokens, "generation_seed": generation_seed}
    try:
        return GenerationParams.from_dict({**values, **given})
    except ParameterError as error:
        raise ModelError(f"the model's generation config holds what no engine serves: {error}") from error


def left_out(model: PreTrainedModel) -> dict[str, Any]:
    """What the model's generation config asks for and no completion will have."""
    return _asked_for(model, _NEVER_SERVED)


def only_in_generate(model: PreTrainedModel) -> dict[str, Any]:
    """What the model's generation config asks for that ``model.generate`` alone sees to."""
    return _asked_for(model, _ONLY_IN_GENERATE)


def _asked_for(model: PreTrainedModel, neutral: Mapping[str, Any]) -> dict[str, Any]:
    found = {name: getattr(model.generation_config, name, None) for name in neutral}
    return {name: value for name, value in found.items() if value is not None and value != neutral[name]}


def context_window(model: PreTrainedModel) -> int | None:
    """The most tokens that prompt and completion may have together; ``None`` where the model sets no limit."""
    if model.config.is_encoder_decoder:
        return None
    window = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    return None if window is None or window <= 0 else int(window)


def model_fingerprint(model: PreTrainedModel) -> str:
    """A hash of the architecture, the dtype and the head of every weight tensor; of offloaded ones, of the shape."""
    volatile = {"_name_or_path", "_model_name_or_path", "architectures", "transformers_version", "dtype", "use_cache"}
    config = {key: value for key, value in model.config.to_dict().items() if key not in volatile}
    digest = hashlib.sha256(f"{type(model).__name__} {json.dumps(config, sort_keys=True, default=str)}".encode())
    for name, weight in sorted(model.state_dict().items()):
        head = [] if weight.is_meta else weight.detach().flatten()[:16].to("cpu", torch.float64).tolist()
        digest.update(f"{name} {tuple(weight.shape)} {weight.dtype} {head}".encode())
    return digest.hexdigest()[:16]
