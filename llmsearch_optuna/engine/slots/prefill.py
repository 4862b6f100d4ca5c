"""Prompts: each goes through the model once, and is remembered as long as there is room."""

from typing import Any, NamedTuple

import torch
from torch import Tensor
from transformers import DynamicCache

from llmsearch_optuna.engine.memory import free_memory
from llmsearch_optuna.engine.slots.cache import KeysValues
from llmsearch_optuna.engine.slots.model_runner import Forward

__all__ = ["Prefill", "PromptCache", "prefill"]


class Prefill(NamedTuple):
    """What the model made of a prompt.

    Attributes:
        layers: Keys and values of every layer.
        logits: For the first token of the completion. Shape: (vocabulary,).
    """

    layers: tuple[KeysValues, ...]
    logits: Tensor

    @property
    def nbytes(self) -> int:
        """Memory in bytes."""
        return self.logits.nbytes + sum(layer.nbytes for layer in self.layers)


@torch.inference_mode()
def prefill(forward: Forward, prompt_ids: tuple[int, ...]) -> Prefill:
    """Runs the model over one prompt.

    Prompts go one by one: in a batch, the rounding of their keys and values would depend on the other prompts.
    """
    cache = DynamicCache()
    logits = forward(input_ids=torch.tensor([prompt_ids], device=forward.device), past_key_values=cache)[0].clone()
    attention_layers: list[Any] = cache.layers  # typed as layers of any kind, of which not all hold keys and values
    return Prefill(tuple(KeysValues(layer.keys[0], layer.values[0]) for layer in attention_layers), logits)


class PromptCache:
    """Prefilled prompts: on the model's device first, then in the host's memory, then computed again.

    What came first stays: trials walk through the samples in one order, and those that are pruned see only the first.
    The latest one is always at hand.

    Args:
        forward: Runs the model.
        device_bytes: Memory for prompts on the model's device; 40 % of what is free there by default.
        host_bytes: Memory for prompts on the host, where that is another place; 40 % of what is free there by default.
    """

    def __init__(self, forward: Forward, device_bytes: int | None = None, host_bytes: int | None = None) -> None:
        self._forward = forward
        self._device_bytes = _budget(forward.device) if device_bytes is None else device_bytes
        if forward.device.type == "cpu":
            host_bytes = 0
        self._host_bytes = _budget(torch.device("cpu")) if host_bytes is None else host_bytes
        self._logits_device = forward.device
        self._on_device: dict[tuple[int, ...], Prefill] = {}
        self._on_host: dict[tuple[int, ...], Prefill] = {}
        self._device_used = self._host_used = 0
        self._latest: tuple[tuple[int, ...], Prefill] | None = None

    def get(self, prompt_ids: tuple[int, ...]) -> Prefill:
        """The prompt's keys and values, wherever they are, and its first logits, where the model gives logits."""
        if prompt_ids in self._on_device:
            return self._on_device[prompt_ids]
        if self._latest is not None and self._latest[0] == prompt_ids:
            return self._latest[1]
        if prompt_ids in self._on_host:
            kept = self._on_host[prompt_ids]
            return kept._replace(logits=kept.logits.to(self._logits_device))
        prefilled = prefill(self._forward, prompt_ids)
        if prefilled.logits.isnan().any():  # the next pass may be right
            return prefilled
        self._logits_device = prefilled.logits.device
        self._latest = prompt_ids, prefilled
        size = prefilled.nbytes
        if self._device_used + size <= self._device_bytes:
            self._on_device[prompt_ids] = prefilled
            self._device_used += size
        elif self._host_used + size <= self._host_bytes:
            self._host_used += size
            layers = tuple(layer.to("cpu") for layer in prefilled.layers)
            self._on_host[prompt_ids] = Prefill(layers, prefilled.logits.to("cpu"))
        return prefilled

    def shrink(self) -> None:
        """Gives the device's memory back, and takes half as much from now on."""
        self._on_device.clear()
        self._device_used = 0
        self._latest = None
        self._device_bytes //= 2


def _budget(device: torch.device) -> int:
    return int(0.4 * free_memory(device))
