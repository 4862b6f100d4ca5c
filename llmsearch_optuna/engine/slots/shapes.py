"""Find the shapes of the decode step that give bit-identical logits, by measurement: no library guarantees any."""

import logging
from collections.abc import Callable

import torch
from torch import Tensor

from llmsearch_optuna.engine.slots.decoder import SlotDecoder

__all__ = ["MIN_WIDTH", "REFERENCE_LENGTH", "ExactShapes", "next_length"]

_LOG = logging.getLogger(__name__)

MIN_WIDTH = 8
"""Minimum width of a step: matrix products of one or two rows use other kernels, which round differently."""

REFERENCE_LENGTH = 512
"""The number of positions that a step reads to which shorter steps are compared."""

_WIDTH_STEP = 8
_TEST_LENGTH = 64


class ExactShapes:
    """The widths (slots) and lengths (positions) of the decode step that give the same logits to the last bit.

    Kernels are selected by shape, and different kernels add in different orders. Before a shape is used, a step with
    random keys and values is compared with that of a reference shape. Their logits must agree to the last bit.

    Args:
        make_decoder: ``(slots, capacity) -> decoder`` for the comparisons.
        slots: The full width.

    Attributes:
        widths: The exact widths, ascending; the last is `slots`.
        independent: Whether a slot's logits are independent of its index and its neighbours within one shape, and all
            reference lengths compared so far agree. If not, shapes are no longer tested, and all are used. For example,
            a mixture of experts multiplies as many rows at once as selected an expert, and neighbours change that.
    """

    def __init__(self, make_decoder: Callable[[int, int], SlotDecoder], slots: int) -> None:
        self._make_decoder = make_decoder
        self._slots = slots
        self._compared: dict[tuple[int, int], bool] = {}
        self._window: int | None = None
        self.independent, self.widths = self._compare_widths()

    def width(self, slots: int) -> int:
        """Return the smallest exact width of at least `slots`."""
        return next(width for width in self.widths if width >= slots)

    def length(self, positions: int) -> int:
        """Return the smallest exact length of at least `positions`."""
        candidate = self._within_window(next_length(positions), positions)
        while not self._is_exact(candidate):
            candidate = self._within_window(next_length(candidate + 1), candidate + 1)
        return candidate

    def _within_window(self, length: int, minimum: int) -> int:
        """Limit a length to the positions that the model has: some models have tables of that size (MPT)."""
        return length if self._window is None else min(length, max(self._window, minimum))

    def _compare_widths(self) -> tuple[bool, tuple[int, ...]]:
        slots = self._slots
        decoder = self._make_decoder(slots, _TEST_LENGTH)
        self._window = decoder.window
        length = self._within_window(_TEST_LENGTH, MIN_WIDTH)
        generator = torch.Generator().manual_seed(0)
        decoder.cache.fill_with_noise(generator)
        positions = torch.randint(length, (slots,), generator=generator)
        tokens = torch.arange(slots)
        full = _step(decoder, tokens, positions, length)
        narrower = () if decoder.runner.has_fixed_width else range(MIN_WIDTH, slots, _WIDTH_STEP)
        is_equal = {
            width: torch.equal(_step(decoder, tokens[:width], positions[:width], length), full[:width])
            for width in narrower
        }
        # The contents of the first half of the slots are computed again, in other slots and with other neighbours.
        order = torch.randperm(slots, generator=generator)
        decoder.cache.permute(order)
        stays = order < slots // 2
        moved = _step(
            decoder,
            torch.where(stays, order, slots + order),
            torch.where(stays, positions[order], positions[order].flip(0)),
            length,
        )
        independent = torch.equal(moved[stays.to(moved.device)], full[order[stays].to(full.device)])
        if not independent:
            _LOG.info("this model's logits round differently by batch: near ties may resolve differently")
        return independent, (*(width for width in narrower if is_equal[width] or not independent), slots)

    def _is_exact(self, length: int) -> bool:
        """Return whether a length gives the same logits as its reference: the next multiple of 512, or the window.

        A reference is compared with the one below it. If they differ, `independent` becomes false, and every length
        counts as exact.
        """
        longer = self._within_window(-(-length // REFERENCE_LENGTH) * REFERENCE_LENGTH, length)
        shorter = length if length < longer else (length - 1) // REFERENCE_LENGTH * REFERENCE_LENGTH
        if not self.independent or shorter == 0:
            return True
        pair = shorter, longer
        if pair not in self._compared:
            self._compared[pair] = self._agree(*pair)
            if length == longer and not self._compared[pair]:
                _LOG.info("steps over %d and %d positions round differently: near ties may resolve differently", *pair)
                self.independent = False
                return True
        return self._compared[pair]

    def _agree(self, shorter: int, longer: int) -> bool:
        slots = min(MIN_WIDTH, self._slots)
        decoder = self._make_decoder(slots, longer)
        decoder.cache.fill_with_noise(torch.Generator().manual_seed(0))
        positions = (shorter - 1 - 5 * torch.arange(slots)).clamp(min=0)
        tokens = torch.arange(slots)
        return torch.equal(_step(decoder, tokens, positions, shorter), _step(decoder, tokens, positions, longer))


def next_length(positions: int) -> int:
    """Round up to a multiple of 32; above 256 of 64, above 512 of 128, and so on.

    Above 128, at most a fifth of the length is unused.
    """
    step = 32
    while positions > 8 * step:
        step *= 2
    return -(-positions // step) * step


def _step(decoder: SlotDecoder, tokens: Tensor, positions: Tensor, length: int) -> Tensor:
    """Run a step, with tokens and positions limited to those that the model has, and return a copy of its logits."""
    if decoder.window is not None:
        positions = positions.clamp(max=decoder.window - 1)
    return decoder.step((tokens % decoder.vocabulary).tolist(), positions.tolist(), length).clone()
