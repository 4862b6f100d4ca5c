"""The attention windows of a model, and the masks that a decode step in slots needs."""

from collections.abc import Mapping

import torch
from torch import Tensor
from transformers import PreTrainedModel

from llmsearch_optuna.errors import ModelError

__all__ = ["attention_windows", "decode_masks", "implementation"]

Windows = Mapping[str, int | None]
"""The sliding window or chunk size of each layer type, in tokens; None for full attention."""

_SLIDING, _CHUNKED = "sliding_attention", "chunked_attention"


def attention_windows(model: PreTrainedModel) -> Windows:
    """Return the window of each of the model's layer types.

    Raises:
        ModelError: The model has layers other than full, sliding or chunked attention, or an attention implementation
            that does not accept custom masks.
    """
    config = model.config.get_text_config()
    if implementation(model) not in ("sdpa", "eager"):
        raise ModelError(f"its attention implementation `{implementation(model)}` does not accept masks")
    window = getattr(config, "sliding_window", None)
    windows = {"full_attention": None, _SLIDING: window, _CHUNKED: getattr(config, "attention_chunk_size", None)}
    layer_types = set(getattr(config, "layer_types", None) or ["full_attention" if window is None else _SLIDING])
    if unknown := layer_types - windows.keys():
        raise ModelError(f"it has layers of type {', '.join(sorted(unknown))}")
    return {layer_type: windows[layer_type] for layer_type in sorted(layer_types)}


def implementation(model: PreTrainedModel) -> str:
    """Return the name of the attention implementation. ``"eager"`` adds masks to the scores, others take booleans."""
    return str(model.config.get_text_config()._attn_implementation)  # noqa: SLF001 - there is no public way to ask


def decode_masks(
    windows: Windows, positions: Tensor, length: int, additive: torch.dtype | None = None
) -> Tensor | dict[str, Tensor]:
    """Return the attention mask of each slot's new token: true for positions up to its own and within the window.

    Args:
        windows: See `attention_windows`.
        positions: The position of each slot's new token, int64. Shape: (slots,).
        length: The number of cached positions that are read.
        additive: None for a boolean mask. For eager attention, the dtype of a mask that is added to the scores: it is 0
            in place of true, and the minimum of the dtype in place of false.

    Returns:
        One mask if all layers have the same type, otherwise one mask per layer type. Shape: (slots, 1, 1, length).
    """
    cached = torch.arange(length, device=positions.device)
    last = positions[:, None]
    masks: dict[str, Tensor] = {}
    for layer_type, window in windows.items():
        mask = cached <= last
        if window is not None:
            mask &= cached >= last - last % window if layer_type == _CHUNKED else cached > last - window
        if additive is not None:
            mask = torch.where(mask, 0.0, torch.finfo(additive).min).to(additive)
        masks[layer_type] = mask[:, None, None]
    return masks if len(masks) > 1 else next(iter(masks.values()))
