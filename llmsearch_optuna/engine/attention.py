"""What the slots need of a model's attention: masks by layer type, and kernels that round every row alike."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from transformers import PreTrainedModel

from llmsearch_optuna.errors import ModelError

__all__ = ["EvenQueries", "attention_windows", "decode_masks"]

Windows = Mapping[str, int | None]
"""The sliding window of each layer type in tokens; ``None`` where all tokens are seen."""


def attention_windows(model: PreTrainedModel) -> Windows:
    """The sliding window of each of the model's layer types.

    Raises:
        ModelError: The model has layers that are neither full nor sliding attention, or an attention implementation
            that takes no mask of our own.
    """
    config = model.config.get_text_config()
    implementation = config._attn_implementation  # noqa: SLF001 - there is no public way to ask
    if implementation not in ("sdpa", "eager"):
        raise ModelError(f"its attention implementation `{implementation}` takes no mask per row")
    window = getattr(config, "sliding_window", None)
    layer_types = set(getattr(config, "layer_types", None) or ["full_attention" if window is None else "sliding"])
    known = {"full_attention": None, "sliding_attention": window, "sliding": window}
    if not layer_types <= known.keys():
        raise ModelError(f"it has layers of type {', '.join(sorted(layer_types - known.keys()))}")
    return {layer_type: known[layer_type] for layer_type in sorted(layer_types)}


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
            seen &= places > last - window
        if additive is not None:
            seen = torch.where(seen, 0.0, torch.finfo(additive).min).to(additive)
        masks[layer_type] = seen[:, None, None]
    return masks if len(masks) > 1 else next(iter(masks.values()))


class EvenQueries(TorchFunctionMode):
    """Gives fused attention an even number of queries.

    The fused kernel of the CPU gives each thread scratch memory for ``queries * (...)`` numbers. With an odd number (3
    where three heads share their keys) the second thread's begins off a 16-byte boundary, and its matrix products
    round otherwise than the first one's: a row's logits would depend on which thread it falls to.
    """

    def __torch_function__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Adds a query of zeros to scaled dot product attention, and removes its answer."""
        kwargs = kwargs or {}
        if func is functional.scaled_dot_product_attention:
            query, *others = args
            mask = kwargs.get("attn_mask")
            if query.shape[-2] % 2 and mask is not None and mask.shape[-2] == 1:
                return func(functional.pad(query, (0, 0, 0, 1)), *others, **kwargs)[..., :-1, :]
        return func(*args, **kwargs)
