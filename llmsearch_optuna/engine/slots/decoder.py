"""The decode step: one token for each of the first slots of a `SlotCache`."""

import logging
from collections.abc import Sequence

import torch
from torch import Tensor

from llmsearch_optuna.engine.limits import context_window
from llmsearch_optuna.engine.model import embedding_weight
from llmsearch_optuna.engine.slots.attention import attention_windows, decode_masks, implementation
from llmsearch_optuna.engine.slots.cache import KeysValues, SlotCache
from llmsearch_optuna.engine.slots.graphs import GraphError, StepGraphs
from llmsearch_optuna.engine.slots.model_runner import ModelRunner

__all__ = ["SlotDecoder"]

_LOG = logging.getLogger(__name__)


class SlotDecoder:
    """Runs decode steps over the slots of a cache. On CUDA, each shape is captured as a graph.

    Args:
        runner: Runs a decoder-only attention model.
        like: The keys and values of any prompt in each layer. The cache gets their shapes, dtypes and devices.
        slots: The number of slots.
        capacity: Positions per slot.
        uses_graphs: Whether steps on CUDA are captured as graphs, if the model allows it.

    Attributes:
        cache: The keys and values of the slots.
        capacity: Positions per slot.
        vocabulary: The number of tokens that the model embeds.
        window: The maximum number of positions of the model; None if there is no limit.
        has_fixed_width: See `ModelRunner`.

    Raises:
        ModelError: Slots do not support the model's attention; see `attention_windows`.
    """

    def __init__(
        self, runner: ModelRunner, like: Sequence[KeysValues], slots: int, capacity: int, *, uses_graphs: bool = True
    ) -> None:
        self.cache = SlotCache(like, slots, capacity)
        self.capacity = capacity
        self.vocabulary = len(embedding_weight(runner.model))
        self.window = context_window(runner.model)
        self.has_fixed_width = runner.has_fixed_width
        self._runner = runner
        self._windows = attention_windows(runner.model)
        self._additive = like[0].keys.dtype if implementation(runner.model) == "eager" else None
        devices = {layer.keys.device for layer in like} | {runner.device}
        self._graphs: StepGraphs | None = None
        if uses_graphs and runner.is_capturable and len(devices) == 1 and runner.device.type == "cuda":
            self._graphs = StepGraphs(self._step, slots, self.vocabulary, runner.device)

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
            Logits, valid until the next step. Shape: (slots, vocabulary).
        """
        inputs = torch.tensor([list(tokens), list(positions), [0] * len(tokens) if pages is None else list(pages)])
        if self._graphs is not None:
            try:
                return self._graphs.step(inputs, length)
            except GraphError as error:
                _LOG.warning("decode steps run without CUDA graphs, which is slower: %s", error)
                self._graphs = None
                self._runner.is_capturable = False
        return self._step(inputs.to(self._runner.device), length)

    def grow(self, capacity: int) -> None:
        """Increase the number of positions per slot to `capacity`, keeping their content."""
        self.cache.grow(capacity)
        self.capacity = capacity
        if self._graphs is not None:
            self._graphs.clear()

    def grow_pages(self, pages: int) -> None:
        """Increase the number of pages to `pages`, keeping their content."""
        self.cache.grow_pages(pages)
        if self._graphs is not None:
            self._graphs.clear()

    def _step(self, inputs: Tensor, length: int) -> Tensor:
        tokens, positions, pages = inputs
        self.cache.prepare_step(positions, length, pages)
        return self._runner(
            input_ids=tokens[:, None],
            attention_mask=decode_masks(self._windows, positions, length, self._additive),
            position_ids=positions[:, None],
            past_key_values=self.cache,
        )
