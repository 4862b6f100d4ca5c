"""Loading a model and its tokenizer, and what the search must know of them."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils.hub import cached_file
from transformers.utils.import_utils import is_peft_available
from transformers.utils.peft_utils import find_adapter_config_file

from llmsearch_optuna.engine.base import Stopping
from llmsearch_optuna.errors import ModelError, ParameterError
from llmsearch_optuna.generation_config import PENALTIES, WARPERS
from llmsearch_optuna.params import BEAM_PARAMETERS, GenerationParams

__all__ = [
    "LoadedModel",
    "best_device",
    "check_tokenizer",
    "context_window",
    "convert_gguf",
    "default_params",
    "default_stopping",
    "embedding_weight",
    "left_out",
    "load_model",
    "model_fingerprint",
    "only_in_generate",
    "pad_token_id",
    "place_model",
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

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


class LoadedModel(NamedTuple):
    """A model in evaluation mode on its device, and its tokenizer."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase


def best_device() -> str:
    """``"cuda"`` where there is one, else ``"cpu"``."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def load_model(
    name: str,
    *,
    device: str | None = None,
    dtype: str | None = None,
    revision: str | None = None,
    gguf_file: str | None = None,
    allow_pickle: bool = False,
) -> LoadedModel:
    """Loads a model and its tokenizer from a directory or the hub; code that comes with them is never run.

    Args:
        name: Directory or hub id; of a PEFT adapter, too, which names its base model.
        device: Where to put the model; the best one by default. ``"auto"`` spreads it over all devices.
        dtype: ``"float32"``, ``"bfloat16"`` or ``"float16"``; the checkpoint's own by default.
        revision: The hub revision.
        gguf_file: Name of a GGUF file in the directory or repository.
        allow_pickle: Also load checkpoints that are pickles. Pickles run code: only for files you trust.

    Raises:
        ModelError: The model cannot be loaded, or the dtype is unknown.
    """
    if dtype is not None and dtype not in _DTYPES:
        raise ModelError(f"dtype must be one of {', '.join(_DTYPES)}, got {dtype!r}")
    device = device or best_device()
    # Left to its default, transformers asks on the terminal whether to run a repository's code.
    shared: dict[str, Any] = {"revision": revision, "trust_remote_code": False}
    if gguf_file:
        shared["gguf_file"] = gguf_file
    placement: dict[str, Any] = {"device_map": "auto"} if device == "auto" else {}
    try:
        base = name if gguf_file else _base_model(name, revision, allow_pickle=allow_pickle)
        config = AutoConfig.from_pretrained(base, **shared)
        family = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
        own_tokenizer = base == name or _file(name, "tokenizer_config.json", revision) is not None
        tokenizer = AutoTokenizer.from_pretrained(name if own_tokenizer else base, **shared)
        model = family.from_pretrained(
            name,
            dtype="auto" if dtype is None else _DTYPES[dtype],
            use_safetensors=None if allow_pickle or gguf_file else True,
            **shared,
            **placement,
        )
    except ModelError:
        raise
    except Exception as error:  # several libraries read what a stranger wrote
        reason = " ".join(str(error).split())
        if "trust_remote_code" in reason:
            reason = "it comes with code of its own, which is not run here: load it yourself, and pass the loaded model"
        raise ModelError(f"model {name} cannot be loaded: {reason}") from error
    if device != "auto":
        place_model(model, device)
    return LoadedModel(model.eval(), tokenizer)


def _base_model(name: str, revision: str | None, *, allow_pickle: bool) -> str:
    """The model that a PEFT adapter belongs to; the name itself where there is no adapter, or it lies with its model.

    Raises:
        ModelError: There is an adapter that cannot be loaded.
    """
    adapter = find_adapter_config_file(name, revision=revision)
    if adapter is None:
        return name
    # Without peft, transformers would load a model and forget the adapter beside it.
    if not is_peft_available():
        raise ModelError(f"model {name} is a PEFT adapter: install peft (pip install peft), or merge it into its model")
    if not allow_pickle and _file(name, "adapter_model.safetensors", revision) is None:
        raise ModelError(
            f"adapter {name} cannot be loaded: it has no safetensors, and pickles need allow_pickle = true"
        )
    if _file(name, "config.json", revision) is not None:
        return name
    return str(json.loads(Path(adapter).read_text(encoding="utf-8"))["base_model_name_or_path"])


def _file(name: str, file: str, revision: str | None) -> str | None:
    """Where a file of a directory or repository is; ``None`` where it has none."""
    found: str | None = cached_file(name, file, revision=revision, _raise_exceptions_for_missing_entries=False)
    return found


def place_model(model: PreTrainedModel, device: str) -> None:
    """Moves a model to a device, unless it is spread over several or quantised to one.

    Raises:
        ModelError: There is no such device.
    """
    if getattr(model, "hf_device_map", None) is not None or getattr(model, "is_quantized", False):
        return
    try:
        torch.nn.Module.to(model, device)
    except (RuntimeError, AssertionError) as error:
        raise ModelError(f"device {device!r} cannot be used: {' '.join(str(error).split())}") from error


def convert_gguf(directory: str, gguf_file: str, target: str, generation_defaults: dict[str, Any]) -> None:
    """Rewrites a GGUF file as a safetensors directory, which loads ten times faster.

    Args:
        directory: Where the GGUF file lies.
        gguf_file: Its name.
        target: The new directory.
        generation_defaults: Recommended generation parameters, which a GGUF file does not carry.

    Raises:
        ModelError: The file cannot be read.
    """
    model, tokenizer = load_model(directory, device="cpu", dtype="float32", gguf_file=gguf_file)
    # The weights are plain float32 by now; these two would make save_pretrained believe otherwise.
    del model.config.quantization_config
    del model.hf_quantizer
    for name, value in generation_defaults.items():
        setattr(model.generation_config, name, value)
    model.save_pretrained(target)
    tokenizer.save_pretrained(target)


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
    names = [*PENALTIES, *(BEAM_PARAMETERS if (config.num_beams or 1) > 1 else ("prompt_lookup_num_tokens",))]
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
