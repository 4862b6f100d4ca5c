"""How the free memory of a device is shared: first the slots and their steps, then prompts and replay."""

from collections.abc import Sequence
from typing import NamedTuple

import torch

from llmsearch_optuna.engine.slots.cache import KeysValues
from llmsearch_optuna.engine.slots.shapes import MIN_WIDTH

__all__ = ["MemoryPlan", "bytes_per_position", "bytes_per_step", "plan_memory"]

# Of the free memory, kept for what is not planned: work space of libraries, prefills, fragmentation.
_RESERVE = 0.1
# Of the free memory, the maximum for prompts and for replay.
_PROMPTS, _REPLAY = 0.4, 0.25


class MemoryPlan(NamedTuple):
    """The shares of a device's memory.

    Attributes:
        slots: The number of slots, a multiple of 8.
        prompts: The bytes for prefilled prompts.
        replay: The bytes for pages and summaries.
    """

    slots: int
    prompts: int
    replay: int


def plan_memory(free: int, *, slots: int, slot_bytes: int, step_bytes: int) -> MemoryPlan:
    """Share the free memory of a device.

    As many slots as fit, up to the number asked for; prompts and replay get what the slots leave.

    Args:
        free: The free bytes, before any slot is allocated.
        slots: The number of slots asked for.
        slot_bytes: The keys and values of one slot, in bytes.
        step_bytes: What a step needs for each slot in addition, in bytes.
    """
    usable = int((1.0 - _RESERVE) * free)
    each = slot_bytes + step_bytes
    fitting = usable // each // MIN_WIDTH * MIN_WIDTH
    slots = max(MIN_WIDTH, min(slots, fitting))
    rest = max(0, usable - slots * each)
    prompts = min(int(_PROMPTS * free), int(rest * _PROMPTS / (_PROMPTS + _REPLAY)))
    return MemoryPlan(slots, prompts, min(int(_REPLAY * free), rest - prompts))


def bytes_per_position(layers: Sequence[KeysValues], device: torch.device) -> int:
    """Return the bytes of the keys and values of one position on a device, given those of any prompt in each layer."""
    return sum(
        memory.shape[0] * memory.shape[2] * memory.element_size()
        for layer in layers
        for memory in layer
        if memory.device == device
    )


def bytes_per_step(vocabulary: int, dtype: torch.dtype) -> int:
    """Return the bytes that a step needs for each slot: its logits, and the copies of them that its draw makes.

    These are the logits in float32, in float64 with their noise, and as sortable integers.
    """
    return vocabulary * (dtype.itemsize + 4 + 8 + 8)
