"""Forward passes of a causal language model, with kernels of our own where it runs on the CPU."""

import contextlib
import inspect
from typing import Any, cast

from torch import Tensor
from transformers import PreTrainedModel

from llmsearch_optuna.engine.cpu_kernels import CpuKernels
from llmsearch_optuna.engine.model import embedding_weight

__all__ = ["Forward"]


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
