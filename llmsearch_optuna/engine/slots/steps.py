"""The two ways to run decode steps, behind one interface: the host draws the tokens, or a CUDA device that runs ahead.

`HostSteps` computes logits and leaves all tokens to the host. `DeviceSteps` (in `device_steps`) draws on the device.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from llmsearch_optuna.engine.running_completion import RunningCompletion
from llmsearch_optuna.engine.sampling import LogitSummary, summarise
from llmsearch_optuna.engine.slots.decoder import SlotDecoder
from llmsearch_optuna.engine.slots.prefix_tree import NO_PLACES, Places
from llmsearch_optuna.engine.slots.summary_table import SummaryTable

__all__ = ["DRAWN", "HostSteps", "StepResult", "StepRow", "Steps"]

DRAWN = -1
"""In place of a token to feed: the one that the device drew for the slot in the previous step."""


class StepRow(NamedTuple):
    """What a step does with one slot.

    Attributes:
        token: The token to feed; `DRAWN` for the one that the device drew.
        position: Its position in the slot. Of `DRAWN`, its position if it was decided. If it was not, the device feeds
            the token of the previous step again, at its position.
        places: Where its keys and values and the summary of its logits are also written.
        lead: The completion whose next token the device draws from the logits; None if there is none.
    """

    token: int
    position: int
    places: Places = NO_PLACES
    lead: RunningCompletion | None = None


class StepResult(NamedTuple):
    """The result of a step, with one row for each slot of `Steps.launch`, in their order.

    Attributes:
        slots: The slot of each row.
        logits: The logits of all slots, in the order of their numbers; valid until the next step is launched. Shape:
            (slots, vocabulary). If the device draws, they are those of the step after, and so only valid for undecided
            rows, which that step has repeated.
        summary: The summaries of the logits, on the CPU; None if the device draws.
        tokens: The token that the device drew for each row, or `UNDECIDED`; empty if the host draws.
        surprises: The surprise of each of these tokens; see `Draw`.
    """

    slots: list[int]
    logits: Tensor
    summary: LogitSummary | None = None
    tokens: Sequence[int] = ()
    surprises: Sequence[float] = ()

    def select(self, rows: Sequence[int]) -> "StepResult":
        """Return these rows, in this order."""
        if len(rows) == len(self.slots):
            return self
        return self._replace(
            slots=[self.slots[row] for row in rows],
            summary=self.summary and self.summary.select(torch.tensor(rows, dtype=torch.int64)),
            tokens=[self.tokens[row] for row in rows] if self.tokens else (),
            surprises=[self.surprises[row] for row in rows] if self.surprises else (),
        )


class Steps(Protocol):
    """Runs decode steps in the order of their launches.

    Attributes:
        lag: How many launched steps are not collected yet when the next one is launched: 0, or 1.
    """

    lag: int

    def launch(self, rows: Mapping[int, StepRow], width: int, length: int) -> None:
        """Begin a step.

        Args:
            rows: What to do with each slot. The content of all others is lost.
            width: The step takes the slots up to this number.
            length: The number of positions that are read: more than each position, and at most the capacity.
        """

    def collect(self) -> StepResult:
        """Return the result of the earliest step that has not been collected."""

    def discard(self) -> None:
        """Discard all steps that have not been collected."""


class HostSteps:
    """One step at a time, whose tokens the host draws; see `Steps`.

    Args:
        decoder: Runs the forward passes.
        table: Keeps the summaries.
    """

    lag = 0

    def __init__(self, decoder: SlotDecoder, table: SummaryTable) -> None:
        self._decoder = decoder
        self._table = table
        self._launched: deque[StepResult] = deque()

    def launch(self, rows: Mapping[int, StepRow], width: int, length: int) -> None:
        """Run a step; see `Steps`."""
        padded = [rows.get(slot, _PADDING) for slot in range(width)]
        logits = self._decoder.step(
            [row.token for row in padded],
            [row.position for row in padded],
            length,
            [row.places.page for row in padded],
        )
        slots = list(rows)
        is_compact = slots == list(range(len(slots)))
        summary = summarise(logits[: len(slots)] if is_compact else logits[torch.tensor(slots, device=logits.device)])
        self._table.store([row.places.summary for row in rows.values()], summary.parts, summary.vocabulary)
        self._launched.append(StepResult(slots, logits, summary))

    def collect(self) -> StepResult:
        """Return the result of the earliest step; see `Steps`."""
        return self._launched.popleft()

    def discard(self) -> None:
        """Discard all steps; see `Steps`."""
        self._launched.clear()


_PADDING = StepRow(token=0, position=0)
