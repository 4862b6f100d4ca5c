"""Properties of a loaded model and its tokenizer: defaults, limits and the fingerprint."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

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
    "generate_only_settings",
    "model_fingerprint",
    "pad_token_id",
    "unsupported_settings",
]


# Settings of a generation config that are not searchable, with the values that switch them off.
_UNSUPPORTED: dict[str, Any] = {
    "min_length": 0,
    "min_new_tokens": None,
    "exponential_decay_length_penalty": None,
    "encoder_no_repeat_ngram_size": 0,
    "dola_layers": None,
}

# Settings of a generation config that only ``model.generate`` applies, with the values that switch them off.
_GENERATE_ONLY: dict[str, Any] = {
    "bad_words_ids": None,
    "sequence_bias": None,
    "suppress_tokens": None,
    "begin_suppress_tokens": None,
    "forced_bos_token_id": None,
    "forced_eos_token_id": None,
    "guidance_scale": None,
}


def embedding_weight(model: PreTrainedModel) -> torch.Tensor:
    """Return the input embeddings, on the device of the model's inputs. Shape: (vocabulary, hidden size)."""
    weight = model.get_input_embeddings().weight
    assert isinstance(weight, torch.Tensor)  # noqa: S101 - torch.nn.Module types its attributes as Tensor | Module
    return weight


def check_tokenizer(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Validate that the model can embed all ids of the tokenizer.

    Raises:
        ModelError: The tokenizer has more ids than the model has embeddings.
    """
    vocabulary = embedding_weight(model).shape[0]
    if len(tokenizer) > vocabulary:
        raise ModelError(
            f"the tokenizer has {len(tokenizer)} token ids but the model embeds only {vocabulary}: "
            "load the tokenizer that belongs to the model, or call model.resize_token_embeddings(len(tokenizer))"
        )


def pad_token_id(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> int:
    """Return a token id for padding. Padding is masked, so any valid id works.

    Raises:
        ModelError: Neither the tokenizer nor the model defines a pad or EOS token.
    """
    config = model.generation_config
    for candidate in (tokenizer.pad_token_id, config.pad_token_id, config.eos_token_id, tokenizer.eos_token_id):
        if candidate is not None:
            return int(candidate[0] if isinstance(candidate, list) else candidate)
    raise ModelError("no pad token: set tokenizer.pad_token (e.g. tokenizer.pad_token = tokenizer.unk_token)")


def default_stopping(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> Stopping:
    """Return stopping conditions with the end tokens of the model's generation config.

    If the config has none, the tokenizer's EOS token is used. Without that either, there are no conditions.
    """
    eos = model.generation_config.eos_token_id
    if eos is None:
        eos = tokenizer.eos_token_id
    if eos is None:
        return Stopping()
    return Stopping(eos_token_ids=tuple(eos) if isinstance(eos, list) else (int(eos),))


def default_params(model: PreTrainedModel, max_new_tokens: int, generation_seed: int = 0) -> GenerationParams:
    """Return the parameters that ``model.generate`` uses by default.

    They come from the model's generation config, and from the defaults of ``transformers`` for what it does not set.

    Args:
        model: The model.
        max_new_tokens: The length limit, which replaces that of the generation config.
        generation_seed: The seed. It has an effect if the model samples by default.

    Raises:
        ModelError: The generation config has a value that no engine supports.
    """
    config = model.generation_config
    if config.early_stopping not in (None, True, False):
        raise ModelError(
            f"the model's generation config asks for early_stopping={config.early_stopping!r}, which no engine serves: "
            "set model.generation_config.early_stopping = False"
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
        raise ModelError(f"the model's generation config has an unsupported value: {error}") from error


def unsupported_settings(model: PreTrainedModel) -> dict[str, Any]:
    """Return the active settings of the model's generation config that no engine applies, by name."""
    return _active_settings(model, _UNSUPPORTED)


def generate_only_settings(model: PreTrainedModel) -> dict[str, Any]:
    """Return the active settings of the model's generation config that only ``model.generate`` applies, by name."""
    return _active_settings(model, _GENERATE_ONLY)


def _active_settings(model: PreTrainedModel, neutral: Mapping[str, Any]) -> dict[str, Any]:
    settings = {name: getattr(model.generation_config, name, None) for name in neutral}
    return {name: value for name, value in settings.items() if value is not None and value != neutral[name]}


def context_window(model: PreTrainedModel) -> int | None:
    """Return the maximum number of tokens of prompt and completion together.

    None if the config sets no limit, or if the model is an encoder-decoder.
    """
    if model.config.is_encoder_decoder:
        return None
    window = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    return None if window is None or window <= 0 else int(window)


def model_fingerprint(model: PreTrainedModel) -> str:
    """Return a hash of the model as 16 hexadecimal digits.

    It covers the class, the config, and the name, dtype, shape and first 16 values of each tensor in the state dict.
    The values of offloaded tensors, which are on the meta device, are left out.
    """
    volatile = {"_name_or_path", "_model_name_or_path", "architectures", "transformers_version", "dtype", "use_cache"}
    config = {key: value for key, value in model.config.to_dict().items() if key not in volatile}
    digest = hashlib.sha256(f"{type(model).__name__} {json.dumps(config, sort_keys=True, default=str)}".encode())
    for name, weight in sorted(model.state_dict().items()):
        head = [] if weight.is_meta else weight.detach().flatten()[:16].to("cpu", torch.float64).tolist()
        digest.update(f"{name} {tuple(weight.shape)} {weight.dtype} {head}".encode())
    return digest.hexdigest()[:16]
