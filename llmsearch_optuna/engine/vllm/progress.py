"""Mirostat's state of completions that vLLM has taken out of its batch and may put back."""

from collections import OrderedDict

import torch
from torch import Tensor

from llmsearch_optuna.space.params import GenerationParams

__all__ = ["MirostatMemory"]

_KEPT = 4096


class MirostatMemory:
    """Keeps mu and step of completions that left the batch, on the device.

    A completion depends on its prompt and parameters alone, so these identify its state. A completion that is put back
    at another step than the kept one starts again with the first mu. That is so only if a request was sent twice.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[GenerationParams, int], Tensor] = OrderedDict()

    def keep(self, params: GenerationParams, prompt_key: int, progress: Tensor) -> None:
        """Keep the state of a completion if it has mirostat; see `ParameterTable.progress`."""
        if params.mirostat_tau is not None:
            self._kept[params, prompt_key] = progress.clone()
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)

    def restore(self, params: GenerationParams, prompt_key: int, progress: Tensor) -> None:
        """Write the mu that was kept for the step to the state; see `ParameterTable.progress`."""
        kept = self._kept.pop((params, prompt_key), None)
        if kept is not None:
            progress.copy_(torch.where(kept[1] == progress[1], kept, progress))
