"""Load a model and its tokenizer from a directory, the hub or a GGUF file."""

import contextlib
import json
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from transformers import (
    MODEL_FOR_CAUSAL_LM_MAPPING,
    MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING,
    MODEL_FOR_MULTIMODAL_LM_MAPPING,
    MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING,
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoModelForMultimodalLM,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    GenerationConfig,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils.hub import cached_file

from llmsearch_optuna.engine.adapter import Adapter, MissingWeightsError, find_adapter, load_adapter
from llmsearch_optuna.engine.gguf_defaults import apply_sampling_defaults
from llmsearch_optuna.engine.model import check_device, embedding_weight
from llmsearch_optuna.engine.quantisation import check_quantisation, quantisation
from llmsearch_optuna.errors import ModelError, one_line

__all__ = ["LoadedModel", "Skeleton", "convert_gguf", "load_model", "load_skeleton", "place_model"]

_LOG = logging.getLogger(__name__)

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


class LoadedModel(NamedTuple):
    """A model in evaluation mode on its device, and its tokenizer."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase


class Skeleton(NamedTuple):
    """What is known of a model without its weights.

    Attributes:
        name: Its directory or hub id; the base model's if there is an adapter.
        revision: Its hub revision; None for the default.
        adapter: The directory or hub id of the adapter; None without one.
        rank: The largest rank of a LoRA adapter; None without one.
        model: The model on the meta device, in evaluation mode.
        tokenizer: Its tokenizer.
    """

    name: str
    revision: str | None
    adapter: str | None
    rank: int | None
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
        revision: The hub revision of the model or the adapter. The base model of an adapter has the revision that the
            adapter's config names.
        gguf_file: Name of a GGUF file in the directory or repository, to load model and tokenizer from. Its own
            sampling parameters become the model's defaults.
        allow_pickle: Also load pickled checkpoints. Pickles can run code, so use this only for files you trust.

    Raises:
        ModelError: The model cannot be loaded, its quantisation needs another package, the dtype is unknown, or the
            device cannot be used.
    """
    name = _checked_name(name)
    if dtype is not None and dtype not in _DTYPES:
        raise ModelError(f"dtype must be one of {', '.join(_DTYPES)}, got {dtype!r}")
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    if device != "auto":
        check_device(_device(device))
    try:
        adapter = None if gguf_file else find_adapter(name, revision, allow_pickle=allow_pickle)
        base, base_revision = (name, revision) if adapter is None else (adapter.base, adapter.base_revision)
        # By default, transformers asks on the terminal whether to run a repository's code.
        shared: dict[str, Any] = {"revision": base_revision, "trust_remote_code": False}
        if gguf_file:
            shared["gguf_file"] = gguf_file
        config = AutoConfig.from_pretrained(base, **shared)
        placement = _placement(device, config)
        check_quantisation(base, config, placement)
        tokenizer = _tokenizer(base, adapter, shared)
        arguments = {
            "dtype": "auto" if dtype is None else _DTYPES[dtype],
            "use_safetensors": None if allow_pickle or gguf_file else True,
            **shared,
            **placement,
        }
        model = _load_weights(base, config, adapter, len(tokenizer), arguments)
        if gguf_file:
            apply_sampling_defaults(model.generation_config, str(cached_file(base, gguf_file, revision=base_revision)))
    except ModelError:
        raise
    except Exception as error:  # several libraries parse files of unknown origin
        raise ModelError(f"model {name} cannot be loaded: {_reason(error)}") from error
    if device != "auto":
        place_model(model, device)
    return LoadedModel(model.eval(), tokenizer)


def load_skeleton(name: str, *, revision: str | None) -> Skeleton:
    """Return a model without weights, on the meta device, for an engine that loads the model itself.

    Args:
        name: Directory or hub id of a model, or of a LoRA adapter that names its base model.
        revision: The hub revision of the model or the adapter; None for the default.

    Raises:
        ModelError: The config, the adapter or the tokenizer cannot be loaded, or no model that generates text has it.
    """
    name = _checked_name(name)
    try:
        adapter = find_adapter(name, revision, allow_pickle=False)
        base, base_revision = (name, revision) if adapter is None else (adapter.base, adapter.base_revision)
        shared: dict[str, Any] = {"revision": base_revision, "trust_remote_code": False}
        config = AutoConfig.from_pretrained(base, **shared)
        tokenizer = _tokenizer(base, adapter, shared)
        with torch.device("meta"):
            model = _model_classes(config)[0].from_config(config, trust_remote_code=False)
        with contextlib.suppress(OSError):  # a model need not have one
            model.generation_config = GenerationConfig.from_pretrained(base, **shared)
    except ModelError:
        raise
    except Exception as error:  # several libraries parse files of unknown origin
        raise ModelError(f"model {name} cannot be loaded: {_reason(error)}") from error
    adapter_name, rank = (None, None) if adapter is None else (name, adapter.rank)
    return Skeleton(base, base_revision, adapter_name, rank, model.eval(), tokenizer)


def _placement(device: str, config: PreTrainedConfig) -> dict[str, Any]:
    """Return the arguments of ``from_pretrained`` that place a model."""
    if device == "auto":
        return {"device_map": "auto"}
    # Weights do not go through the host's memory, and quantised ones cannot be moved afterwards.
    return {"device_map": {"": device}} if device.startswith("cuda") or quantisation(config) is not None else {}


def _load_weights(
    name: str, config: PreTrainedConfig, adapter: Adapter | None, token_ids: int, arguments: Mapping[str, Any]
) -> Any:
    """Load a model, and its adapter, with the first class that the weights fit.

    Classes for text alone know the config of some models that also read images (Emu3), but not the names of their
    weights. `token_ids` is their number in the tokenizer, and `arguments` are further ones of ``from_pretrained``.

    Raises:
        MissingWeightsError: The weights fit no class. New ones would be random.
    """
    misfits: list[MissingWeightsError] = []
    for model_class in _model_classes(config):
        try:
            model, report = model_class.from_pretrained(name, output_loading_info=True, **arguments)
            _check_weights(name, sorted(report["missing_keys"]), is_quantised=quantisation(config) is not None)
            if adapter is not None:
                load_adapter(model, adapter, token_ids)
        except MissingWeightsError as error:
            misfits.append(error.with_traceback(None))  # which holds the model, and the next one needs its memory
            model = None
        else:
            return model
    raise misfits[0]


def _check_weights(name: str, missing: Sequence[str], *, is_quantised: bool) -> None:
    """Raise a MissingWeightsError if weights are missing in a checkpoint. Quantised layers may have others: warn."""
    if not missing:
        return
    weights = missing[0] + (f" and {len(missing) - 1} others" if len(missing) > 1 else "")
    if is_quantised:
        _LOG.warning("the files of the quantised model %s have no weights for %s, which are new", name, weights)
        return
    raise MissingWeightsError(
        f"model {name} cannot be loaded: its files have no weights for {weights}, which would be random: load a "
        "checkpoint of a model that generates text"
    )


def _tokenizer(base: str, adapter: Adapter | None, shared: Mapping[str, Any]) -> PreTrainedTokenizerBase:
    """Return the tokenizer of an adapter if it has one, otherwise that of the model, with the processor's template."""
    if adapter is not None and adapter.has_tokenizer:
        return AutoTokenizer.from_pretrained(adapter.name, **{**shared, "revision": adapter.revision})
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(base, **shared)
    if not tokenizer.chat_template:
        tokenizer.chat_template = _processor_template(base, shared["revision"])
    return tokenizer


def _processor_template(name: str, revision: str | None) -> Any:
    """Return the chat template that only the processor of a model has; None if there is none."""
    for file in ("chat_template.json", "processor_config.json"):
        path = cached_file(name, file, revision=revision, _raise_exceptions_for_missing_entries=False)
        if path is not None and (template := json.loads(Path(path).read_text(encoding="utf-8")).get("chat_template")):
            return template
    return None


def _checked_name(name: str) -> str:
    """Return the name of a model with the user's directory in place of ``~``.

    Raises:
        ModelError: The name is empty, or names a directory that does not exist.
    """
    if not name.strip():
        raise ModelError("the model's name is empty: name a directory or a hub id")
    name = os.path.expanduser(name)  # noqa: PTH111 - the method of Path drops "./" and raises for unknown users
    # What cannot be a hub id is a directory, for which no network is asked.
    path = Path(name)
    if not path.is_dir() and (path.is_absolute() or name.startswith((".", "~")) or len(path.parts) > 2):
        raise ModelError(f"model {name} cannot be loaded: there is no such directory")
    return name


def _reason(error: Exception) -> str:
    """Return an error of transformers as one line, with the remedy if its own is not available here."""
    reason = " ".join(str(error).split())
    if "trust_remote_code" in reason:
        return "it needs code from its repository, which is never run: load it yourself, and pass the loaded model"
    if "ignore_mismatched_sizes" in reason:
        return "its weights have other shapes than its config.json and its base model say"
    return reason


def _model_classes(config: PreTrainedConfig) -> list[Any]:
    """Return the automatic classes that know the model, at least one.

    Models that also read images or sound are loaded with their encoders, which prompts of text do not use.

    Raises:
        ModelError: No class that generates text knows the model.
    """
    candidates = {
        AutoModelForCausalLM: MODEL_FOR_CAUSAL_LM_MAPPING,
        AutoModelForSeq2SeqLM: MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING,
        AutoModelForImageTextToText: MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING,
        AutoModelForMultimodalLM: MODEL_FOR_MULTIMODAL_LM_MAPPING,
    }
    if config.is_encoder_decoder:
        del candidates[AutoModelForCausalLM]
    if classes := [auto for auto, configs in candidates.items() if type(config) in configs]:
        return classes
    raise ModelError(
        f"transformers has no class that generates text for models of the type `{config.model_type}`: load it "
        "yourself, and pass the loaded model"
    )


def place_model(model: PreTrainedModel, device: str) -> None:
    """Move a model to a device, unless it is spread over several devices.

    Raises:
        ModelError: The device does not exist, or the model does not fit into its memory, or it is quantised and
            on another device.
    """
    is_quantised = getattr(model, "is_quantized", False)
    if not is_quantised and getattr(model, "hf_device_map", None) is not None:
        return
    if device == "auto":
        raise ModelError(
            "device='auto' spreads a model while it is loaded, and this one is loaded: leave `device` out, or load it "
            "with device_map='auto'"
        )
    target = _device(device)
    if is_quantised:
        current = embedding_weight(model).device
        if target.type != current.type:
            raise ModelError(
                f"a quantised model stays on the device that it was loaded to, {current}, got device={device!r}: leave "
                "`device` out, or load it with device_map"
            )
        return
    try:
        torch.nn.Module.to(model, target)
    except (RuntimeError, AssertionError, TypeError) as error:
        raise ModelError(f"device {device!r} cannot be used: {one_line(error)}") from error


def _device(name: str) -> torch.device:
    """Return the device of a name.

    Raises:
        ModelError: There is none.
    """
    try:
        return torch.device(name)
    except RuntimeError as error:
        raise ModelError(f"device {name!r} cannot be used: {one_line(error)}") from error


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
