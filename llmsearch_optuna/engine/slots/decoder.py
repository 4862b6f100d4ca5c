"""The decode step: one token for each of the first rows of a `SlotCache`."""

import logging
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from llmsearch_optuna.engine.model import context_window, embedding_weight
from llmsearch_optuna.engine.slots.attention import attention_windows, decode_masks, takes_additive_masks
from llmsearch_optuna.engine.slots.cache import KeysValues, SlotCache
from llmsearch_optuna.engine.slots.model_runner import Forward

__all__ = ["SlotDecoder"]

_LOG = logging.getLogger(__name__)


class SlotDecoder:
    """Steps a model over the rows of a slot cache; on CUDA, as one captured graph per shape.

    Args:
        forward: Runs a decoder-only attention model.
        like: One prompt's keys and values, for the shapes.
        slots: Rows.
        capacity: Places per row.

    Attributes:
        cache: Keys and values of the rows.
        capacity: Places per row.
        vocabulary: How many tokens the model knows.
        window: How many positions; ``None`` where there is no limit.

    Raises:
        ModelError: The model's attention takes no masks of our own.
    """

    def __init__(self, forward: Forward, like: Sequence[KeysValues], slots: int, capacity: int) -> None:
        self.cache = SlotCache(like, slots, capacity)
        self.capacity = capacity
        self.vocabulary = len(embedding_weight(forward.model))
        self.window = context_window(forward.model)
        self._forward = forward
        self._windows = attention_windows(forward.model)
        self._additive = like[0].keys.dtype if takes_additive_masks(forward.model) else None
        devices = {layer.keys.device for layer in like} | {forward.device}
        self._graphs: _StepGraphs | None = None
        if len(devices) == 1 and forward.device.type == "cuda":
            self._graphs = _StepGraphs(self._step, slots, forward.device)

    @torch.inference_mode()
    def step(
        self, tokens: Sequence[int], positions: Sequence[int], length: int, pages: Sequence[int] | None = None
    ) -> Tensor:
        """Feeds one token to each of the first rows.

        Args:
            tokens: The rows' last tokens.
            positions: The tokens' places.
            length: The places that are read, more than every position and at most the capacity.
            pages: Where the tokens' keys and values are kept for later; page 0, for nothing, by default.

        Returns:
            Logits, valid until the next step. Shape: (rows, vocabulary).
        """
        inputs = torch.tensor([list(tokens), list(positions), [0] * len(tokens) if pages is None else list(pages)])
        if self._graphs is not None:
            try:
                return self._graphs.step(inputs, length)
            except torch.OutOfMemoryError:
                raise
            except RuntimeError as error:
                _LOG.info("decode steps are not captured in CUDA graphs: %s", " ".join(str(error).split()))
                self._graphs = None
        return self._step(inputs.to(self._forward.device), length)

    def grow(self, capacity: int) -> None:
        """Makes more places per row, keeping what is there."""
        self.cache.grow(capacity)
        self.capacity = capacity
        if self._graphs is not None:
            self._graphs.clear()

    def grow_pages(self, pages: int) -> None:
        """Makes more pages, keeping what is there."""
        self.cache.grow_pages(pages)
        if self._graphs is not None:
            self._graphs.clear()

    def _step(self, inputs: Tensor, length: int) -> Tensor:
        tokens, positions, pages = inputs
        self.cache.aim(positions, length, pages)
        return self._forward(
            input_ids=tokens[:, None],
            attention_mask=decode_masks(self._windows, positions, length, self._additive),
            position_ids=positions[:, None],
            past_key_values=self.cache,
        )


class _StepGraphs:
    """Decode steps as CUDA graphs, captured when a shape is first needed: one launch in the place of hundreds."""

    def __init__(self, take_step: Callable[[Tensor, int], Tensor], slots: int, device: torch.device) -> None:
        self._take_step = take_step
        self._inputs = torch.zeros(3, slots, dtype=torch.int64, device=device)
        self._pool: Any = None
        self._captured: dict[tuple[int, int], tuple[torch.cuda.CUDAGraph, Tensor]] = {}

    def step(self, inputs: Tensor, length: int) -> Tensor:
        """One step. Shape of inputs: (3, rows), tokens, positions and pages on the host."""
        rows = inputs.shape[1]
        there = self._inputs[:, :rows].copy_(inputs, non_blocking=True)
        if (rows, length) not in self._captured:
            self._captured[rows, length] = self._capture(there, length)
        graph, logits = self._captured[rows, length]
        graph.replay()
        return logits

    def clear(self) -> None:
        """Forgets the graphs: the memory that they write to is gone."""
        self._captured.clear()

    def _capture(self, inputs: Tensor, length: int) -> tuple[torch.cuda.CUDAGraph, Tensor]:
        # Kernels are chosen and memory is laid out before the capture; the same step twice writes the same values.
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(2):
                self._take_step(inputs, length)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool):
            logits = self._take_step(inputs, length)
        self._pool = graph.pool()
        return graph, logits
