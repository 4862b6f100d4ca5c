"""Which prompts may share a call of ``model.generate``, and the inputs of the call."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from transformers import PreTrainedModel

from llmsearch_optuna.engine.model import embedding_weight

__all__ = ["Batching", "padded_inputs", "shared_length"]


class Batching(NamedTuple):
    """Which prompts may share a call of ``model.generate``. Some models give wrong results with padding or a KV cache.

    Attributes:
        together: ``"all"``: prompts of any length, padded to the longest. ``"one length"``: only prompts of equal
            length, without padding. ``"none"``: one prompt per call.
        use_cache: Whether ``generate`` may use the model's KV cache.
    """

    together: Literal["all", "one length", "none"] = "all"
    use_cache: bool = True

    def __str__(self) -> str:
        modes = {"all": "in padded batches", "one length": "in batches of one prompt length", "none": "one by one"}
        return modes[self.together] + ("" if self.use_cache else " and without a cache")


def shared_length(prompts: Sequence[Sequence[int]], batching: Batching, size: int) -> int:
    """Return how many of the first prompts may share a call; at most `size`. The prompts must be sorted by length."""
    if batching.together == "none":
        return 1
    if batching.together == "one length":
        prompts = [prompt for prompt in prompts[:size] if len(prompt) == len(prompts[0])]
    return min(len(prompts), size)


def padded_inputs(model: PreTrainedModel, prompts: Sequence[Sequence[int]], pad_token: int) -> dict[str, Tensor]:
    """Return the ``input_ids`` and the ``attention_mask`` of a batch, int64. Shape: (prompts, longest).

    Prompts of decoder-only models are padded on the left, those of encoder-decoders on the right.
    """
    longest = max(map(len, prompts))
    ids = torch.full((len(prompts), longest), pad_token)
    mask = torch.zeros_like(ids)
    for row, prompt in enumerate(prompts):
        columns = slice(0, len(prompt)) if model.config.is_encoder_decoder else slice(longest - len(prompt), longest)
        ids[row, columns] = torch.tensor(prompt)
        mask[row, columns] = 1
    device = embedding_weight(model).device
    return {"input_ids": ids.to(device), "attention_mask": mask.to(device)}
