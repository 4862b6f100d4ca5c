"""Forward passes of a causal language model, with faster and more reproducible kernels on the CPU."""

import contextlib
import inspect
import logging
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode
from transformers import PreTrainedModel

from llmsearch_optuna.engine.memory import free_memory
from llmsearch_optuna.engine.model import embedding_weight

__all__ = ["CpuKernels", "ModelRunner"]

_LOG = logging.getLogger(__name__)

# Without cuDNN, which spends 0.1 to 0.5 s on a plan for each new length of a prompt.
_CUDA_ATTENTION = [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]

# The operators that torch's compiler emits have only private names.
_PACK = torch.ops.mkldnn._reorder_linear_weight  # noqa: SLF001
_PACKED_LINEAR = torch.ops.mkldnn._linear_pointwise  # noqa: SLF001


class CpuKernels(TorchFunctionMode):
    """A context manager that replaces two kernels of torch on the CPU.

    *Attention* of a decode step receives an even number of queries. The fused kernel gives each thread scratch memory
    in proportion to the number of queries. With an odd number (3 if three heads share their keys), the memory of the
    second thread does not start at a 16-byte boundary. Its matrix products then round differently from those of the
    first thread, so that logits would depend on the thread.

    *Linear layers* in float32 use weights that are packed once for oneDNN, as torch's compiler does for a frozen model.
    Packing them in every call would take longer than the product if there are few batch rows. The packed copies double
    the memory of the weights, so they are only made if they fit into a quarter of the free memory.

    Args:
        model: The model, whose weights must not change afterwards.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        weights: dict[int, Tensor] = {}
        if torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
            weights = {id(w): w for layer in nn.Module.modules(model) if (w := _packable_weight(layer)) is not None}
        if sum(weight.nbytes for weight in weights.values()) > free_memory(torch.device("cpu")) // 4:
            weights = {}
        with torch.no_grad():
            self._packed: dict[int, Tensor] = {key: _PACK(weight) for key, weight in weights.items()}

    def __torch_function__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run a function of torch, or its replacement."""
        kwargs = kwargs or {}
        # Those of peft pass keyword arguments, and are left alone.
        if func is functional.linear and len(args) > 1 and (packed := self._packed.get(id(args[1]))) is not None:
            bias = args[2] if len(args) > 2 else kwargs.get("bias")
            return _PACKED_LINEAR(args[0], packed, bias, "none", [], "")
        if func is functional.scaled_dot_product_attention:
            query, *others = args
            mask = kwargs.get("attn_mask")
            if query.shape[-2] % 2 and mask is not None and mask.shape[-2] == 1:
                # One query is added as padding, and its result is dropped.
                return func(functional.pad(query, (0, 0, 0, 1)), *others, **kwargs)[..., :-1, :]
        return func(*args, **kwargs)


def _packable_weight(layer: nn.Module) -> Tensor | None:
    """Return the weight of a layer if it can be packed; None otherwise."""
    if type(layer) is not nn.Linear:  # subclasses, such as quantised layers, compute something else
        return None
    return layer.weight if layer.weight.dtype == torch.float32 and layer.weight.device.type == "cpu" else None


class ModelRunner:
    """Runs forward passes of a model.

    Args:
        model: A causal language model, which must not change afterwards.

    Attributes:
        model: The model.
        device: The device of the model's inputs.
        has_fixed_width: Whether all steps should have the same number of slots. On CUDA, another number rounds
            differently, and a narrower step takes as long.
        draws_on_device: Whether the device draws tokens, too, in steps and in replay: on CUDA, if it holds all weights.
        is_capturable: Whether decode steps may be CUDA graphs. Set to False as soon as it turns out that they cannot.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        self.model = model
        self.device = embedding_weight(model).device
        self.has_fixed_width = self.device.type == "cuda"
        is_split = any(weight.device != self.device for weight in nn.Module.parameters(model))
        self.draws_on_device = self.device.type == "cuda" and not is_split
        if self.device.type == "cuda" and is_split:
            _LOG.warning("the model is on several devices: decode steps run without CUDA graphs, which is slower")
        self.is_capturable = True
        self._kernels = CpuKernels(model) if self.device.type == "cpu" else None
        parameters = inspect.signature(model.forward).parameters
        self._last_only = {"logits_to_keep": 1} if "logits_to_keep" in parameters else {}

    def __call__(self, **inputs: Any) -> Tensor:
        """Run a forward pass, and return the logits after the last token of each batch row.

        Shape: (batch, vocabulary). The inputs are keyword arguments of the model.
        """
        model: Any = self.model
        kernels: AbstractContextManager[Any] = contextlib.nullcontext() if self._kernels is None else self._kernels
        if self.device.type == "cuda":
            kernels = sdpa_kernel(_CUDA_ATTENTION)
        with kernels:
            return cast("Tensor", model(**inputs, **self._last_only, use_cache=True).logits[:, -1])
