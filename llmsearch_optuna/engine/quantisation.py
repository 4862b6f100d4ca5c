"""Quantised checkpoints: whether they can be loaded here, and what their layers do that others do not."""

import copy
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from transformers import PreTrainedConfig
from transformers.quantizers.auto import AutoHfQuantizer

from llmsearch_optuna.errors import ModelError

__all__ = ["check_quantisation", "mixes_rows", "quantisation", "stored_tensors"]

# Where transformers names only the first of several packages.
_PACKAGES = {"gptq": "pip install gptqmodel optimum"}


def quantisation(config: PreTrainedConfig) -> Any:
    """Return the `quantization_config` of a model's config, a mapping or an object; None if there is none."""
    parts = (config, config.get_text_config(decoder=True))
    return next((given for part in parts if (given := getattr(part, "quantization_config", None))), None)


def check_quantisation(name: str, config: PreTrainedConfig, placement: Mapping[str, Any]) -> None:
    """Validate that a checkpoint's quantisation can be used here, before its weights are read.

    Args:
        name: The checkpoint's directory or hub id.
        config: Its config.
        placement: The arguments of ``from_pretrained`` that place the model.

    Raises:
        ModelError: ``transformers`` does not know the quantisation, or it needs another package or device.
    """
    given = quantisation(config)
    if given is None:
        return
    entries = given if isinstance(given, Mapping) else given.to_dict()
    method = str(getattr(entries.get("quant_method"), "value", entries.get("quant_method")))
    quantizers: Any = AutoHfQuantizer
    try:
        is_supported = quantizers.supports_quant_method(entries)
        if is_supported:
            quantizer = quantizers.from_config(copy.deepcopy(given), pre_quantized=True)
            quantizer.validate_environment(device_map=placement.get("device_map"), weights_only=True)
    except Exception as error:  # each method has its own checks
        reason = " ".join(str(error).split())
        if isinstance(error, ModuleNotFoundError) and error.name:
            reason += f" (pip install {error.name})"
        elif isinstance(error, ImportError) and method in _PACKAGES:
            reason = f"it needs other packages ({_PACKAGES[method]})"
        raise ModelError(f"model {name} is quantised with `{method}`: {reason}") from error
    if not is_supported:  # transformers would warn, and load the weights as if they were plain
        raise ModelError(
            f"model {name} is quantised with `{method}`, which transformers does not load: load it yourself, and pass "
            "the loaded model"
        )


def mixes_rows(model: nn.Module) -> bool:
    """Return whether a row's logits depend on the other rows of its batch.

    LLM.int8() (https://arxiv.org/abs/2208.07339, section 3.2) multiplies the columns apart in which an activation of
    any row exceeds a threshold. bitsandbytes does so unless the threshold is 0.
    """
    layers = (module for module in nn.Module.modules(model) if type(module).__name__ == "Linear8bitLt")
    return any(getattr(getattr(layer, "state", None), "threshold", 0) > 0 for layer in layers)


def stored_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Return the state dict of a model, without changing the model.

    On the CPU, bitsandbytes (0.50) packs 4-bit weights in the first forward pass. Its state dict then unpacks them in
    place, and puts the scales in another order. For such layers, the result has the weights of a copy, and no scales.
    """
    layers = {name: module for name, module in nn.Module.named_modules(model) if _is_packable(module)}
    if not layers:
        return model.state_dict()
    tensors = dict(model.named_parameters(remove_duplicate=False)) | dict(model.named_buffers(remove_duplicate=False))
    weights = {f"{name}.weight": copy.deepcopy(layer).state_dict()["weight"] for name, layer in layers.items()}
    return tensors | weights


def _is_packable(module: nn.Module) -> bool:
    weight = getattr(module, "weight", None)
    return (
        isinstance(weight, Tensor) and weight.device.type == "cpu" and getattr(weight, "quant_state", None) is not None
    )
