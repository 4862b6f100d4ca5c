"""Decode steps that draw on the CUDA device, which runs one step ahead of the host.

How it works: a step is the model's forward pass, the summaries of its logits and the draw, all in one CUDA graph. What
the draw needs of each slot is in tables on the device (`SlotTables`, which has a picture of them); a completion is
written to them when it is admitted to its slot. The step leaves the drawn token and its position where the next step
finds them. So the host can launch the next step before it knows the result of this one, and does its own work (stop
strings, texts, prefix tree, storage) while the device computes. The noise of a token depends only on the seed, the
prompt, the step and the token, so this changes no token: where a completion has ended meanwhile, the result of its
slot is dropped.

The host sends one small copy per step (`Inputs`), and gets the tokens in pinned memory, with an event that tells when
they are there. In a step, it waits for nothing else.

A row is undecided if the leading candidates do not decide its token, or if its logits are not numbers. Its slot then
stays as it is: the next step feeds the same token at the same position, and gives the same logits to the bit. From
these the host draws the token, or raises the error.
"""

from collections import deque
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from llmsearch_optuna.engine.running_completion import UNDECIDED, RunningCompletion
from llmsearch_optuna.engine.sampling import SlotTables, summary_parts
from llmsearch_optuna.engine.slots.decoder import SlotDecoder
from llmsearch_optuna.engine.slots.graphs import StepGraphs
from llmsearch_optuna.engine.slots.steps import DRAWN, StepResult, StepRow
from llmsearch_optuna.engine.slots.summary_table import SummaryTable
from llmsearch_optuna.engine.transfer import to_pinned

__all__ = ["DeviceSteps"]

_CANDIDATES = 1024  # candidates of a draw: a sort of more takes longer, and rows that need more are rare


class Inputs(NamedTuple):
    """The rows of a step's int64 inputs, each of shape (slots,).

    Attributes:
        tokens: The token to feed to each slot; `DRAWN` for the one that the previous step drew for it.
        positions: The position of that token in its slot.
        pages: The page to which its keys and values are also written; 0 is not kept.
        summaries: The number of the summary of the logits; 0 is not kept.
        draws: 1 if the step keeps the token that it draws for the slot, otherwise 0.
    """

    tokens: Tensor
    positions: Tensor
    pages: Tensor
    summaries: Tensor
    draws: Tensor


class _LaunchedStep(NamedTuple):
    """A step that is not collected yet.

    Attributes:
        slots: The slots of its rows.
        drawn: The tokens, or `UNDECIDED`, and the bits of their surprises, in pinned memory; int64, shape (2, slots).
        copied: The event after which they are there.
    """

    slots: list[int]
    drawn: Tensor
    copied: torch.cuda.Event


class _DecodeStep:
    """The work of the device in a step; see `Step`. It holds the next token and position of each slot."""

    def __init__(self, decoder: SlotDecoder, table: SummaryTable, tables: SlotTables) -> None:
        self._decoder = decoder
        self._table = table
        self._tables = tables
        self._fed_next = torch.zeros(2, decoder.slots, dtype=torch.int64, device=decoder.runner.device)

    def __call__(self, inputs: Tensor, length: int) -> tuple[Tensor, ...]:
        """Run the model, summarise its logits and draw; return logits, `_LaunchedStep.drawn`, and the summaries."""
        given = Inputs(*inputs)
        is_drawn, draws = given.tokens < 0, given.draws.bool()
        tokens, positions = self._fed_next.where(is_drawn, inputs[:2])
        positions = positions.clamp(max=length - 1)  # a slot may be beyond it whose completion has ended
        logits = self._decoder.run(tokens, positions, given.pages, length)
        summaries = summary_parts(logits)
        self._table.write(given.summaries, summaries)
        drawn = self._tables.draw(logits, width=_CANDIDATES)
        is_decided = ~drawn.undecided & drawn.peaks.isfinite()
        keeps = draws & is_decided
        self._tables.advance(drawn, keeps)
        following = torch.stack([drawn.tokens.where(keeps, tokens), positions + keeps])
        self._fed_next.copy_(following.where(draws, self._fed_next))
        result = torch.stack([drawn.tokens.where(is_decided, UNDECIDED), drawn.surprises.view(torch.int64)])
        return logits, result, *summaries

    def make_repeatable(self, inputs: Tensor) -> None:
        """Keep no token."""
        Inputs(*inputs).draws.zero_()

    def vary(self, inputs: Tensor) -> None:
        """Feed other tokens, whose pages and summaries are not kept."""
        given = Inputs(*inputs)
        given.tokens.add_(1).remainder_(self._decoder.vocabulary)
        given.pages.zero_()
        given.summaries.zero_()


class DeviceSteps:
    """Steps that draw on a CUDA device; see `Steps`.

    Args:
        decoder: Runs the forward passes, on one device.
        table: Keeps the summaries, on this device.
        vocabulary: The number of tokens of the logits.
    """

    lag = 1

    def __init__(self, decoder: SlotDecoder, table: SummaryTable, vocabulary: int) -> None:
        self._decoder = decoder
        self._device = decoder.runner.device
        self._tables = SlotTables(decoder.slots, self._device)
        table.make_room(0, vocabulary)
        self._launched: deque[_LaunchedStep] = deque()
        self._logits = torch.empty(0)
        self._replacements = decoder.replacements
        like = torch.zeros(len(Inputs._fields), decoder.slots, dtype=torch.int64, device=self._device)
        step = _DecodeStep(decoder, table, self._tables)
        self._steps = StepGraphs(step, like, "decode steps run", are_graphs=decoder.runner.is_capturable)

    @property
    def has_graphs(self) -> bool:
        """Whether steps are CUDA graphs."""
        return self._steps.are_graphs

    @torch.inference_mode()
    def launch(self, rows: Mapping[int, StepRow], width: int, length: int) -> None:
        """Begin a step; see `Steps`. The width is always the number of slots."""
        inputs = torch.zeros(len(Inputs._fields), width, dtype=torch.int64)
        columns = [
            (row.token, row.position, row.places.page, row.places.summary, row.lead is not None)
            for row in rows.values()
        ]
        inputs[:, list(rows)] = torch.tensor(columns, dtype=torch.int64).T
        with torch.cuda.device(self._device):
            self._admit({slot: row.lead for slot, row in rows.items() if row.lead is not None and row.token != DRAWN})
            self._logits, drawn, *_ = self._steps.run(inputs, length)
            self._decoder.runner.is_capturable = self._steps.are_graphs
            self._launched.append(_LaunchedStep(list(rows), *to_pinned(drawn)))

    def collect(self) -> StepResult:
        """Return the result of the earliest step; see `Steps`."""
        slots, drawn, copied = self._launched.popleft()
        copied.synchronize()
        tokens, surprises = drawn[:, torch.tensor(slots)]
        return StepResult(slots, self._logits, tokens=tokens.tolist(), surprises=surprises.view(torch.float64).tolist())

    def discard(self) -> None:
        """Discard all steps; see `Steps`."""
        self._launched.clear()

    def _admit(self, leads: Mapping[int, RunningCompletion]) -> None:
        """Write completions to the tables, and drop the graphs if they have become invalid."""
        is_new = bool(leads) and self._tables.admit(
            [(slot, completion.contents) for slot, completion in leads.items()], self._decoder.capacity
        )
        if is_new or self._replacements != self._decoder.replacements:
            self._steps.clear()
        self._replacements = self._decoder.replacements
