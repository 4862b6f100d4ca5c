"""The KV cache of the slots: one slot per running continuation, left-aligned at position 0."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from transformers.cache_utils import Cache, CacheLayerMixin

from llmsearch_optuna.engine.transfer import to_device

__all__ = ["KeysValues", "SlotCache"]


class KeysValues(NamedTuple):
    """The keys and values of one prompt in one layer.

    Attributes:
        keys: Shape: (heads, tokens, head size).
        values: Shape: (heads, tokens, head size). The head size may differ from that of the keys.
    """

    keys: Tensor
    values: Tensor


class SlotCache(Cache):
    """A cache for the decode steps of a transformers model, whose batch rows are slots at different positions.

    A slot holds its tokens from position 0 on. Masks hide everything after its last token. A continuation can therefore
    start, end, or return to an earlier token without moving or clearing memory.

    In addition to the slots there are pages. Each step also writes the keys and values of each new token to a page,
    from which they can be loaded into any slot later. Page 0 takes the values that are not kept.

    Args:
        like: The keys and values of any prompt in each layer. The cache gets their shapes, dtypes and devices.
        slots: The number of slots.
        capacity: Positions per slot.
    """

    def __init__(self, like: Sequence[KeysValues], slots: int, capacity: int) -> None:
        self._slot_layers = [_SlotLayer(layer, slots, capacity) for layer in like]
        super().__init__(layers=list(self._slot_layers))

    @property
    def pages(self) -> int:
        """The number of pages, including page 0."""
        return self._slot_layers[0].page_keys.shape[0]

    @property
    def page_bytes(self) -> int:
        """The size of one page in all layers, in bytes."""
        return sum(layer.page_keys[0].nbytes + layer.page_values[0].nbytes for layer in self._slot_layers)

    def prepare_step(self, positions: Tensor, length: int, pages: Tensor) -> None:
        """Set the positions that the next step writes, and the number of positions that it reads.

        Args:
            positions: The position of the new token of each of the first slots, int64. Shape: (slots,).
            length: The number of positions that are read.
            pages: The page of the new token of each of the first slots, int64. Shape: (slots,).
        """
        slots = torch.arange(len(positions), device=positions.device)
        for layer in self._slot_layers:
            layer.slots, layer.positions, layer.length, layer.pages = slots, positions, length, pages

    def load(self, slot: int, prompt: Sequence[KeysValues]) -> None:
        """Copy a prompt into a slot."""
        for layer, (keys, values) in zip(self._slot_layers, prompt, strict=True):
            layer.slot_keys[slot, :, : keys.shape[1]] = keys
            layer.slot_values[slot, :, : values.shape[1]] = values

    def load_pages(self, slot: int, positions: Sequence[int], pages: Sequence[int]) -> None:
        """Copy pages to positions of a slot."""
        index = torch.tensor([positions, pages])
        copies = {
            device: to_device(index, device) for device in {layer.page_keys.device for layer in self._slot_layers}
        }
        for layer in self._slot_layers:
            target, source = copies[layer.page_keys.device]
            layer.slot_keys[slot, :, target] = layer.page_keys[source].transpose(0, 1)
            layer.slot_values[slot, :, target] = layer.page_values[source].transpose(0, 1)

    def move(self, source: int, target: int, length: int) -> None:
        """Copy the first `length` positions of a slot to another slot."""
        for layer in self._slot_layers:
            for memory in (layer.slot_keys, layer.slot_values):
                memory[target, :, :length] = memory[source, :, :length]

    def grow(self, capacity: int) -> None:
        """Increase the number of positions per slot to `capacity`, keeping their content."""
        for layer in self._slot_layers:
            layer.slot_keys = _longer(layer.slot_keys, 2, capacity)
            layer.slot_values = _longer(layer.slot_values, 2, capacity)

    def grow_pages(self, pages: int) -> None:
        """Increase the number of pages to `pages`, keeping their content."""
        for layer in self._slot_layers:
            # One tensor at a time, so that at most one of them exists twice.
            layer.page_keys = _longer(layer.page_keys, 0, pages)
            layer.page_values = _longer(layer.page_values, 0, pages)

    def fill_with_noise(self, generator: torch.Generator) -> None:
        """Fill all slots with normal noise, for comparing kernels."""
        noise = torch.randn(10_007, generator=generator)  # a prime, so that no two slots are equal
        for layer in self._slot_layers:
            for memory in (layer.slot_keys, layer.slot_values):
                on_device = noise.to(memory)
                memory.copy_(on_device.repeat(-(-memory.numel() // len(noise)))[: memory.numel()].view(memory.shape))

    def permute(self, order: Tensor) -> None:
        """Reorder the slots: slot i gets the content of slot ``order[i]``. `order` is int64, shape (slots,)."""
        for layer in self._slot_layers:
            for memory in (layer.slot_keys, layer.slot_values):
                memory.copy_(memory[order.to(memory.device)])


class _SlotLayer(CacheLayerMixin):  # type: ignore[no-untyped-call]
    """One layer of a `SlotCache`.

    Shapes: (slots, heads, capacity, head size) for slots, (pages, heads, head size) for pages.
    """

    is_sliding = False
    slots: Tensor
    positions: Tensor
    pages: Tensor
    length: int

    def __init__(self, like: KeysValues, slots: int, capacity: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.slot_keys, self.slot_values = (
            memory.new_zeros(slots, memory.shape[0], capacity, memory.shape[2]) for memory in like
        )
        self.page_keys, self.page_values = (memory.new_zeros(1, memory.shape[0], memory.shape[2]) for memory in like)

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:  # noqa: ARG002
        """Write the new token of each slot at its own position, and return the keys and values that the step reads."""
        device = self.slot_keys.device
        slots, positions, pages = self.slots.to(device), self.positions.to(device), self.pages.to(device)
        self.slot_keys[slots, :, positions] = self.page_keys[pages] = key_states[:, :, 0]
        self.slot_values[slots, :, positions] = self.page_values[pages] = value_states[:, :, 0]
        count = key_states.shape[0]
        return self.slot_keys[:count, :, : self.length], self.slot_values[:count, :, : self.length]

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Do nothing: the memory is allocated in the constructor."""

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:  # noqa: ARG002 - the interface of transformers
        """Return the length and offset of a mask. Some models ask for them even if a mask is passed."""
        return self.length, 0

    def get_seq_length(self) -> int:
        """Return 0: slots have no common length, and models receive explicit positions."""
        return 0

    def get_max_length(self) -> int:
        """Return the positions per slot."""
        return self.slot_keys.shape[2]


def _longer(memory: Tensor, dimension: int, length: int) -> Tensor:
    shape = list(memory.shape)
    shape[dimension] = length
    longer = memory.new_zeros(shape)  # not `new_empty`: masked values are multiplied by 0, and 0 * NaN is NaN
    longer.narrow(dimension, 0, memory.shape[dimension]).copy_(memory)
    return longer
