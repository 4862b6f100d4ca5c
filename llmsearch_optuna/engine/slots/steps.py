"""The two ways to run decode steps, behind one interface: drawn by the host, or by a CUDA device that runs ahead of it.

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

__all__ = ["DRAWN", "HostSteps", "StepResult", "StepRow", "Steps"]

DRAWN = -1
"""In place of a token: the one that the device drew for the slot in the previous step, which the host does not know."""


class StepRow(NamedTuple):
    """What a step does with one slot.

    Attributes:
        token: The token to feed; `DRAWN` for the one that the device drew.
        position: Its position in the slot. If the device left the previous token undecided, it feeds that one again, at
            its old position.
        page: The page to which its keys and values are also written; 0 is not kept.
        lead: The completion whose next token the device draws from the logits; None if there is none.
    """

    token: int
    position: int
    page: int = 0
    lead: RunningCompletion | None = None


class StepResult(NamedTuple):
    """The result of a step, with one row for each slot of `Steps.launch`, in their order.

    Attributes:
        summary: The summaries of the logits.
        tokens: The token that the device drew for each row, -1 if it left it undecided; None if the host draws.
        surprises: The surprise of each of these tokens; see `Draw`.
        logits: The logits of all slots, in the order of their numbers; valid until the next step is launched. Shape:
            (slots, vocabulary). If the device draws, those of its undecided rows alone are valid.
        slots: The slot of each row.
    """

    summary: LogitSummary
    tokens: list[int] | None
    surprises: list[float]
    logits: Tensor
    slots: list[int]

    @classmethod
    def of_logits(cls, logits: Tensor) -> "StepResult":
        """Return the result of logits from which the host draws. Shape: (rows, vocabulary)."""
        return cls(summarise(logits), None, [], logits, list(range(len(logits))))

    def select(self, rows: Sequence[int]) -> "StepResult":
        """Return these rows, in this order."""
        if len(rows) == len(self.slots):
            return self
        return self._replace(
            summary=self.summary.select(torch.tensor(rows, dtype=torch.int64)),
            tokens=None if self.tokens is None else [self.tokens[row] for row in rows],
            surprises=[self.surprises[row] for row in rows] if self.surprises else [],
            slots=[self.slots[row] for row in rows],
        )


class Steps(Protocol):
    """Runs decode steps in the order of their launches.

    Attributes:
        lag: How many launched steps are not collected yet when the next one is launched.
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
    """Steps whose tokens the host draws, one at a time; see `Steps`."""

    lag = 0

    def __init__(self, decoder: SlotDecoder) -> None:
        self._decoder = decoder
        self._launched: deque[tuple[Tensor, list[int]]] = deque()

    def launch(self, rows: Mapping[int, StepRow], width: int, length: int) -> None:
        """Begin a step; see `Steps`."""
        padded = [rows.get(slot, _PADDING) for slot in range(width)]
        tokens, positions, pages, _ = zip(*padded, strict=True)
        self._launched.append((self._decoder.step(tokens, positions, length, pages), list(rows)))

    def collect(self) -> StepResult:
        """Return the logits of the earliest step; see `Steps`."""
        logits, slots = self._launched.popleft()
        is_compact = slots == list(range(len(slots)))
        summary = summarise(logits[: len(slots)] if is_compact else logits[torch.tensor(slots, device=logits.device)])
        return StepResult(summary, None, [], logits, slots)

    def discard(self) -> None:
        """Discard all steps; see `Steps`."""
        self._launched.clear()


_PADDING = StepRow(token=0, position=0)
