"""What a decode step in slots needs to know of a model's attention: its windows, and the masks they make."""

from collections.abc import Mapping

import torch
from torch import Tensor
from transformers import PreTrainedModel

from llmsearch_optuna.errors import ModelError

__all__ = ["attention_windows", "decode_masks", "takes_additive_masks"]

Windows = Mapping[str, int | None]
"""The window of each layer type in tokens, sliding, or that of a chunk; ``None`` where all tokens are seen."""

_CHUNKED = "chunked_attention"


def attention_windows(model: PreTrainedModel) -> Windows:
    """The window of each of the model's layer types.

    Raises:
        ModelError: The model has layers that are neither full, sliding nor chunked attention, or an attention
            implementation that takes no mask of our own.
    """
    config = model.config.get_text_config()
    implementation = _implementation(model)
    if implementation not in ("sdpa", "eager"):
        raise ModelError(f"its attention implementation `{implementation}` takes no mask per row")
    window = getattr(config, "sliding_window", None)
    layer_types = set(getattr(config, "layer_types", None) or ["full_attention" if window is None else "sliding"])
    chunk = getattr(config, "attention_chunk_size", None)
    known = {"full_attention": None, "sliding_attention": window, "sliding": window, _CHUNKED: chunk}
    if not layer_types <= known.keys():
        raise ModelError(f"it has layers of type {', '.join(sorted(layer_types - known.keys()))}")
    return {layer_type: known[layer_type] for layer_type in sorted(layer_types)}


def takes_additive_masks(model: PreTrainedModel) -> bool:
    """Whether the model adds its masks to the scores (eager attention), where fused attention takes booleans."""
    return _implementation(model) == "eager"


def decode_masks(
    windows: Windows, positions: Tensor, length: int, additive: torch.dtype | None = None
) -> Tensor | dict[str, Tensor]:
    """Which of the cached tokens the one new token of each row sees: those up to its own place, within the window.

    Args:
        windows: As `attention_windows` gives them.
        positions: The place of each row's new token, int64. Shape: (rows,).
        length: How many places of the cache are looked at.
        additive: Give 0 and the smallest number of this type in place of true and false, for eager attention.

    Returns:
        One mask where all layers are of one type, else one by layer type. Shape: (rows, 1, 1, length).
    """
    places = torch.arange(length, device=positions.device)
    last = positions[:, None]
    masks: dict[str, Tensor] = {}
    for layer_type, window in windows.items():
        seen = places <= last
        if window is not None:
            seen &= places >= last - last % window if layer_type == _CHUNKED else places > last - window
        if additive is not None:
            seen = torch.where(seen, 0.0, torch.finfo(additive).min).to(additive)
        masks[layer_type] = seen[:, None, None]
    return masks if len(masks) > 1 else next(iter(masks.values()))


def _implementation(model: PreTrainedModel) -> str:
    return str(model.config.get_text_config()._attn_implementation)  # noqa: SLF001 - there is no public way to ask
