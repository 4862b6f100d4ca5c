"""Forward passes of a causal language model, with kernels of our own where it runs on the CPU."""

import contextlib
import inspect
from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from transformers import PreTrainedModel

from llmsearch_optuna.engine.memory import free_memory
from llmsearch_optuna.engine.model import embedding_weight

__all__ = ["CpuKernels", "Forward"]


# Private names, as all that torch's compiler emits; there are no public ones.
_PACK = torch.ops.mkldnn._reorder_linear_weight  # noqa: SLF001

_PACKED_LINEAR = torch.ops.mkldnn._linear_pointwise  # noqa: SLF001


class CpuKernels(TorchFunctionMode):
    """While entered, a model takes these kernels in the place of torch's choice.

    *Attention* gets an even number of queries. The fused kernel gives each thread scratch memory for
    ``queries * (...)`` numbers. With an odd number (3 where three heads share their keys) the second thread's begins
    off a 16-byte boundary, and its matrix products round otherwise than the first one's: a row's logits would depend
    on its thread.

    *Linear layers* in float32 get weights packed once for oneDNN, as torch's own compiler does when it freezes a model.
    A product of few rows spends more time on packing its weights than on itself. The packed copies double the weights'
    memory, and are made only where they take no more than a quarter of what is free.

    Args:
        model: The model, whose weights must not change from now on.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        weights: dict[int, Tensor] = {}
        if torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
            weights = {id(one): one for layer in nn.Module.modules(model) if (one := _packable(layer)) is not None}
        if sum(weight.nbytes for weight in weights.values()) > free_memory(torch.device("cpu")) // 4:
            weights = {}
        with torch.no_grad():
            self._packed: dict[int, Tensor] = {key: _PACK(weight) for key, weight in weights.items()}

    def __torch_function__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Called by torch in the place of each of its functions."""
        kwargs = kwargs or {}
        if func is functional.linear and (packed := self._packed.get(id(args[1]))) is not None:
            bias = args[2] if len(args) > 2 else kwargs.get("bias")
            return _PACKED_LINEAR(args[0], packed, bias, "none", [], "")
        if func is functional.scaled_dot_product_attention:
            query, *others = args
            mask = kwargs.get("attn_mask")
            if query.shape[-2] % 2 and mask is not None and mask.shape[-2] == 1:
                # The answer to the added query of zeros is thrown away.
                return func(functional.pad(query, (0, 0, 0, 1)), *others, **kwargs)[..., :-1, :]
        return func(*args, **kwargs)


def _packable(layer: nn.Module) -> Tensor | None:
    """The weight of a linear layer that can be packed."""
    if type(layer) is not nn.Linear:  # subclasses compute something else, as quantised layers do
        return None
    return layer.weight if layer.weight.dtype == torch.float32 and layer.weight.device.type == "cpu" else None


class Forward:
    """Runs a model.

    Args:
        model: A causal language model, which must not change from now on.

    Attributes:
        model: The model.
        device: Where its inputs go.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        self.model = model
        self.device = embedding_weight(model).device
        self._kernels = CpuKernels(model) if self.device.type == "cpu" else None
        parameters = inspect.signature(model.forward).parameters
        self._last_only = {"logits_to_keep": 1} if "logits_to_keep" in parameters else {}

    def __call__(self, **inputs: Any) -> Tensor:
        """The logits after the last token of each row. Shape: (rows, vocabulary)."""
        model: Any = self.model
        with self._kernels or contextlib.nullcontext():
            return cast("Tensor", model(**inputs, **self._last_only, use_cache=True).logits[:, -1])
