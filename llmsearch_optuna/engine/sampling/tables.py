"""The parameters and the contexts of slots on the device, so that the draw can be a part of a decode step's CUDA graph.

How it works: the numbers of a slot are a column of `ParameterTable`, written when a completion is admitted to the slot.
Penalties need the tokens of the slot. `draw` reads the tables, and `advance` updates them with the drawn tokens; the
host takes no part in either. A graph is valid for the kinds that it was captured with (`SlotTables.kinds`).

::

    parameters  [numbers, slots]      temperature, seed, ..., step, length of the context, mirostat's mu
    prompts     [slots, capacity]     the tokens of the prompt
    contexts    [slots, capacity]     those that the decoder has seen, `length` of them
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from llmsearch_optuna.engine.sampling.contexts import NO_TOKEN, Contexts
from llmsearch_optuna.engine.sampling.parameter_table import ParameterTable, SlotContents, SlotKinds
from llmsearch_optuna.engine.sampling.rows import SamplingRows
from llmsearch_optuna.engine.sampling.sampler import DeviceDraw, draw_on_device
from llmsearch_optuna.engine.sampling.summary import LogitSummary, SummaryDraw, sample_summary
from llmsearch_optuna.engine.transfer import to_device

__all__ = ["DrawInputs", "SlotTables"]


class DrawInputs(NamedTuple):
    """The arguments of `draw`: logits with penalties, the parameters of their rows, and the steps."""

    logits: Tensor
    rows: SamplingRows
    steps: Tensor


class SlotTables:
    """What is needed to draw the next token of each slot, on the device of the logits.

    Args:
        slots: The number of slots. All of them are greedy, without penalties, until something is admitted.
        device: The device.
    """

    def __init__(self, slots: int, device: torch.device | str) -> None:
        self._device = device
        self._parameters = ParameterTable(slots, device)
        self._tokens = torch.empty(2, slots, 0, dtype=torch.int64, device=device)  # of prompts and of contexts

    @property
    def kinds(self) -> SlotKinds:
        """The kinds of all completions admitted so far."""
        return self._parameters.kinds

    def admit(self, contents: Sequence[tuple[int, SlotContents]], capacity: int) -> bool:
        """Write what slots continue to the tables.

        Args:
            contents: Slots and their contents.
            capacity: The maximum number of tokens of any context, until `make_room` raises it.

        Returns:
            Whether graphs captured before are invalid, because other tables or formulas are used from now on.
        """
        kinds, breakers = self.kinds, self._parameters.breakers
        places = self._parameters.write(contents)
        is_new = self.kinds != kinds or self._parameters.breakers is not breakers
        is_new |= self.make_room(capacity)
        if self.kinds.has_penalties:
            self._write_contexts(places, [content for _, content in contents])
        return is_new

    def make_room(self, capacity: int) -> bool:
        """Make room for contexts of up to `capacity` tokens, and return whether the tables of tokens are other ones."""
        _, slots, before = self._tokens.shape
        places = self._places(capacity)
        if not self.kinds.has_penalties or before >= places:
            return False
        longer = torch.full((2, slots, places), NO_TOKEN, dtype=torch.int64, device=self._device)
        longer[..., :before] = self._tokens
        self._tokens = longer
        return True

    def draw(self, logits: Tensor, *, width: int) -> DeviceDraw:
        """Draw the next token of each slot from logits before penalties; see `draw_on_device`."""
        return draw_on_device(*self.inputs(logits), width=width)

    def inputs(self, logits: Tensor, slots: Tensor | None = None, capacity: int | None = None) -> DrawInputs:
        """Return what a draw takes.

        Args:
            logits: The model's logits before penalties; floating [rows, vocabulary].
            slots: The slot of each row; int64 [rows]. By default, there is a row for each slot.
            capacity: The maximum number of tokens of the contexts of these rows. By default, that of all so far. It
                changes the cost but not the result.
        """
        logits, steps = logits.float(), self._parameters.integers("step")
        if self.kinds.has_penalties:
            contexts = self._contexts(None if capacity is None else self._places(capacity))
            contexts = contexts if slots is None else contexts.at(slots)
            logits = contexts.penalise(logits, self._parameters.penalties(slots))
        return DrawInputs(logits, self._parameters.rows(slots), steps if slots is None else steps[slots])

    def progress(self, slot: int) -> Tensor:
        """Return mirostat's mu and the step of a slot; see `ParameterTable.progress`."""
        return self._parameters.progress(slot)

    def draw_from_summary(self, summary: LogitSummary) -> SummaryDraw:
        """Draw the next token of each slot as far as a summary of logits before penalties decides it.

        See `sample_summary`.
        """
        if self.kinds.has_penalties:
            summary = self._contexts().penalise_summary(summary, self._parameters.penalties())
        return sample_summary(summary, self._parameters.rows(), self._parameters.integers("step"))

    def advance(self, drawn: DeviceDraw | SummaryDraw, mask: Tensor) -> None:
        """Advance step, context and mirostat's mu of each slot of the mask (bool [slots]) by the drawn token."""
        self._parameters.advance(drawn.surprises, mask)
        if self.kinds.has_penalties:
            lengths, contexts, mask = self._parameters.integers("length"), self._tokens[1], mask[:, None]
            place = lengths.clamp(max=contexts.shape[1] - 1)[:, None]
            contexts.scatter_(1, place, drawn.tokens[:, None].where(mask, contexts.gather(1, place)))
            lengths.add_(mask[:, 0])

    def _contexts(self, places: int | None = None) -> Contexts:
        """Return the contexts of all slots, up to a number of places."""
        prompts, contexts = self._tokens[..., :places]
        return Contexts(prompts, contexts, self._parameters.integers("length"), self._parameters.integers("step"))

    def _places(self, capacity: int) -> int:
        """Return the number of places that contexts of up to `capacity` tokens need."""
        return max(capacity, *self.kinds.ngrams, 1)

    def _write_contexts(self, places: Tensor, rows: Sequence[SlotContents]) -> None:
        written = torch.full((2, len(rows), self._tokens.shape[2]), NO_TOKEN, dtype=torch.int64)
        for row, content in enumerate(rows):
            for part, ids in enumerate((content.prompt, content.context)):
                written[part, row, : len(ids)] = torch.as_tensor(ids, dtype=torch.int64)
        self._tokens.index_copy_(1, places, to_device(written, self._device))
