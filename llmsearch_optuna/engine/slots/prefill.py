"""Prefill prompts, and cache their keys and values as long as memory allows."""

from typing import Any, NamedTuple

import torch
from torch import Tensor
from transformers import DynamicCache

from llmsearch_optuna.engine.memory import free_memory
from llmsearch_optuna.engine.slots.cache import KeysValues
from llmsearch_optuna.engine.slots.model_runner import ModelRunner

__all__ = ["Prefill", "PromptCache", "prefill"]


class Prefill(NamedTuple):
    """The model's output for a prompt.

    Attributes:
        layers: The keys and values of each layer.
        logits: The logits from which the first token of the completion is drawn. Shape: (vocabulary,).
    """

    layers: tuple[KeysValues, ...]
    logits: Tensor


@torch.inference_mode()
def prefill(runner: ModelRunner, prompt_ids: tuple[int, ...]) -> Prefill:
    """Run the model over one prompt.

    Prompts are not batched, because the rounding of their keys and values would depend on the other prompts.
    """
    cache = DynamicCache()
    logits = runner(input_ids=torch.tensor([prompt_ids], device=runner.device), past_key_values=cache)[0].clone()
    attention_layers: list[Any] = cache.layers  # `Any`, because the declared type also covers layers without keys
    # Layers that attend to images keep nothing of a text.
    nothing = KeysValues(*logits.new_empty(2, 0, len(prompt_ids), 0))
    layers = (
        KeysValues(layer.keys[0], layer.values[0]) if layer.is_initialized else nothing for layer in attention_layers
    )
    return Prefill(tuple(layers), logits)


class PromptCache:
    """Caches prefilled prompts on the model's device, then in host memory. Others are computed again on demand.

    The first prompts stay in the cache: all trials evaluate the samples in the same order, and pruned trials reach only
    the first ones. The latest prompt is always available.

    Args:
        runner: Runs the model.
        device_bytes: Memory for prompts on the model's device, in bytes; 40 % of its free memory by default.
        host_bytes: The same for the host, if the model runs on another device.

    Attributes:
        device_used: The memory of the prompts on the model's device, in bytes.
    """

    def __init__(self, runner: ModelRunner, device_bytes: int | None = None, host_bytes: int | None = None) -> None:
        self._runner = runner
        self._device_bytes = _budget(runner.device) if device_bytes is None else device_bytes
        self._max_device_bytes = self._device_bytes
        if runner.device.type == "cpu":
            host_bytes = 0
        self._host_bytes = _budget(torch.device("cpu")) if host_bytes is None else host_bytes
        self._template: Prefill | None = None
        self._on_device: dict[tuple[int, ...], Prefill] = {}
        self._on_host: dict[tuple[int, ...], Prefill] = {}
        self.device_used = self._host_used = 0
        self._latest: tuple[tuple[int, ...], Prefill] | None = None

    def get(self, prompt_ids: tuple[int, ...]) -> Prefill:
        """Return the prompt's keys and values and its logits, from the cache or by running the model.

        The keys and values may be in host memory. The logits are always on the model's output device.
        """
        if prompt_ids in self._on_device:
            return self._on_device[prompt_ids]
        if self._latest is not None and self._latest[0] == prompt_ids:
            return self._latest[1]
        if prompt_ids in self._on_host:
            cached = self._on_host[prompt_ids]
            return cached._replace(logits=cached.logits.to(self.template.logits.device))
        prefilled = prefill(self._runner, prompt_ids)
        if self._template is None:
            self._template = _without_tokens(prefilled)
        if prefilled.logits.isnan().any():  # not cached, because the next forward pass may give finite logits
            return prefilled
        self._latest = prompt_ids, prefilled
        size = prefilled.logits.nbytes + sum(tensor.nbytes for layer in prefilled.layers for tensor in layer)
        if self.device_used + size <= self._device_bytes:
            self._on_device[prompt_ids] = prefilled
            self.device_used += size
        elif self._host_used + size <= self._host_bytes:
            self._host_used += size
            layers = tuple(KeysValues(layer.keys.cpu(), layer.values.cpu()) for layer in prefilled.layers)
            self._on_host[prompt_ids] = Prefill(layers, prefilled.logits.cpu())
        return prefilled

    def keeps(self, prompt_ids: tuple[int, ...]) -> bool:
        """Return whether a prompt stays in the cache."""
        return prompt_ids in self._on_device or prompt_ids in self._on_host

    @property
    def template(self) -> Prefill:
        """A prefill of no tokens, which shows shapes, dtypes and devices.

        Raises:
            LookupError: No prompt has been prefilled.
        """
        if self._template is None:
            raise LookupError("no prompt has been prefilled")
        return self._template

    def limit(self, device_bytes: int) -> None:
        """Lower the memory limit for prompts on the model's device. Those that are there stay."""
        self._device_bytes = min(self._device_bytes, device_bytes)

    def shrink(self) -> None:
        """Drop the prompts on the device, and halve the memory limit for them."""
        self._on_device.clear()
        self.device_used = 0
        self._latest = None
        self._device_bytes //= 2

    def grow_back(self) -> None:
        """Undo the change of the memory limit by `shrink`."""
        self._device_bytes = self._max_device_bytes


def _budget(device: torch.device) -> int:
    return int(0.4 * free_memory(device))


def _without_tokens(prefilled: Prefill) -> Prefill:
    layers = (KeysValues(*(memory[:, :0].clone() for memory in layer)) for layer in prefilled.layers)
    return Prefill(tuple(layers), prefilled.logits)
