"""The forward pass of a decode step: one token for each of the first slots of a `SlotCache`."""

from collections.abc import Sequence

import torch
from torch import Tensor

from llmsearch_optuna.engine.model import embedding_weight
from llmsearch_optuna.engine.model_limits import input_limits
from llmsearch_optuna.engine.slots.attention import attention_windows, decode_masks, implementation
from llmsearch_optuna.engine.slots.cache import KeysValues, SlotCache
from llmsearch_optuna.engine.slots.model_runner import ModelRunner

__all__ = ["SlotDecoder"]


class SlotDecoder:
    """Runs the forward passes of decode steps over the slots of a cache.

    Args:
        runner: Runs a decoder-only attention model.
        like: The keys and values of any prompt in each layer. The cache gets their shapes, dtypes and devices.
        slots: The number of slots.
        capacity: Positions per slot.

    Attributes:
        runner: The runner.
        cache: The keys and values of the slots.
        slots: The number of slots.
        capacity: Positions per slot.
        vocabulary: The number of tokens that the model embeds.
        window: The maximum number of positions of the model; None if there is no limit.
        replacements: How often the memory of the cache has been replaced by a larger one.

    Raises:
        ModelError: Slots do not support the model's attention; see `attention_windows`.
    """

    def __init__(self, runner: ModelRunner, like: Sequence[KeysValues], slots: int, capacity: int) -> None:
        self.runner = runner
        self.cache = SlotCache(like, slots, capacity)
        self.slots = slots
        self.capacity = capacity
        self.vocabulary = len(embedding_weight(runner.model))
        self.window = input_limits(runner.model).together
        self.replacements = 0
        self._windows = attention_windows(runner.model)
        self._additive = like[0].keys.dtype if implementation(runner.model) == "eager" else None

    @torch.inference_mode()
    def step(
        self, tokens: Sequence[int], positions: Sequence[int], length: int, pages: Sequence[int] | None = None
    ) -> Tensor:
        """Feed one token to each of the first slots.

        Args:
            tokens: The token to feed to each slot.
            positions: The position of each token in its slot.
            length: The number of positions that are read: more than each position, and at most the capacity.
            pages: The page to which each token's keys and values are also written. The default is page 0, which is not
                kept.

        Returns:
            Logits. Shape: (slots, vocabulary).
        """
        inputs = torch.tensor([tokens, positions, [0] * len(tokens) if pages is None else pages])
        inputs = inputs.to(self.runner.device)
        return self.run(inputs[0], inputs[1], inputs[2], length)

    def run(self, tokens: Tensor, positions: Tensor, pages: Tensor, length: int) -> Tensor:
        """Feed one token to each of the first slots; see `step`. The tensors are int64, on the device of the inputs."""
        self.cache.prepare_step(positions, length, pages)
        return self.runner(
            input_ids=tokens[:, None],
            attention_mask=decode_masks(self._windows, positions, length, self._additive),
            position_ids=positions[:, None],
            past_key_values=self.cache,
        )

    def grow(self, capacity: int) -> None:
        """Increase the number of positions per slot to `capacity`, keeping their content."""
        self.cache.grow(capacity)
        self.capacity = capacity
        self.replacements += 1

    def grow_pages(self, pages: int) -> None:
        """Increase the number of pages to `pages`, keeping their content."""
        self.cache.grow_pages(pages)
        self.replacements += 1
