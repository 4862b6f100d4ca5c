"""The summaries of logits that are kept for replay, as tables on one device."""

from collections.abc import Sequence

import torch
from torch import Tensor

from llmsearch_optuna.engine.sampling import SUMMARY_WIDTH, LogitSummary, SummaryParts, summary_of
from llmsearch_optuna.engine.transfer import to_device

__all__ = ["SUMMARY_BYTES", "SummaryTable"]

SUMMARY_BYTES = SUMMARY_WIDTH * 8 + 4 * 8
"""The memory of one summary, in bytes."""

_INITIAL_SIZE = 1024


class SummaryTable:
    """Holds a summary for each of the numbers 1..capacity. What is written to number 0 is not kept.

    Args:
        capacity: The highest number.
        device: The device of the logits. On CUDA, the whole table is allocated at once: graphs write to it, and would
            have to be captured again whenever it grew.

    Attributes:
        replacements: How often the tensors have been replaced by larger ones.
    """

    def __init__(self, capacity: int, device: torch.device) -> None:
        self.replacements = 0
        self._capacity = capacity
        self._device = device
        self._vocabulary = 0
        self._values = torch.empty(0, 0, device=device)
        self._token_ids = torch.empty(0, 0, dtype=torch.int32, device=device)
        self._log_sums = torch.empty(0, 4, dtype=torch.float64, device=device)

    @property
    def nbytes(self) -> int:
        """The memory of the tables, in bytes."""
        return sum(table.nbytes for table in (self._values, self._token_ids, self._log_sums))

    def make_room(self, number: int, vocabulary: int) -> None:
        """Ensure that there is room for the numbers up to this one, and for summaries of this vocabulary."""
        size = len(self._values)
        if number < size:
            return
        self._vocabulary = vocabulary
        larger = self._capacity if self._device.type == "cuda" else max(number, 2 * size, _INITIAL_SIZE)
        width = min(SUMMARY_WIDTH, vocabulary)
        rows = min(larger, self._capacity) + 1

        def enlarged(table: Tensor, columns: int) -> Tensor:
            longer = table.new_zeros(rows, columns)
            if size:
                longer[:size] = table
            return longer

        self._values, self._token_ids = enlarged(self._values, width), enlarged(self._token_ids, width)
        self._log_sums = enlarged(self._log_sums, 4)
        self.replacements += 1

    def store(self, numbers: Sequence[int], parts: SummaryParts, vocabulary: int) -> None:
        """Write a row of the parts for each number that the host knows."""
        if self._capacity == 0:
            return
        self.make_room(max(numbers), vocabulary)
        self.write(to_device(torch.tensor(numbers), self._device), parts)

    def write(self, numbers: Tensor, parts: SummaryParts) -> None:
        """Write a row of the parts for each number. The numbers are int64, on the device; 0 may occur repeatedly."""
        self._values.index_copy_(0, numbers, parts.values)
        self._token_ids.index_copy_(0, numbers, parts.token_ids.int())
        self._log_sums.index_copy_(0, numbers, parts.log_sums)

    def read(self, numbers: Tensor) -> LogitSummary:
        """Return the summaries with these numbers; int64, on the device."""
        parts = SummaryParts(self._values[numbers], self._token_ids[numbers].long(), self._log_sums[numbers])
        return summary_of(parts, self._vocabulary)
