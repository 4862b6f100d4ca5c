"""Kernels for decode steps on the CPU: fused attention that rounds every row alike, and products with packed weights."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from llmsearch_optuna.engine.memory import free_memory

__all__ = ["CpuKernels"]


class CpuKernels(TorchFunctionMode):
    """While entered, a model's decode steps take these kernels in the place of torch's choice.

    *Attention* gets an even number of queries. The fused kernel gives each thread scratch memory for ``queries * (...)``
    numbers. With an odd number (3 where three heads share their keys) the second thread's begins off a 16-byte boundary,
    and its matrix products round otherwise than the first one's: a row's logits would depend on its thread.

    *Linear layers* in float32 get weights packed once for oneDNN, as torch's own compiler does when it freezes a model.
    Otherwise, a product with few rows mostly packs its weights. The packed copies double the weights' memory, and are
    made only where they take no more than a quarter of what is free.

    Args:
        model: The model, whose weights must not change from now on.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self._packed: dict[int, Tensor] = {}
        weights = {id(layer.weight): layer.weight for layer in nn.Module.modules(model) if _is_packable(layer)}
        if sum(weight.nbytes for weight in weights.values()) <= free_memory(torch.device("cpu")) // 4:
            with torch.no_grad():
                self._packed = {key: torch.ops.mkldnn._reorder_linear_weight(weight) for key, weight in weights.items()}

    def __torch_function__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Called by torch for each of its functions."""
        kwargs = kwargs or {}
        if func is functional.linear and (packed := self._packed.get(id(args[1]))) is not None:
            bias = args[2] if len(args) > 2 else kwargs.get("bias")
            return torch.ops.mkldnn._linear_pointwise(args[0], packed, bias, "none", [], "")
        if func is functional.scaled_dot_product_attention:
            query, *others = args
            mask = kwargs.get("attn_mask")
            if query.shape[-2] % 2 and mask is not None and mask.shape[-2] == 1:
                # The answer to the added query of zeros is thrown away.
                return func(functional.pad(query, (0, 0, 0, 1)), *others, **kwargs)[..., :-1, :]
        return func(*args, **kwargs)


def _is_packable(layer: nn.Module) -> bool:
    return type(layer) is nn.Linear and layer.weight.dtype == torch.float32 and layer.weight.device.type == "cpu"
