"""Keys and values of the running rows: one slot each, all of one size, every row from place 0 on."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from transformers.cache_utils import Cache, CacheLayerMixin

__all__ = ["KeysValues", "SlotCache"]


class KeysValues(NamedTuple):
    """What one layer remembers of one prompt.

    Attributes:
        keys: Shape: (heads, tokens, head size).
        values: Shape: (heads, tokens, head size); the size may differ from that of the keys.
    """

    keys: Tensor
    values: Tensor

    @property
    def nbytes(self) -> int:
        """Memory in bytes."""
        return self.keys.nbytes + self.values.nbytes

    def to(self, device: torch.device | str) -> "KeysValues":
        """The same on another device."""
        return KeysValues(self.keys.to(device), self.values.to(device))


class SlotCache(Cache):
    """A cache whose rows are at different places, for the decode steps of a transformers model.

    A row's slot holds its tokens from place 0 on; what lies behind its last one is never seen, as masks leave it out.
    So a row begins, ends and goes back to an earlier token without anything being moved or cleared.

    Beside the slots there are pages: every step also writes the keys and values of each new token to a page, from which
    they can be loaded into any slot later. Page 0 is for what nobody will want.

    Args:
        like: One prompt's keys and values in every layer: gives shapes, dtypes and devices.
        slots: Rows.
        capacity: Places per row.
    """

    def __init__(self, like: Sequence[KeysValues], slots: int, capacity: int) -> None:
        self._slot_layers = [_SlotLayer(layer, slots, capacity) for layer in like]
        super().__init__(layers=list(self._slot_layers))

    @property
    def pages(self) -> int:
        """Pages that can be written."""
        return self._slot_layers[0].page_keys.shape[0]

    @property
    def page_bytes(self) -> int:
        """Memory of one page in all layers."""
        return sum(layer.page_keys[0].nbytes + layer.page_values[0].nbytes for layer in self._slot_layers)

    def aim(self, positions: Tensor, length: int, pages: Tensor) -> None:
        """Says where the next step writes and how far it reads.

        Args:
            positions: The place of the new token of the first rows, int64. Shape: (rows,).
            length: The places that are read, from 0 on.
            pages: The page of the new token of the first rows, int64. Shape: (rows,).
        """
        rows = torch.arange(len(positions), device=positions.device)
        for layer in self._slot_layers:
            layer.rows, layer.positions, layer.length, layer.pages = rows, positions, length, pages

    def load(self, slot: int, prompt: Sequence[KeysValues]) -> None:
        """Copies a prompt into a slot."""
        for layer, (keys, values) in zip(self._slot_layers, prompt, strict=True):
            layer.slot_keys[slot, :, : keys.shape[1]] = keys
            layer.slot_values[slot, :, : values.shape[1]] = values

    def load_pages(self, slot: int, places: Sequence[int], pages: Sequence[int]) -> None:
        """Copies pages to places of a slot."""
        there, which = torch.tensor([list(places), list(pages)])
        for layer in self._slot_layers:
            to, which_here = there.to(layer.page_keys.device), which.to(layer.page_keys.device)
            layer.slot_keys[slot, :, to] = layer.page_keys[which_here].transpose(0, 1)
            layer.slot_values[slot, :, to] = layer.page_values[which_here].transpose(0, 1)

    def move(self, source: int, target: int, length: int) -> None:
        """Copies the first `length` places of a slot to another one."""
        for layer in self._slot_layers:
            for memory in (layer.slot_keys, layer.slot_values):
                memory[target, :, :length] = memory[source, :, :length]

    def grow(self, capacity: int) -> None:
        """Makes more places per row, keeping what is there."""
        for layer in self._slot_layers:
            layer.slot_keys = _longer(layer.slot_keys, 2, capacity)
            layer.slot_values = _longer(layer.slot_values, 2, capacity)

    def grow_pages(self, pages: int) -> None:
        """Makes more pages, keeping what is there."""
        for layer in self._slot_layers:
            # One after the other, so that no more than one of them is there twice.
            layer.page_keys = _longer(layer.page_keys, 0, pages)
            layer.page_values = _longer(layer.page_values, 0, pages)

    def fill_with_noise(self, generator: torch.Generator) -> None:
        """Fills all slots with normal noise, for comparing kernels."""
        noise = torch.randn(10_007, generator=generator)  # a prime, so that no two rows are the same
        for layer in self._slot_layers:
            for memory in (layer.slot_keys, layer.slot_values):
                memory.copy_(noise.repeat(-(-memory.numel() // len(noise)))[: memory.numel()].view(memory.shape))

    def permute(self, order: Tensor) -> None:
        """Puts the slots into another order."""
        for layer in self._slot_layers:
            for memory in (layer.slot_keys, layer.slot_values):
                memory.copy_(memory[order.to(memory.device)])


class _SlotLayer(CacheLayerMixin):  # type: ignore[no-untyped-call]
    """One layer of a `SlotCache`.

    Shapes: (slots, heads, capacity, head size) of the slots' memories, (pages, heads, head size) of the pages'.
    """

    is_sliding = False
    rows: Tensor
    positions: Tensor
    pages: Tensor
    length: int

    def __init__(self, like: KeysValues, slots: int, capacity: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.slot_keys, self.slot_values = (
            memory.new_zeros(slots, memory.shape[0], capacity, memory.shape[2]) for memory in like
        )
        self.page_keys, self.page_values = (memory.new_zeros(1, memory.shape[0], memory.shape[2]) for memory in like)
        self.length = capacity

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:  # noqa: ARG002
        """Writes the new token of each row at its own place, and gives what the step reads."""
        device = self.slot_keys.device
        rows, positions, pages = self.rows.to(device), self.positions.to(device), self.pages.to(device)
        self.slot_keys[rows, :, positions] = self.page_keys[pages] = key_states[:, :, 0]
        self.slot_values[rows, :, positions] = self.page_values[pages] = value_states[:, :, 0]
        count = key_states.shape[0]
        return self.slot_keys[:count, :, : self.length], self.slot_values[:count, :, : self.length]

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Nothing is left to do."""

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:  # noqa: ARG002 - the interface of transformers
        """Length and offset of a mask, for models that ask although they are given theirs."""
        return self.length, 0

    def get_seq_length(self) -> int:
        """Rows have no common length; models are given their positions."""
        return 0

    def get_max_length(self) -> int:
        """Places per row."""
        return self.slot_keys.shape[2]


def _longer(memory: Tensor, dimension: int, length: int) -> Tensor:
    shape = list(memory.shape)
    shape[dimension] = length
    longer = memory.new_zeros(shape)  # what is masked is multiplied by 0, which would not help against NaN
    longer.narrow(dimension, 0, memory.shape[dimension]).copy_(memory)
    return longer
