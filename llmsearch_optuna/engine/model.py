"""Properties of a loaded model and its tokenizer: defaults, settings and the fingerprint."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any, cast

import torch
from transformers import GenerationConfig, Pipeline, PreTrainedModel, PreTrainedTokenizerBase

from llmsearch_optuna.engine.base import Stopping
from llmsearch_optuna.engine.quantisation import stored_tensors
from llmsearch_optuna.errors import ModelError, ParameterError
from llmsearch_optuna.space.generation_config import HF_NAMES, PENALTIES, WARPERS
from llmsearch_optuna.space.params import BEAM_PARAMETERS, GenerationParams

__all__ = [
    "check_device",
    "check_model",
    "default_params",
    "default_stopping",
    "embedding_weight",
    "generate_only_settings",
    "inactive_settings",
    "model_fingerprint",
    "pad_token_id",
    "unsupported_settings",
]


# The settings of a generation config that need no further treatment: they are parameters of every trial, they change no
# token (caches, outputs, candidates of speculative decoding), or this package sets them itself (tokens, lengths).
_HANDLED = frozenset(
    {
        *HF_NAMES,
        *("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id", "stop_strings"),
        *("max_length", "max_new_tokens", "num_return_sequences"),
        *("use_cache", "cache_config", "max_cache_len", "compile_config", "disable_compile", "low_memory"),
        *("continuous_batching_config", "prefill_chunk_size", "use_mtp", "renormalize_logits"),
        *("output_attentions", "output_hidden_states", "output_scores", "output_logits", "return_dict_in_generate"),
        *("is_assistant", "num_assistant_tokens", "num_assistant_tokens_schedule", "assistant_confidence_threshold"),
        *("max_matching_ngram_size", "assistant_lookbehind", "target_lookbehind", "assistant_ensemble_weight"),
        *("transformers_version", "_from_model_config"),
    }
)

# The settings of a generation config that only ``model.generate`` applies.
_GENERATE_ONLY = (
    "bad_words_ids",
    "sequence_bias",
    "suppress_tokens",
    "begin_suppress_tokens",
    "forced_bos_token_id",
    "forced_eos_token_id",
    "guidance_scale",
)

# The values that switch a setting off, in addition to None, 0, False and empty ones.
_OFF: dict[str, tuple[Any, ...]] = {
    "guidance_scale": (1,),
    "num_beam_groups": (1,),
    # Only the quantised cache changes logits.
    "cache_implementation": ("dynamic", "static", "hybrid", "hybrid_chunked", "sliding_window", "offloaded"),
}


def embedding_weight(model: PreTrainedModel) -> torch.Tensor:
    """Return the input embeddings, on the device of the model's inputs. Shape: (vocabulary, hidden size)."""
    weight = model.get_input_embeddings().weight
    assert isinstance(weight, torch.Tensor)  # noqa: S101 - torch.nn.Module types its attributes as Tensor | Module
    return weight


def check_device(device: torch.device) -> None:
    """Validate that tokens can be drawn on a device.

    Raises:
        ModelError: It has no float64.
    """
    if device.type == "mps":
        raise ModelError(f"device {str(device)!r} has no float64, with which tokens are drawn: set device = 'cpu'")


def check_model(model: object) -> None:
    """Validate that an object is a language model of transformers that generates text.

    Raises:
        ModelError: It is something else, and the message says what to pass.
    """
    kind = type(model).__name__
    if isinstance(model, Pipeline):
        raise ModelError(f"{kind} is a pipeline: pass its parts, model=pipeline.model and tokenizer=pipeline.tokenizer")
    if not hasattr(model, "config") and isinstance(getattr(model, "module", None), torch.nn.Module):
        raise ModelError(f"{kind} is a wrapper: pass the model in it, model.module")
    if not all(hasattr(model, name) for name in ("config", "can_generate")):
        raise ModelError(f"a language model of transformers is needed, its name, its path or a function, got {kind}")
    if not cast("Any", model).can_generate():
        raise ModelError(
            f"{kind} cannot generate text: load the model with AutoModelForCausalLM, or an encoder-decoder with "
            "AutoModelForSeq2SeqLM"
        )


def pad_token_id(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> int:
    """Return a token id for padding: a pad or end token if there is one, else 0.

    Padding is masked, so any id that has an embedding works.
    """
    config, vocabulary = model.generation_config, len(embedding_weight(model))
    for candidate in (tokenizer.pad_token_id, config.pad_token_id, config.eos_token_id, tokenizer.eos_token_id):
        token = candidate[0] if isinstance(candidate, list) and candidate else candidate
        if isinstance(token, int) and 0 <= token < vocabulary:
            return token
    return 0


def default_stopping(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> Stopping:
    """Return stopping conditions with the end tokens and the stop strings of the model's generation config.

    If the config has no end tokens, the tokenizer's EOS token is used. Without that either, no token ends completions.
    """
    strings = getattr(model.generation_config, "stop_strings", None) or ()
    strings = (strings,) if isinstance(strings, str) else tuple(string for string in strings if string)
    eos = model.generation_config.eos_token_id
    if eos is None:
        eos = tokenizer.eos_token_id
    if eos is None:
        return Stopping(strings=strings)
    return Stopping(eos_token_ids=tuple(eos) if isinstance(eos, list) else (int(eos),), strings=strings)


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
    """Return the active settings of the model's generation config that no engine applies, by name.

    Every setting that ``transformers`` knows counts, unless it is known here. Names that ``transformers`` does not know
    have no effect there either.
    """
    names = _known_settings() - _HANDLED - set(_GENERATE_ONLY)
    return _active_settings(model, sorted(names))


def generate_only_settings(model: PreTrainedModel) -> dict[str, Any]:
    """Return the active settings of the model's generation config that only ``model.generate`` applies, by name."""
    return _active_settings(model, _GENERATE_ONLY)


def inactive_settings(model: PreTrainedModel) -> set[str]:
    """Return the settings that a model's generation config has, but that must have no effect in ``model.generate``."""
    given = {name for name, value in vars(model.generation_config).items() if value is not None}
    return (given & _known_settings()) - _HANDLED - generate_only_settings(model).keys() | (given & {"stop_strings"})


def _known_settings() -> set[str]:
    return set(vars(GenerationConfig()))  # type: ignore[no-untyped-call]


def _active_settings(model: PreTrainedModel, names: Iterable[str]) -> dict[str, Any]:
    settings = {name: getattr(model.generation_config, name, None) for name in names}
    return {
        name: value
        for name, value in settings.items()
        # A token id of 0 is a token.
        if (value or (name.endswith("_token_id") and value == 0)) and value not in _OFF.get(name, ())
    }


def model_fingerprint(model: PreTrainedModel) -> str:
    """Return a hash of the model as 16 hexadecimal digits.

    It covers the class, the config with its quantisation, and the name, dtype, shape and first 16 values of each tensor
    in the state dict; see `stored_tensors`. The values of tensors that accelerate offloads are read from where they
    are. Those of a model without weights, on the meta device, are left out.
    """
    volatile = {"_name_or_path", "_model_name_or_path", "architectures", "transformers_version", "dtype", "use_cache"}
    config = {key: value for key, value in model.config.to_dict().items() if key not in volatile}
    digest = hashlib.sha256(f"{type(model).__name__} {json.dumps(config, sort_keys=True, default=str)}".encode())
    modules = dict(torch.nn.Module.named_modules(model))
    for name, weight in sorted(stored_tensors(model).items()):
        values = _offloaded(modules, name, weight.dtype) if weight.is_meta else weight
        head = [] if values is None else values.detach().flatten()[:16].to("cpu", torch.float64).tolist()
        digest.update(f"{name} {tuple(weight.shape)} {weight.dtype} {head}".encode())
    return digest.hexdigest()[:16]


def _offloaded(modules: Mapping[str, torch.nn.Module], name: str, dtype: torch.dtype) -> torch.Tensor | None:
    """Return a tensor of the state dict that accelerate loads for each forward pass; None if it loads none."""
    parts = name.split(".")
    for size in range(len(parts) - 1, -1, -1):  # the innermost module that has a hook with this tensor
        hook = getattr(modules.get(".".join(parts[:size])), "_hf_hook", None)
        for single in getattr(hook, "hooks", (hook,)):
            values = (getattr(single, "weights_map", None) or {}).get(".".join(parts[size:]))
            if isinstance(values, torch.Tensor):
                return values.to(dtype)
    return None
