"""Load a model and its tokenizer from a directory, the hub or a GGUF file."""

import json
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

from llmsearch_optuna.errors import ModelError

__all__ = ["LoadedModel", "convert_gguf", "load_model", "place_model"]

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


class LoadedModel(NamedTuple):
    """A model in evaluation mode on its device, and its tokenizer."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase


def load_model(
    name: str,
    *,
    device: str | None = None,
    dtype: str | None = None,
    revision: str | None = None,
    gguf_file: str | None = None,
    allow_pickle: bool = False,
) -> LoadedModel:
    """Load a model and its tokenizer from a directory or the hub. `trust_remote_code` is always false.

    Args:
        name: Directory or hub id of a model, or of a PEFT adapter that names its base model.
        device: The model's device. ``"auto"`` spreads it over all devices. By default ``"cuda"`` if it is available,
            otherwise ``"cpu"``.
        dtype: ``"float32"``, ``"bfloat16"`` or ``"float16"``; that of the checkpoint by default.
        revision: The hub revision.
        gguf_file: Name of a GGUF file in the directory or repository, to load model and tokenizer from.
        allow_pickle: Also load pickled checkpoints. Pickles can run code, so use this only for files you trust.

    Raises:
        ModelError: The model cannot be loaded, the dtype is unknown, or the device cannot be used.
    """
    if dtype is not None and dtype not in _DTYPES:
        raise ModelError(f"dtype must be one of {', '.join(_DTYPES)}, got {dtype!r}")
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    # By default, transformers asks on the terminal whether to run a repository's code.
    shared: dict[str, Any] = {"revision": revision, "trust_remote_code": False}
    if gguf_file:
        shared["gguf_file"] = gguf_file
    placement: dict[str, Any] = {"device_map": "auto"} if device == "auto" else {}
    try:
        base = name if gguf_file else _base_model(name, revision, allow_pickle=allow_pickle)
        config = AutoConfig.from_pretrained(base, **shared)
        family = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
        has_tokenizer = base == name or _file(name, "tokenizer_config.json", revision) is not None
        tokenizer = AutoTokenizer.from_pretrained(name if has_tokenizer else base, **shared)
        model = family.from_pretrained(
            name,
            dtype="auto" if dtype is None else _DTYPES[dtype],
            use_safetensors=None if allow_pickle or gguf_file else True,
            **shared,
            **placement,
        )
    except ModelError:
        raise
    except Exception as error:  # several libraries parse files of unknown origin
        reason = " ".join(str(error).split())
        if "trust_remote_code" in reason:
            reason = (
                "it needs code from its repository, which is never run: load it yourself, and pass the loaded model"
            )
        raise ModelError(f"model {name} cannot be loaded: {reason}") from error
    if device != "auto":
        place_model(model, device)
    return LoadedModel(model.eval(), tokenizer)


def _base_model(name: str, revision: str | None, *, allow_pickle: bool) -> str:
    """Return the name or path from which to load the config, and the tokenizer if `name` has none.

    For a PEFT adapter without a model config beside it, that is the base model; otherwise it is `name`.

    Raises:
        ModelError: The adapter cannot be loaded: peft is not installed, or only a pickle is available but not allowed.
    """
    adapter = find_adapter_config_file(name, revision=revision)
    if adapter is None:
        return name
    # Without peft, transformers would load the model and silently ignore the adapter next to it.
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
    """Return the local path of a file of a directory or repository; None if it does not exist."""
    path: str | None = cached_file(name, file, revision=revision, _raise_exceptions_for_missing_entries=False)
    return path


def place_model(model: PreTrainedModel, device: str) -> None:
    """Move a model to a device, unless it is spread over several devices or quantised.

    Raises:
        ModelError: The device does not exist, or the model does not fit into its memory.
    """
    if getattr(model, "hf_device_map", None) is not None or getattr(model, "is_quantized", False):
        return
    try:
        torch.nn.Module.to(model, device)
    except (RuntimeError, AssertionError) as error:
        raise ModelError(f"device {device!r} cannot be used: {' '.join(str(error).split())}") from error


def convert_gguf(directory: str, gguf_file: str, target: str, generation_defaults: dict[str, Any]) -> None:
    """Convert a GGUF file to a directory with float32 safetensors, which loads ten times faster.

    Args:
        directory: The directory of the GGUF file.
        gguf_file: The name of the GGUF file.
        target: The directory to write.
        generation_defaults: Values for the generation config, which a GGUF file does not contain, by name.

    Raises:
        ModelError: The file cannot be read.
    """
    model, tokenizer = load_model(directory, device="cpu", dtype="float32", gguf_file=gguf_file)
    # The weights are now plain float32, but these two attributes still mark the model as quantised.
    del model.config.quantization_config
    del model.hf_quantizer
    for name, value in generation_defaults.items():
        setattr(model.generation_config, name, value)
    model.save_pretrained(target)
    tokenizer.save_pretrained(target)
