"""Decode steps as CUDA graphs: one launch replaces hundreds.

How it works: a step of a new shape is captured when it is first needed. Before that, it runs twice without a graph, so
that kernels are selected and memory is allocated. In the second run, the host must not wait for the device: a capture
cannot record that. These steps keep no drawn token. Repeating such a step is harmless, because it writes the same keys
and values to the same positions.

A captured graph is not trusted at once. It is replayed with other tokens than those of the capture, and its results
must be those of a plain step to the last bit. This finds graphs that are empty, because the capture was on another
device, and graphs that hold values of the capture where they should read memory. The step that follows has the right
tokens, and replaces the keys and values of that test.

Streams and captures belong to the current device, so the model's device is made the current one throughout.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from llmsearch_optuna.engine.memory import is_out_of_memory, release_memory

__all__ = ["GraphError", "Inputs", "Outputs", "StepGraphs"]


class GraphError(RuntimeError):
    """A step cannot be captured as a graph, or its graph gives other results."""


class Inputs(NamedTuple):
    """The rows of a step's int64 inputs, each of shape (slots,).

    Attributes:
        tokens: The token to feed to each slot; -1 for the token that the previous step drew for it.
        positions: The position of that token in its slot.
        pages: The page to which its keys and values are also written; 0 is not kept.
        draws: 1 if the step keeps the token that it draws for the slot, otherwise 0.
    """

    tokens: Tensor
    positions: Tensor
    pages: Tensor
    draws: Tensor


class Outputs(NamedTuple):
    """The results of a step, on the device.

    Attributes:
        logits: The model's logits. Shape: (slots, vocabulary).
        values: The largest logits; float32, shape (slots, width). This and the next two are those of `LogitSummary`.
        token_ids: Their token ids; int64, shape (slots, width).
        log_sums: What the other tokens sum up to; float64, shape (slots, 4).
        drawn: The next token, -1 if it is undecided, and the bits of its surprise; int64, shape (2, slots).
    """

    logits: Tensor
    values: Tensor
    token_ids: Tensor
    log_sums: Tensor
    drawn: Tensor


class StepGraphs:
    """The decode steps of one model on one device as graphs, one per shape.

    Args:
        take_step: ``(inputs, length) -> outputs``, a plain step; see `step`. Without `Inputs.draws`, repeating it must
            change nothing.
        slots: The number of slots.
        vocabulary: The number of tokens that the model embeds.
        device: The CUDA device.
    """

    def __init__(
        self, take_step: Callable[[Inputs, int], Outputs], slots: int, vocabulary: int, device: torch.device
    ) -> None:
        self._take_step = take_step
        self._vocabulary = vocabulary
        self._device = device
        with torch.cuda.device(device):
            self._stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        self._inputs = torch.zeros(len(Inputs._fields), slots, dtype=torch.int64, device=device)
        self._pool: Any = None
        self._captured: dict[int, tuple[torch.cuda.CUDAGraph, Outputs]] = {}

    def step(self, inputs: Tensor, length: int) -> Outputs:
        """Replay the graph of one step. If its length is new, the graph is captured first.

        Args:
            inputs: The rows of `Inputs`; int64, on the host. Shape: (4, slots).
            length: The number of cache positions that are read.

        Returns:
            Results, valid until the next step.

        Raises:
            GraphError: The step cannot be captured.
            RuntimeError: Memory ran out; see `is_out_of_memory`.
        """
        with torch.cuda.device(self._device):
            inputs = inputs.pin_memory()
            self._inputs.copy_(inputs, non_blocking=True)
            if length not in self._captured:
                on_device = Inputs(*self._inputs)
                on_device.draws.zero_()
                graph, outputs = self._capture(on_device, length)
                self._check(graph, outputs, on_device, length)
                self._inputs.copy_(inputs, non_blocking=True)
                self._captured[length] = graph, outputs
            graph, outputs = self._captured[length]
            graph.replay()
        return outputs

    def clear(self) -> None:
        """Drop the graphs. Required after the memory that they write to is replaced."""
        self._captured.clear()
        self._pool = None  # a pool must not be used again after all of its graphs have been destroyed

    def _capture(self, inputs: Inputs, length: int) -> tuple[torch.cuda.CUDAGraph, Outputs]:
        self._rehearse(inputs, length)
        try:
            return self._captured_once(inputs, length)
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise
            # The rehearsal would have shown what cannot be captured. An allocation that fails during a capture may
            # only invalidate it, without saying so.
            reason = error
        release_memory()
        try:
            return self._captured_once(inputs, length)
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise
            raise GraphError(f"the capture failed: {' '.join(str(reason).split())}") from error

    def _rehearse(self, inputs: Inputs, length: int) -> None:
        """Run the step twice without a graph.

        Raises:
            GraphError: The host has to wait for the device in the middle of a step.
        """
        before = torch.cuda.get_sync_debug_mode()
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            self._take_step(inputs, length)
            torch.cuda.set_sync_debug_mode("error")
            try:
                self._take_step(inputs, length)
            except RuntimeError as error:
                if is_out_of_memory(error):
                    raise
                raise GraphError(f"its forward pass waits for the device: {' '.join(str(error).split())}") from error
            finally:
                torch.cuda.set_sync_debug_mode(before)
        torch.cuda.current_stream().wait_stream(self._stream)

    def _captured_once(self, inputs: Inputs, length: int) -> tuple[torch.cuda.CUDAGraph, Outputs]:
        graph = torch.cuda.CUDAGraph()
        before = torch.cuda.current_stream()
        try:
            # Other threads (leases, a user's metric) may use the device meanwhile.
            with torch.cuda.graph(graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"):
                outputs = self._take_step(inputs, length)
        except BaseException:
            # In torch 2.13, the stream of a failed capture stays the current one.
            torch.cuda.set_stream(before)
            raise
        self._pool = graph.pool()
        return graph, outputs

    def _check(self, graph: torch.cuda.CUDAGraph, outputs: Outputs, inputs: Inputs, length: int) -> None:
        """Compare a graph with a plain step, on other tokens than those of its capture.

        Raises:
            GraphError: The results differ.
        """
        inputs.tokens.add_(1).remainder_(self._vocabulary)
        inputs.pages.zero_()
        plain = [output.clone() for output in self._take_step(inputs, length)]
        graph.replay()
        if not all(torch.equal(_bits(a), _bits(b)) for a, b in zip(plain, outputs, strict=True)):
            raise GraphError("a replayed step has other results than a plain one")


def _bits(values: Tensor) -> Tensor:
    """Return the bytes of a tensor, in which NaN equals NaN."""
    return values.contiguous().view(torch.uint8)
