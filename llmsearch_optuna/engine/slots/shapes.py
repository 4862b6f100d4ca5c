"""Which shapes of the decode step round alike: measured on the machine, as no library promises it."""

import logging
from collections.abc import Callable

import torch
from torch import Tensor

from llmsearch_optuna.engine.slots.decoder import SlotDecoder

__all__ = ["MIN_ROWS", "ExactShapes"]

_LOG = logging.getLogger(__name__)

MIN_ROWS = 8
"""Rows of the narrowest step: matrix products of one or two rows take other kernels, which round otherwise."""

_WIDTH_STEP = 8
_TEST_LENGTH = 64
_REFERENCE_LENGTH = 512


class ExactShapes:
    """Widths (rows) and lengths (places) of the decode step that give a row the same bits.

    Kernels are chosen by shape, and different ones add up in different orders. So every shape is compared with a
    reference before it is used: steps on noise, which must agree to the last bit.

    Args:
        make_decoder: ``(slots, capacity) -> decoder`` for the comparisons.
        slots: The full width.

    Attributes:
        widths: Ascending; the last is `slots`.
        independent: Whether a row's bits do not depend on its slot and neighbours even at one shape. Where they do (a
            mixture of experts multiplies as many rows as chose an expert), all shapes are as good.
    """

    def __init__(self, make_decoder: Callable[[int, int], SlotDecoder], slots: int) -> None:
        self._make_decoder = make_decoder
        self._slots = slots
        self._known: dict[tuple[int, int], bool] = {}
        self.independent, self.widths = self._compare_widths()

    def width(self, rows: int) -> int:
        """The narrowest width for so many rows."""
        return next(width for width in self.widths if width >= rows)

    def length(self, places: int) -> int:
        """The shortest length for so many places."""
        candidate = _next_length(places)
        while not self._is_exact(candidate):
            candidate = _next_length(candidate + 1)
        return candidate

    def _compare_widths(self) -> tuple[bool, tuple[int, ...]]:
        slots, length = self._slots, _TEST_LENGTH
        decoder = self._make_decoder(slots, length)
        generator = _filled(decoder)
        positions = torch.randint(length, (slots,), generator=generator)
        tokens = torch.arange(slots)
        whole = _step(decoder, tokens, positions, length)
        # On CUDA a narrower step takes as long, and every width would be a graph of its own.
        narrower = () if whole.device.type == "cuda" else range(MIN_ROWS, slots, _WIDTH_STEP)
        same = {
            width: torch.equal(_step(decoder, tokens[:width], positions[:width], length), whole[:width])
            for width in narrower
        }
        # The first half of the rows in other slots, beside other neighbours.
        order = torch.randperm(slots, generator=generator)
        decoder.cache.permute(order)
        stays = order < slots // 2
        moved = _step(
            decoder,
            torch.where(stays, order, slots + order),
            torch.where(stays, positions[order], positions[order].flip(0)),
            length,
        )
        independent = torch.equal(moved[stays.to(moved.device)], whole[order[stays].to(whole.device)])
        if not independent:
            _LOG.info("this model rounds a row's logits by its neighbours: a near tie may fall either way")
        return independent, (*(width for width in narrower if same[width] or not independent), slots)

    def _is_exact(self, length: int) -> bool:
        """Whether a length gives the same bits as the reference: the next multiple of 512, each like the one below."""
        longer = -(-length // _REFERENCE_LENGTH) * _REFERENCE_LENGTH
        shorter = length if length < longer else length - _REFERENCE_LENGTH
        if not self.independent or shorter == 0:
            return True
        if (shorter, longer) not in self._known:
            self._known[shorter, longer] = self._agree(shorter, longer)
            if length == longer and not self._known[shorter, longer]:
                _LOG.info(
                    "steps over %d and %d places round otherwise: a near tie may fall either way", shorter, longer
                )
                self.independent = False
                return True
        return self._known[shorter, longer]

    def _agree(self, shorter: int, longer: int) -> bool:
        rows = min(MIN_ROWS, self._slots)
        decoder = self._make_decoder(rows, longer)
        _filled(decoder)
        positions = (shorter - 1 - 5 * torch.arange(rows)).clamp(min=0)
        tokens = torch.arange(rows)
        return torch.equal(_step(decoder, tokens, positions, shorter), _step(decoder, tokens, positions, longer))


def _next_length(places: int) -> int:
    """Multiples of 32, then of 64 from 256 on, of 128 from 512 on, ...: at most a fifth of it unused from there on."""
    step = 32
    while places > 8 * step:
        step *= 2
    return -(-places // step) * step


def _filled(decoder: SlotDecoder) -> torch.Generator:
    generator = torch.Generator().manual_seed(0)
    decoder.cache.fill_with_noise(generator)
    return generator


def _step(decoder: SlotDecoder, tokens: Tensor, positions: Tensor, length: int) -> Tensor:
    """A step on tokens and at positions that the model has."""
    if decoder.window is not None:
        positions = positions.clamp(max=decoder.window - 1)
    return decoder.step((tokens % decoder.vocabulary).tolist(), positions.tolist(), length).clone()
