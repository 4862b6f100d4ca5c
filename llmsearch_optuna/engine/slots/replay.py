"""The two ways to draw tokens from stored summaries, behind one interface: on the host, or on a CUDA device.

How `DeviceReplay` works: completions that walk down the prefix tree have rows in tables on the device, as running ones
have slots (`SlotTables`). A step draws one token for each of up to 256 of them, from the summaries whose numbers the
host gives. The host looks up their next nodes, and runs the next step. A completion is written to its row once, and
stays there as long as it walks.
"""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from llmsearch_optuna.engine.running_completion import UNDECIDED, RunningCompletion, draw_tokens_from_summary
from llmsearch_optuna.engine.sampling import SlotTables
from llmsearch_optuna.engine.slots.graphs import StepGraphs
from llmsearch_optuna.engine.slots.shapes import next_length
from llmsearch_optuna.engine.slots.summary_table import SummaryTable
from llmsearch_optuna.engine.transfer import to_pinned

__all__ = ["DeviceReplay", "HostReplay", "Replay"]

_ROWS = 256


class Replay(Protocol):
    """Draws tokens from stored summaries."""

    def draw(self, completions: Sequence[RunningCompletion], numbers: Sequence[int]) -> list[int]:
        """Return the next token of each completion, or `UNDECIDED`. The caller must append the tokens.

        Args:
            completions: The completions.
            numbers: The number of the summary of each.
        """


class HostReplay:
    """Draws on the host; see `Replay`.

    Args:
        table: The summaries, on the CPU.
        search_noise: See `sample_summary`.
    """

    def __init__(self, table: SummaryTable, *, search_noise: bool) -> None:
        self._table = table
        self._search_noise = search_noise

    def draw(self, completions: Sequence[RunningCompletion], numbers: Sequence[int]) -> list[int]:
        """Return the next tokens; see `Replay`."""
        summary = self._table.read(torch.tensor(numbers))
        return draw_tokens_from_summary(summary, completions, search_noise=self._search_noise)


class _ReplayStep:
    """The work of the device in a step; see `Step`.

    The inputs are the number of each row's summary, and 1 for rows in use, otherwise 0; int64, shape (2, rows).
    """

    def __init__(self, table: SummaryTable, tables: SlotTables) -> None:
        self._table = table
        self._tables = tables

    def __call__(self, inputs: Tensor, length: int) -> tuple[Tensor, ...]:  # noqa: ARG002
        """Draw; return the tokens, `UNDECIDED` or not, and the bits of their surprises, int64, shape (2, rows)."""
        numbers, is_used = inputs
        drawn = self._tables.draw_from_summary(self._table.read(numbers))
        self._tables.advance(drawn, drawn.decided & is_used.bool())
        return (torch.stack([drawn.tokens.where(drawn.decided, UNDECIDED), drawn.surprises.view(torch.int64)]),)

    def make_repeatable(self, inputs: Tensor) -> None:
        """Keep no token."""
        inputs[1].zero_()

    def vary(self, inputs: Tensor) -> None:
        """Draw from other rows' summaries."""
        inputs[0].copy_(inputs[0].roll(1))


class DeviceReplay:
    """Draws on a CUDA device; see `Replay`.

    Args:
        table: The summaries, on the device.
        vocabulary: The number of tokens of the logits.
        device: The device.
    """

    def __init__(self, table: SummaryTable, vocabulary: int, device: torch.device) -> None:
        self._table = table
        self._device = device
        table.make_room(0, vocabulary)
        self._tables = SlotTables(_ROWS, device)
        self._rows: dict[RunningCompletion, tuple[int, int]] = {}  # each completion's row, and its tokens there
        like = torch.zeros(2, _ROWS, dtype=torch.int64, device=device)
        self._steps = StepGraphs(_ReplayStep(table, self._tables), like, "tokens are replayed")
        self._replacements = table.replacements

    @torch.inference_mode()
    def draw(self, completions: Sequence[RunningCompletion], numbers: Sequence[int]) -> list[int]:
        """Return the next tokens; see `Replay`."""
        parts = [slice(first, first + _ROWS) for first in range(0, len(completions), _ROWS)]
        with torch.cuda.device(self._device):
            return [token for part in parts for token in self._draw(completions[part], numbers[part])]

    def _draw(self, completions: Sequence[RunningCompletion], numbers: Sequence[int]) -> list[int]:
        self._admit(completions)
        rows = [self._rows[completion][0] for completion in completions]
        inputs = torch.zeros(2, _ROWS, dtype=torch.int64)
        inputs[0, rows], inputs[1, rows] = torch.tensor(numbers), 1
        drawn, copied = to_pinned(*self._steps.run(inputs, 0))
        copied.synchronize()
        drawn = drawn[:, rows]
        tokens: list[int] = drawn[0].tolist()
        surprises = drawn[1].view(torch.float64).tolist()
        for completion, token, surprise in zip(completions, tokens, surprises, strict=True):
            if token == UNDECIDED:
                del self._rows[completion]
            else:
                row, count = self._rows[completion]
                self._rows[completion] = row, count + 1
                completion.record_surprise(surprise)
        return tokens

    def _admit(self, completions: Sequence[RunningCompletion]) -> None:
        """Give a row to each completion that has none with its present tokens."""
        walking = set(completions)
        self._rows = {
            completion: (row, count)
            for completion, (row, count) in self._rows.items()
            if completion in walking and count == len(completion.token_ids)
        }
        new = [completion for completion in completions if completion not in self._rows]
        if not new:
            return
        used = {row for row, _ in self._rows.values()}
        free = (row for row in range(_ROWS) if row not in used)
        self._rows |= {completion: (row, len(completion.token_ids)) for completion, row in zip(new, free, strict=False)}
        longest = max(
            len(completion.request.prompt_ids) + completion.request.params.max_new_tokens for completion in new
        )
        contents = [(self._rows[completion][0], completion.contents) for completion in new]
        is_new = self._tables.admit(contents, next_length(longest))
        if is_new or self._replacements != self._table.replacements:
            self._steps.clear()
        self._replacements = self._table.replacements
